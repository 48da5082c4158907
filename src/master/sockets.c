/* Open listening sockets, and who still needs them. Identity is the address as configured, so that
 * port 0 stays the port it got. Refuses to touch a socket that a generation in service uses: what a
 * candidate needs is opened beside it. */
#include "master/sockets.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"
#include "master/handover.h"
#include "master/notify.h"

struct socket_entry {
	struct sock_address address;
	int fd;
	unsigned holders;
	char *name;  /* by which the service manager gave it; NULL: we opened it */
	bool stored; /* opened by us, and the manager keeps a copy for the next start */
};

/* Names of what the service manager keeps for us. */
#define STORED_RING "latchd.ring"
#define STORED_LISTENER "latchd.listener."
enum { STORED_NAME_SIZE = sizeof(STORED_LISTENER) + 3 * SOCK_TEXT_SIZE };

/* "latchd.listener.*%3A443": what may not stand in a name is written as %XX. */
static const char *stored_name(const struct sock_address *a, char dst[STORED_NAME_SIZE])
{
	size_t n = sizeof(STORED_LISTENER) - 1;

	memcpy(dst, STORED_LISTENER, n);
	for (const char *p = a->text; *p; p++) {
		if (*p > ' ' && *p < 127 && *p != ':' && *p != '%')
			dst[n++] = *p;
		else
			n += (size_t)snprintf(dst + n, 4, "%%%02X", (unsigned char)*p);
	}
	dst[n] = 0;
	return dst;
}

static bool is_same_address(const struct sock_address *a, const struct sock_address *b)
{
	return a->dual == b->dual && !strcmp(a->text, b->text);
}

static bool is_taken(const struct socket_entry *entry, const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fds[i] == entry->fd)
			return true;
	return false;
}

/* One of that address that no other listener in `fds` has. */
static struct socket_entry *find(
	struct sockets *s, const struct sock_address *a, const int *fds, size_t n)
{
	for (size_t i = 0; i < s->n; i++)
		if (is_same_address(&s->v[i].address, a) && !is_taken(&s->v[i], fds, n))
			return &s->v[i];
	return NULL;
}

/* The given one of that name; of several, that of the listener's address. */
static struct socket_entry *find_named(
	struct sockets *s, const struct config_listener *l, const int *fds, size_t n)
{
	struct socket_entry *found = NULL;

	for (size_t i = 0; i < s->n; i++) {
		struct socket_entry *entry = &s->v[i];

		if (!entry->name || !l->name || strcmp(entry->name, l->name) ||
			is_taken(entry, fds, n))
			continue;
		if (is_same_address(&entry->address, &l->address))
			return entry;
		found = found ? found : entry;
	}
	return found;
}

static bool is_unix(const struct sock_address *a)
{
	return a->storage.ss_family == AF_UNIX;
}

static bool any_given(const struct sockets *s, bool of_unix)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].name && is_unix(&s->v[i].address) == of_unix)
			return true;
	return false;
}

static struct socket_entry *new_entry(struct sockets *s, struct err *e)
{
	if (s->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 8;
		struct socket_entry *v = reallocarray(s->v, cap, sizeof(*v));

		if (!v) {
			err_set(e, ERR_SYSTEM, "out of memory");
			return NULL;
		}
		s->v = v;
		s->cap = cap;
	}
	s->v[s->n] = (struct socket_entry){ .fd = -1 };
	return &s->v[s->n];
}

static struct socket_entry *open_new(
	struct sockets *s, const struct config_listener *l, struct err *e)
{
	struct socket_entry *entry = new_entry(s, e);

	if (!entry)
		return NULL;
	entry->fd = sock_listen(&l->address, l->backlog, e);
	if (entry->fd < 0)
		return NULL;
	entry->address = l->address;
	s->n++;
	return entry;
}

static void close_entry(struct sockets *s, size_t i)
{
	bool lives_on = s->v[i].name || (s->v[i].stored && s->ending);
	char name[STORED_NAME_SIZE];
	struct sockaddr_un un;

	if (s->v[i].stored && !s->ending)
		notify_forget(stored_name(&s->v[i].address, name));
	if (!lives_on && is_unix(&s->v[i].address)) {
		memcpy(&un, &s->v[i].address.storage, sizeof(un));
		if (un.sun_path[0])
			unlink(un.sun_path);
	}
	close(s->v[i].fd);
	free(s->v[i].name);
	s->v[i] = s->v[--s->n];
}

/* ---- given by the service manager --------------------------------------------------------- */

/* What was ours before. One that is not what its name says is dropped: it cannot have come from
 * us. */
