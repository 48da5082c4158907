/* What must hold between the parts: listeners and sites, and the choices that deserve a warning. It
 * looks at no file and no user database, so it gives the same answer everywhere. */
#include "config/check.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/names.h"
#include "config/check_site.h"
#include "net/control.h"
#include "tls/session_cache.h"

static unsigned port_of(const struct sock_address *a)
{
	const void *p = &a->storage;

	if (a->storage.ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)p)->sin_port);
	if (a->storage.ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)p)->sin6_port);
	return 0;
}

/* Does the address take all of its family? */
static bool is_any(const struct sock_address *a)
{
	const void *p = &a->storage;

	if (a->storage.ss_family == AF_INET)
		return ((const struct sockaddr_in *)p)->sin_addr.s_addr == htonl(INADDR_ANY);
	return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)p)->sin6_addr);
}

/* Would the kernel refuse the second of the two? */
static bool collide(const struct sock_address *a, const struct sock_address *b)
{
	if (a->storage.ss_family == AF_UNIX || b->storage.ss_family == AF_UNIX ||
		!strcmp(a->text, b->text))
		return !strcmp(a->text, b->text) && (a->storage.ss_family == AF_UNIX || port_of(a));
	if (!port_of(a) || port_of(a) != port_of(b))
		return false;
	if (a->storage.ss_family != b->storage.ss_family && !a->dual && !b->dual)
		return false;
	return is_any(a) || is_any(b);
}

static void check_listener_pair(const struct config *c, const struct config_listener *first,
	const struct config_listener *second, struct findings *f)
{
	struct config_place p;

	if (first->name && second->name && !strcmp(first->name, second->name) &&
		config_place_of(c, &second->name, NULL).line) {
		p = config_place_of(c, &second->name, &second->place);
		findings_error(f, ERR_CONFIG, p.file, p.line,
			"the listener at line %d has the name \"%.60s\" already; give each its own",
			first->place.line, second->name);
	}
	if (!first->address_text || !second->address_text ||
		!collide(&first->address, &second->address))
		return;
	p = config_place_of(c, &second->address_text, &second->place);
	findings_error(f, ERR_CONFIG, p.file, p.line,
		"\"%.100s\" is taken already by \"%.100s\" at line %d; use another port or remove "
		"one of them",
		second->address_text, first->address_text,
		config_place_of(c, &first->address_text, &first->place).line);
}

static void check_proxies(
	const struct config *c, const struct config_listener *l, struct findings *f)
{
	struct config_place p = config_place_of(c, &l->proxy_protocol, &l->place);

	if (l->proxy_protocol && !l->ntrusted && l->address.storage.ss_family != AF_UNIX)
		findings_error(f, ERR_CONFIG, p.file, p.line,
			"proxy_protocol without trusted: nobody could connect; add the addresses "
			"of the proxies, trusted = [ \"10.0.0.7\" ]");
	p = config_place_of(c, &l->trusted, &l->place);
	if (!l->proxy_protocol && l->ntrusted)
		findings_warning(
			f, p.file, p.line, "trusted has no effect without proxy_protocol = true");
}

static void check_listeners(const struct config *c, struct findings *f)
{
	struct config_place p = config_place_of(c, &c->listeners, NULL);

	if (!c->nlisteners)
		findings_error(f, ERR_CONFIG, p.file, p.line ? p.line : 1,
			"there are no listeners; expected at least one: listeners = ( { name = "
			"\"https\"; address = "
			"\"*:443\"; } );");
	for (size_t i = 0; i < c->nlisteners; i++) {
		const struct config_listener *l = &c->listeners[i];

		p = config_place_of(c, &l->name, &l->place);
		if (l->name && !l->name[0])
			findings_error(f, ERR_CONFIG, p.file, p.line,
				"the name of the listener is empty; expected one that sites can "
				"refer to");
		check_proxies(c, l, f);
		for (size_t k = 0; k < i; k++)
			check_listener_pair(c, &c->listeners[k], l, f);
	}
}

static const struct config_listener *find_listener(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->nlisteners; i++)
		if (c->listeners[i].name && !strcmp(c->listeners[i].name, name))
			return &c->listeners[i];
	return NULL;
}

