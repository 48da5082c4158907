/* host + path -> handler. The table of one listener: its sites by name, their routes by path, the
 * longest prefix at a segment boundary first. */
#ifndef LATCH_HANDLER_ROUTE_H
#define LATCH_HANDLER_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "net/sock.h"
#include "protocol/stream.h"

/* The most that a site may add to a response: fields, and bytes of them as they stand in a head;
 * the check of the configuration keeps to it. */
enum {
	ROUTE_FIELDS_MAX = STREAM_FIELDS_MAX - STREAM_HANDLER_FIELDS,
	ROUTE_FIELDS_SIZE_MAX = 8 * 1024
};

struct route_field {
	char *name, *value;
};

/* Content in place of our own page for this status. */
struct route_error_page {
	int status;
	char *file;               /* path */
	struct str type, content; /* read by config/pages; `content` is owned */
};

/* What responses get besides what their handler gives them. */
struct route_extra {
	struct route_field *fields;
	size_t nfields;
	struct route_error_page *pages;
	size_t npages;
};

/* Whose certificate a route requires: one that any entry fits, or with no entry any good one. */
struct route_require {
	char **names; /* rules of stream_client_has_name() */
	size_t nnames;
	char **fingerprints; /* 64 lower-case hex digits */
	size_t nfingerprints;
};

struct route {
	char *path; /* "/", "/old/": compared at a segment boundary */
	handler_fn *handle;
	const void *options;                   /* borrowed */
	const struct sock_range *allow, *deny; /* allow empty: everybody. deny wins */
	size_t nallow, ndeny;
	const struct route_extra *extra;     /* instead of the site's; NULL: the site's */
	const struct route_require *require; /* borrowed; NULL: no certificate is needed */
};

struct route_site {
	const char *name; /* the first of its names, for logs */
	const struct access_log *access;
	struct route *routes; /* longest path first: route_sort() */
	size_t nroutes;
	struct route_extra extra; /* of every response of the site, if its route has none */
};

void route_sort(struct route *routes, size_t n);

struct names;
/* One listener's view, built by the worker (or config/open). */
struct route_table {
	struct names *names;         /* host -> struct route_site */
	struct route_site *fallback; /* the default site or NULL */
};

/* The route_fn of conn: `routes` is a struct route_table. Answers always, and sets stream.site:
 *
 *   site    TLS: that of the connection (stream.site, by SNI), which must serve the host (421);
 *           plain: that of the host, else the fallback, else 421.
 *           Without a host (HTTP/1.0): that of the connection; plain: the fallback, else the one of
 *           any name, else 400.
 *   method  OPTIONS * is 204; CONNECT and TRACE are 405, an unknown one 501.
 *   route   the longest path that is the request's or a parent of it (404);
 *           the peer must be one that may, by address and by certificate (403). */
void route_serve(struct stream *s, void *routes);

/* The dress_fn of conn: the site is the one that route_serve() would choose, and stream.site says
 * it; none: nothing is added. Fields and error page are those of the route of the path, else the
 * site's. */
void route_dress(struct stream *s, void *routes);

#endif
