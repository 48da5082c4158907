/* host + path -> handler. The table of one listener: its sites by name, their routes by path, the
 * longest prefix at a segment boundary first. */
#ifndef LATCH_HANDLER_ROUTE_H
#define LATCH_HANDLER_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "net/sock.h"
#include "protocol/stream.h"

struct route_field {
	char *name, *value;
};

struct route {
	char *path;             /* "/", "/old/": compared at a segment boundary */
	handler_fn *handle;
	const void *options;    /* borrowed */
	const struct sock_range *allow, *deny; /* allow empty: everybody. deny wins */
	size_t nallow, ndeny;
};

struct route_site {
	const char *name;       /* the first of its names, for logs */
	const struct access_log *access;
	struct route *routes;   /* longest path first: route_sort() */
	size_t nroutes;
	struct route_field *fields; /* added to every response of the site */
	size_t nfields;
};

void route_sort(struct route *routes, size_t n);

struct names;
/* One listener's view, built by the worker (or config/open). */
struct route_table {
	struct names *names;          /* host -> struct route_site */
	struct route_site *fallback;  /* the default site or NULL */
};

/* The route_fn of conn: `routes` is a struct route_table. Sets stream.site, answers always. */
void route_serve(struct stream *s, void *routes);

#endif