static int take_back(struct sockets *s, int fd, const char *name, struct err *e)
{
	char wanted[STORED_NAME_SIZE];
	struct socket_entry *entry;

	if (!strcmp(name, STORED_RING) && s->ring_fd < 0) {
		s->ring_fd = fd;
		return 0;
	}
	entry = new_entry(s, e);
	if (!entry)
		return -1;
	if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0 ||
		sock_local_address(fd, &entry->address) < 0 ||
		strcmp(stored_name(&entry->address, wanted), name)) {
		log_warning("dropping \"%.80s\", which the service manager kept: it is not what "
			    "its name says",
			name);
		close(fd);
		notify_forget(name);
		return 0;
	}
	sock_adopt(fd);
	entry->fd = fd;
	entry->stored = true;
	s->n++;
	return 0;
}

static int adopt(struct sockets *s, int fd, const char *name, struct err *e)
{
	struct socket_entry *entry;

	if (!strncmp(name, STORED_LISTENER, strlen(STORED_LISTENER)) || !strcmp(name, STORED_RING))
		return take_back(s, fd, name, e);
	if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0)
		return err_set(e, ERR_CONFIG,
			"the service manager gives \"%.80s\", which is no listening stream socket",
			name);
	entry = new_entry(s, e);
	if (!entry)
		return -1;
	if (sock_local_address(fd, &entry->address) < 0)
		return err_errno(e, ERR_SYSTEM, errno, "the address of the socket \"%.80s\"", name);
	entry->name = strdup(name);
	if (!entry->name)
		return err_set(e, ERR_SYSTEM, "out of memory");
	sock_adopt(fd);
	entry->fd = fd;
	s->n++;
	return 0;
}

int sockets_adopt(struct sockets *s, struct err *e)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(1, &names), result = 0;

	s->ring_fd = -1;
	if (n < 0)
		return err_errno(e, ERR_SYSTEM, -n, "the sockets of the service manager");
	for (int i = 0; i < n; i++) {
		if (result == 0)
			result = adopt(s, SD_LISTEN_FDS_START + i, names[i], e);
		free(names[i]);
	}
	free(names);
	return result;
}

static struct socket_entry *acquire_given(struct sockets *s, const struct config_listener *l,
	const int *fds, size_t n, struct findings *f)
{
	struct socket_entry *entry = find_named(s, l, fds, n);

	if (entry && !is_same_address(&entry->address, &l->address))
		findings_warning(f, l->place.file, l->place.line,
			"the socket \"%.80s\" of the service manager listens on %s, not on %s",
			l->name, entry->address.text, l->address.text);
	return entry;
}

static void find_unwanted(
	const struct sockets *s, const struct config *c, const int *fds, struct findings *f)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].name && !is_taken(&s->v[i], fds, c->nlisteners))
			findings_error(f, ERR_CONFIG, c->path, 0,
				"no listener wants the socket \"%.80s\" (%s) of the service "
				"manager: there must be one with that name or that address",
				s->v[i].name, s->v[i].address.text);
}

/* Kept ones that this configuration does not want must go before others are opened: they might be
 * in the way. A reload never finds any. */
static void drop_unwanted(struct sockets *s)
{
	for (size_t i = s->n; i-- > 0;)
		if (s->v[i].stored && s->v[i].holders == 0)
			close_entry(s, i);
}

/* Where it does not (port 0, a machine without IPv6) another start would not know it again. */
static bool listens_as_configured(const struct socket_entry *entry)
{
	struct sock_address a;

	return sock_local_address(entry->fd, &a) == 0 && is_same_address(&a, &entry->address);
}

/* ---- the face ----------------------------------------------------------------------------- */

int sockets_take_ring(struct sockets *s)
{
	int fd = s->ring_fd;

	s->ring_fd = -1;
	s->has_stored_ring = fd >= 0;
	return fd;
}

void sockets_drop_ring(struct sockets *s)
{
	s->has_stored_ring = false;
	notify_forget(STORED_RING);
}

void sockets_store(struct sockets *s, int ring_fd)
{
	char name[STORED_NAME_SIZE];

	if (!s->has_stored_ring)
		s->has_stored_ring = notify_store(STORED_RING, ring_fd);
	for (size_t i = 0; i < s->n; i++) {
		struct socket_entry *entry = &s->v[i];

		if (entry->name || entry->stored || !listens_as_configured(entry))
			continue;
		entry->stored = notify_store(stored_name(&entry->address, name), entry->fd);
	}
}

void sockets_keep_stored(struct sockets *s)
{
	s->ending = true;
}

static int hold(struct socket_entry *entry)
{
	entry->holders++;
	return entry->fd;
}