static void report_unknown_listener(
	const struct config *c, const struct config_site *site, size_t at, struct findings *f)
{
	struct config_place p = config_place_of(c, &site->listeners[at], &site->place);
	const char *best = NULL;
	size_t least = SIZE_MAX, distance;

	for (size_t i = 0; i < c->nlisteners; i++) {
		if (!c->listeners[i].name)
			continue;
		distance = str_distance(str_of(c->listeners[i].name), str_of(site->listeners[at]));
		if (!best || distance < least) {
			best = c->listeners[i].name;
			least = distance;
		}
	}
	findings_error(f, ERR_CONFIG, p.file, p.line,
		"there is no listener with the name \"%.60s\"; %s%.60s%s", site->listeners[at],
		best ? "did you mean \"" : "add it to listeners", best ? best : "",
		best ? "\"?" : "");
}

static bool all_listeners_known(
	const struct config *c, const struct config_site *site, struct findings *f)
{
	bool known = true;

	for (size_t i = 0; i < site->nlisteners; i++) {
		if (find_listener(c, site->listeners[i]))
			continue;
		report_unknown_listener(c, site, i, f);
		known = false;
	}
	return known;
}

/* A listener of the kind that the site is on; NULL: none. */
static const struct config_listener *find_reached(
	const struct config *c, const struct config_site *site, bool tls)
{
	for (size_t i = 0; i < c->nlisteners; i++)
		if (c->listeners[i].tls == tls && config_site_is_on(site, &c->listeners[i]))
			return &c->listeners[i];
	return NULL;
}

/* The site and the kinds of listener that it is on. */
static void check_reach(const struct config *c, const struct config_site *site, struct findings *f)
{
	struct config_place p = config_place_of(c, &site->listeners, &site->place);
	const struct config_listener *secure = find_reached(c, site, true);
	const struct config_listener *plain = find_reached(c, site, false);
	bool known = all_listeners_known(c, site, f);

	if (secure && !site->npairs)
		findings_error(f, ERR_CONFIG, p.file, p.line,
			"the site is on the TLS listener \"%.60s\" and has no certificate; add "
			"certificate and private_key",
			secure->name ? secure->name : "");
	if (secure || !known || !c->nlisteners)
		return;
	if (!plain)
		findings_error(f, ERR_CONFIG, p.file, p.line, "the site is on no listener; %s",
			site->npairs ? "it has a certificate, and no listener is TLS: add one"
				     : "it has no certificate, and no listener is plain: give it a "
				       "certificate, or add a listener with tls = false");
	if (!plain || !site->npairs)
		return;
	p = site->pairs[0].place.line ? site->pairs[0].place : p;
	findings_error(f, ERR_CONFIG, p.file, p.line,
		"the site has a certificate but is only on the plain listener \"%.60s\"; remove "
		"the certificate, or put the site on a TLS listener",
		plain->name ? plain->name : "");
}

/* Which earlier site has the name on the listener; itself where it has the name twice. */
static const struct config_site *find_holder(
	const struct config *c, const struct config_listener *l, const char *name)
{
	for (size_t i = 0; i < c->nsites; i++) {
		const struct config_site *s = &c->sites[i];

		for (size_t k = 0; config_site_is_on(s, l) && k < s->nnames; k++)
			if (str_case_eq(str_of(s->names[k]), str_of(name)))
				return s;
	}
	return NULL;
}

static void add_names(const struct config *c, const struct config_listener *l,
	struct config_site *site, struct names *names, struct findings *f)
{
	const struct config_site *holder;
	struct config_place p;
	int r;

	for (size_t i = 0; i < site->nnames; i++) {
		if (!names_is_valid(str_of(site->names[i])))
			continue; /* reported already */
		r = names_add(names, str_of(site->names[i]), site);
		if (r < 0)
			findings_error(f, ERR_SYSTEM, NULL, 0, "out of memory");
		if (r <= 0)
			continue;
		holder = find_holder(c, l, site->names[i]);
		p = config_place_of(c, &site->names[i], &site->place);
		findings_error(f, ERR_CONFIG, p.file, p.line,
			"the name \"%.100s\" is taken already on the listener \"%.60s\", by the "
			"site at line %d; a "
			"name is in one site of a listener",
			site->names[i], l->name ? l->name : "",
			holder ? holder->place.line : site->place.line);
	}
}

