/* From host and path to a handler. Knows sites, routes, the peers they admit, and the methods that
 * no handler sees; refuses to look at the content of a request, and leaves every other method to
 * the handler. A response carries the fields and error pages of its route or site whoever made it.
 */
#include "handler/route.h"

#include <stdlib.h>
#include <string.h>

#include "base/names.h"

static int compare_routes(const void *a, const void *b)
{
	const struct route *x = a, *y = b;
	size_t nx = strlen(x->path), ny = strlen(y->path);

	if (nx != ny)
		return nx < ny ? 1 : -1;
	return strcmp(x->path, y->path);
}

void route_sort(struct route *routes, size_t n)
{
	if (n > 1)
		qsort(routes, n, sizeof(*routes), compare_routes);
}

/* NULL: none, and *ret_status says what that is. */
static const struct route_site *choose_site(
	const struct stream *s, const struct route_table *table, int *ret_status)
{
	const struct route_site *site = names_find(table->names, s->host, NULL);

	*ret_status = s->host.n == 0 ? 400 : 421;
	if (s->peer.tls) {
		const struct route_site *chosen = s->site;

		if (s->host.n == 0 || site == chosen || (!site && chosen == table->fallback))
			return chosen;
		return NULL;
	}
	if (table->fallback && (!site || s->host.n == 0))
		return table->fallback;
	return site;
}

/* A path that ends in "/" is a prefix of what is under it; another is itself, or the parent of what
 * follows after a "/". Slashes in a row count as one, as they do when a file is opened: "//private"
 * must not get around the route of "/private". */
static bool path_matches(const char *route_path, struct str path)
{
	char last = '\0';
	size_t at = 0;

	for (const char *p = route_path; *p; p++) {
		if (*p == '/' && last == '/')
			continue;
		if (at == path.n || path.p[at] != *p)
			return false;
		last = *p;
		at++;
		while (last == '/' && at < path.n && path.p[at] == '/')
			at++;
	}
	return last == '/' || at == path.n || path.p[at] == '/';
}

static const struct route *find_route(const struct route_site *site, struct str path)
{
	for (size_t i = 0; i < site->nroutes; i++)
		if (path_matches(site->routes[i].path, path))
			return &site->routes[i];
	return NULL;
}

static bool in_ranges(
	const struct sockaddr_storage *address, const struct sock_range *ranges, size_t n)
{
	for (size_t i = 0; address && i < n; i++)
		if (sock_in_range(address, &ranges[i]))
			return true;
	return false;
}

static bool is_admitted(const struct route *r, const struct stream_peer *peer)
{
	if (in_ranges(peer->address, r->deny, r->ndeny))
		return false;
	return r->nallow == 0 || in_ranges(peer->address, r->allow, r->nallow);
}

static bool has_required(const struct route_require *q, const struct stream *s)
{
	struct str fingerprint = stream_client_fingerprint(s);

	if (fingerprint.n == 0)
		return false;
	for (size_t i = 0; i < q->nnames; i++)
		if (stream_client_has_name(s, str_of(q->names[i])))
			return true;
	for (size_t i = 0; i < q->nfingerprints; i++)
		if (str_eq(str_of(q->fingerprints[i]), fingerprint))
			return true;
	return q->nnames == 0 && q->nfingerprints == 0;
}

/* Methods that are the server's business, not a resource's. True: answered. */
static bool answer_method(struct stream *s)
{
	switch (s->request.method) {
	case HTTP_METHOD_OTHER:
		stream_reply_error(s, 501);
		return true;
	case HTTP_METHOD_CONNECT:
	case HTTP_METHOD_TRACE:
		stream_add_field(s, STR("Allow"), STR("GET, HEAD"));
		stream_reply_error(s, 405);
		return true;
	case HTTP_METHOD_OPTIONS:
		if (s->target.form != TARGET_ASTERISK)
			return false;
		stream_add_field(s, STR("Allow"), STR("GET, HEAD, OPTIONS"));
		stream_reply(s, 204);
		return true;
	default:
		return false;
	}
}

static void add_extra(struct stream *s, const struct route_extra *extra)
{
	for (size_t i = 0; i < extra->nfields; i++)
		stream_add_field(s, str_of(extra->fields[i].name), str_of(extra->fields[i].value));
	for (size_t i = 0; s->response.is_error_page && i < extra->npages; i++)
		if (extra->pages[i].status == s->response.status)
			stream_replace_error_page(s, extra->pages[i].type, extra->pages[i].content);
}

static const struct route_extra *extra_of(const struct route_site *site, const struct route *route)
{
	return route && route->extra ? route->extra : &site->extra;
}

static void serve_site(struct stream *s, const struct route_site *site)
{
	const struct route *route = NULL;

	if (!answer_method(s)) {
		route = find_route(site, s->path);
		if (!route)
			stream_reply_error(s, 404);
		else if (!is_admitted(route, &s->peer) ||
			 (route->require && !has_required(route->require, s)))
			stream_reply_error(s, 403);
		else
			route->handle(s, route->options);
	}
	if (s->response.status == 0) /* not yet: the handler is called again */
		return;
	add_extra(s, extra_of(site, route));
}

void route_serve(struct stream *s, void *routes)
{
	const struct route_table *table = routes;
	int status;
	const struct route_site *site = choose_site(s, table, &status);

	if (site) {
		s->site = site;
		serve_site(s, site);
	} else if (!answer_method(s)) {
		stream_reply_error(s, status);
	}
}

void route_dress(struct stream *s, void *routes)
{
	int status;
	const struct route_site *site = choose_site(s, routes, &status);

	if (!site)
		return;
	s->site = site;
	add_extra(s, extra_of(site, find_route(site, s->path)));
}