static int open_one(struct sockets *s, const struct config_listener *l, struct findings *f)
{
	struct socket_entry *entry = NULL;
	struct err e = { 0 };

	if (any_given(s, is_unix(&l->address)))
		err_set(&e, ERR_CONFIG,
			"the service manager gives sockets, but none for listener \"%.80s\" (%s): "
			"none has that name or that address",
			l->name, l->address.text);
	else
		entry = open_new(s, l, &e);
	if (entry)
		return hold(entry);
	findings_error(f, e.code, l->place.file, l->place.line, "%s", e.text);
	return -1;
}

int *sockets_acquire(struct sockets *s, const struct config *c, struct findings *f)
{
	int *fds = calloc(c->nlisteners + 1, sizeof(*fds));
	size_t before = f->errors, n = c->nlisteners;

	if (!fds) {
		findings_error(f, ERR_SYSTEM, NULL, 0, "out of memory");
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		fds[i] = -1;
	/* Names first: a listener of another name must not take what is meant for this one. */
	for (size_t i = 0; i < n; i++) {
		struct socket_entry *entry = acquire_given(s, &c->listeners[i], fds, n, f);

		if (entry)
			fds[i] = hold(entry);
	}
	for (size_t i = 0; i < n; i++) {
		struct socket_entry *entry =
			fds[i] < 0 ? find(s, &c->listeners[i].address, fds, n) : NULL;

		if (entry)
			fds[i] = hold(entry);
	}
	drop_unwanted(s);
	for (size_t i = 0; i < n; i++)
		if (fds[i] < 0)
			fds[i] = open_one(s, &c->listeners[i], f);
	find_unwanted(s, c, fds, f);
	if (f->errors > before) {
		sockets_release(s, fds, n);
		return NULL;
	}
	return fds;
}

size_t sockets_release(struct sockets *s, int *fds, size_t n)
{
	size_t closed = 0;

	for (size_t k = 0; fds && k < n; k++) {
		size_t i = 0;

		if (fds[k] < 0)
			continue;
		while (i < s->n && s->v[i].fd != fds[k])
			i++;
		assert(i < s->n && s->v[i].holders > 0);
		if (--s->v[i].holders > 0 || s->v[i].name)
			continue;
		close_entry(s, i);
		closed++;
	}
	free(fds);
	return closed;
}

void sockets_apply_backlogs(const struct config *c, const int *fds)
{
	for (size_t i = 0; i < c->nlisteners; i++) {
		sock_adopt(fds[i]); /* whatever somebody who shares it has made of it */
		listen(fds[i], c->listeners[i].backlog);
	}
}

void sockets_done(struct sockets *s)
{
	if (!s)
		return;
	while (s->n)
		close_entry(s, s->n - 1);
	free(s->v);
	*s = (struct sockets){ 0 };
}

/* ---- from one image to the next ----------------------------------------------------------- */

int sockets_leave(const struct sockets *s, struct handover *ret, struct err *e)
{
	ret->sockets = calloc(s->n + 1, sizeof(*ret->sockets));
	if (!ret->sockets)
		return err_set(e, ERR_SYSTEM, "out of memory");
	for (size_t i = 0; i < s->n; i++) {
		const struct socket_entry *entry = &s->v[i];
		struct handover_socket *to = &ret->sockets[ret->nsockets++];

		*to = (struct handover_socket){ .fd = entry->fd,
			.stored = entry->stored,
			.held = entry->holders > 0,
			.address = strdup(entry->address.text),
			.name = strdup(entry->name ? entry->name : "") };
		if (!to->address || !to->name)
			return err_set(e, ERR_SYSTEM, "out of memory");
	}
	ret->ring_is_stored = s->has_stored_ring;
	return 0;
}

static int take_over_one(struct sockets *s, const struct handover_socket *from, struct err *e)
{
	struct socket_entry *entry = new_entry(s, e);

	if (!entry || sock_parse_address(str_of(from->address), &entry->address, e) < 0)
		return -1;
	if (from->name[0] && !(entry->name = strdup(from->name)))
		return err_set(e, ERR_SYSTEM, "out of memory");
	entry->fd = from->fd;
	entry->stored = from->stored;
	entry->holders = from->held;
	s->n++;
	return 0;
}

int sockets_take_over(struct sockets *s, const struct handover *h, struct err *e)
{
	s->ring_fd = -1;
	s->has_stored_ring = h->ring_is_stored;
	for (size_t i = 0; i < h->nsockets; i++)
		if (take_over_one(s, &h->sockets[i], e) < 0)
			return -1;
	return 0;
}