/* The sites of one listener among each other. */
static void check_listener_sites(
	const struct config *c, const struct config_listener *l, struct findings *f)
{
	const struct config_site *first = NULL;
	struct names *names = names_new();
	struct config_place p;
	size_t n = 0;

	for (size_t i = 0; names && i < c->nsites; i++) {
		struct config_site *site = &c->sites[i];

		if (!config_site_is_on(site, l))
			continue;
		n++;
		add_names(c, l, site, names, f);
		p = config_place_of(c, &site->is_default, &site->place);
		if (site->is_default && first)
			findings_error(f, ERR_CONFIG, p.file, p.line,
				"the listener \"%.60s\" has a default site already, the one at "
				"line %d; expected one "
				"at most",
				l->name ? l->name : "", first->place.line);
		else if (site->is_default)
			first = site;
	}
	if (!names)
		findings_error(f, ERR_SYSTEM, NULL, 0, "out of memory");
	else if (!n && c->nsites && l->name)
		findings_error(f, ERR_CONFIG, l->place.file, l->place.line,
			"no site is on the listener \"%.60s\"; name it in the listeners of a "
			"site, or remove it",
			l->name ? l->name : "");
	names_free(names);
}

static void check_choices(const struct config *c, struct findings *f)
{
	struct config_place p = config_place_of(c, &c->sigpipe, NULL);

	if (c->sigpipe == SIGPIPE_DEFAULT)
		findings_warning(f, p.file, p.line,
			"sigpipe = \"default\" lets any client kill a worker by closing its "
			"connection early");
	p = config_place_of(c, &c->user, NULL);
	if (c->path && geteuid() == 0 && c->user_is_set && c->user && !strcmp(c->user, "root"))
		findings_warning(f, p.file, p.line,
			"workers run as root; a user of their own, such as \"latchd\", is much "
			"safer");
	p = config_place_of(c, &c->control, NULL);
	if (c->control && strlen(c->control) > CONTROL_PATH_MAX)
		findings_error(f, ERR_CONFIG, p.file, p.line,
			"control = \"%.60s...\" is too long for a socket; expected at most %d "
			"bytes",
			c->control, CONTROL_PATH_MAX);
	p = config_place_of(c, &c->reload_drain_ms, NULL);
	if (c->reload_drain_ms == 0)
		findings_warning(f, p.file, p.line,
			"reload.drain = \"0\" cuts every request that runs when the server "
			"reloads or stops");
}

static void check_session_cache(const struct config *c, struct findings *f)
{
	struct config_place p = config_place_of(c, &c->tls.session_cache, NULL);

	if (c->tls.session_cache > 0 && c->tls.session_cache < SESSION_CACHE_MIN)
		findings_error(f, ERR_CONFIG, p.file, p.line,
			"tls.session_cache is too small to be of use; expected 0 or at least 64K");
}

static void check_descriptors(const struct config *c, struct findings *f)
{
	struct config_place p = config_place_of(c, &c->limits.connections, NULL);
	struct rlimit files;
	unsigned fit;

	if (getrlimit(RLIMIT_NOFILE, &files))
		return;
	fit = config_connections_fit(files.rlim_max);
	if (c->limits.connections > fit)
		findings_warning(f, p.file, p.line,
			"limits.connections is %u, but the descriptor limit of the process allows "
			"%u; raise LimitNOFILE= of the unit, or lower the directive",
			c->limits.connections, fit);
}

void config_check(struct config *c, struct findings *f)
{
	struct config_place p = config_place_of(c, &c->sites, NULL);

	check_choices(c, f);
	check_descriptors(c, f);
	check_session_cache(c, f);
	check_listeners(c, f);
	if (!c->nsites)
		findings_error(f, ERR_CONFIG, p.file, p.line ? p.line : 1,
			"there are no sites; expected at least one: sites = ( { names = [ \"*\" "
			"]; routes = ( ... ); } "
			");");
	for (size_t i = 0; i < c->nsites; i++) {
		check_site(c, &c->sites[i], f);
		check_reach(c, &c->sites[i], f);
	}
	for (size_t i = 0; i < c->nlisteners; i++)
		check_listener_sites(c, &c->listeners[i], f);
}
