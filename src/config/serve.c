/* The configuration of `latchd --serve`, built as data: loopback only, one site, one directory.
 * Writes one file, the certificate of the throw-away CA; no key ever touches a disk. */
#include "config/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <netinet/in.h>
#include <unistd.h>

#include "config/fill.h"
#include "tls/facts.h"

enum { SERVE_DAYS = 30 };

/* Frees `*dst` and sets it to a copy; -1: out of memory. */
static int set_string(char **dst, const char *s)
{
	char *copy = strdup(s);

	if (!copy)
		return -1;
	free(*dst);
	*dst = copy;
	return 0;
}

static bool has_ipv6_loopback(void)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	const void *p = &a;
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok = fd >= 0 && bind(fd, p, sizeof(a)) == 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

static int set_listener(
	struct config_listener *l, const char *name, const char *host, unsigned port)
{
	char text[64];

	snprintf(text, sizeof(text), "%s:%u", host, port);
	if (set_string(&l->name, name) || set_string(&l->address_text, text))
		return -1;
	return sock_parse_address(str_of(text), &l->address, NULL);
}

static int set_site(struct config_site *site, const char *root)
{
	static const char *const names[] = { "localhost", "127.0.0.1", "::1" };
	enum { NAMES = sizeof(names) / sizeof(names[0]) };

	site->names = calloc(NAMES, sizeof(*site->names));
	site->pairs = calloc(1, sizeof(*site->pairs));
	if (!site->names || !site->pairs)
		return -1;
	site->npairs = 1; /* in memory: serve_pem */
	site->is_default = true;
	for (size_t i = 0; i < NAMES; i++, site->nnames++)
		if (set_string(&site->names[i], names[i]))
			return -1;
	site->routes[0].has_files = true;
	site->routes[0].files.listing = true;
	return set_string(&site->routes[0].path, "/") ||
			       set_string(&site->routes[0].files.root, root)
		       ? -1
		       : 0;
}

/* Workers of a root master are the directory's owner. */
static int set_owner(struct config *c, const struct stat *st, const char *dir, struct findings *f)
{
	const struct passwd *user = getpwuid(st->st_uid);
	const struct group *group = getgrgid(st->st_gid);

	if (geteuid() != 0)
		return 0;
	if (!user || !group) {
		findings_error(f, ERR_CONFIG, NULL, 0,
			"the owner of %s (uid %u, gid %u) has no name here; give it to a user of "
			"this system",
			dir, st->st_uid, st->st_gid);
		return -1;
	}
	c->user_is_set = true;
	if (st->st_uid == 0)
		findings_warning(f, NULL, 0, "%s is root's: the workers run as root", dir);
	return set_string(&c->user, user->pw_name) || set_string(&c->group, group->gr_name) ? -1
											    : 0;
}

/* The CA's certificate in a file of its own that anybody may read. */
static int write_ca(struct config *c, struct buf *pem, struct findings *f)
{
	const char *dir = getenv("TMPDIR");
	char *path = NULL;
	bool ok;
	int fd;

	if (asprintf(&path, "%s/latchd-ca-XXXXXX.pem", dir && dir[0] == '/' ? dir : "/tmp") < 0)
		return -1;
	fd = mkostemps(path, 4, O_CLOEXEC);
	ok = fd >= 0 && fchmod(fd, 0644) == 0 &&
	     write(fd, buf_head(pem), buf_len(pem)) == (ssize_t)buf_len(pem);
	if (!ok)
		findings_error(f, ERR_SYSTEM, NULL, 0,
			"cannot write the CA's certificate to %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	if (ok) {
		c->serve_ca_path = path;
		return 0;
	}
	if (fd >= 0)
		unlink(path);
	free(path);
	return -1;
}

static int set_certificate(struct config *c, struct findings *f)
{
	struct err e = { 0 };
	struct buf ca, pem;
	int r = -1;

	buf_init(&ca, 0);
	buf_init(&pem, 0);
	if (tls_throwaway_make(SERVE_DAYS, &ca, &pem, &e)) {
		findings_error(f, e.code, NULL, 0, "%s", e.text);
		goto out;
	}
	c->serve_pem = strndup(buf_head(&pem), buf_len(&pem));
	r = c->serve_pem ? write_ca(c, &ca, f) : -1;
out:
	if (buf_len(&pem))
		explicit_bzero(buf_head(&pem), buf_len(&pem));
	buf_done(&pem);
	buf_done(&ca);
	return r;
}

/* Everything but defaults and the certificate. */
static int build(struct config *c, const char *root, unsigned port)
{
	if (set_listener(&c->listeners[0], "https", "127.0.0.1", port))
		return -1;
	if (c->nlisteners == 2 && set_listener(&c->listeners[1], "https6", "[::1]", port))
		return -1;
	return set_site(&c->sites[0], root);
}

static struct config *allocate(void)
{
	struct config *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->listeners = calloc(2, sizeof(*c->listeners));
	c->sites = calloc(1, sizeof(*c->sites));
	if (c->sites)
		c->sites[0].routes = calloc(1, sizeof(*c->sites[0].routes));
	if (c->listeners && c->sites && c->sites[0].routes)
		return c;
	config_free(c);
	return NULL;
}

struct config *config_serve(const char *dir, unsigned port, struct findings *f)
{
	char *root = realpath(dir, NULL);
	struct config *c = NULL;
	size_t before = f->errors;
	struct stat st;

	if (!root || stat(root, &st) || !S_ISDIR(st.st_mode)) {
		findings_error(f, ERR_CONFIG, NULL, 0, "cannot serve %s: %s", dir,
			root ? "it is not a directory" : strerror(errno));
		goto out;
	}
	c = allocate();
	if (!c)
		goto out;
	c->nlisteners =
		has_ipv6_loopback() && port ? 2 : 1; /* port 0 would be two different ones */
	c->nsites = c->sites[0].nroutes = 1;
	c->directory = strdup("/");
	fill_defaults(c, f);
	free(c->control);
	c->control = strdup("");
	if (c->directory && c->control && f->errors == before && !build(c, root, port) &&
		!set_owner(c, &st, dir, f) && !set_certificate(c, f)) {
		free(root);
		return c;
	}
	config_free(c);
	c = NULL;
out:
	if (f->errors == before)
		findings_error(f, ERR_SYSTEM, NULL, 0, "out of memory");
	free(root);
	return c;
}
