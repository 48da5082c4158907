/* What is asked of a server: method, target, fields and content, for HTTP/1.1 and HTTP/2. */
#ifndef LATCH_CLIENT_ASK_H
#define LATCH_CLIENT_ASK_H

#include "base/buf.h"
#include "client/options.h"
#include "http/uri.h"

/* All borrowed. */
struct ask {
	const struct url *url;
	struct str method;
	bool has_content; /* also when it is empty */
	struct str content;
	const struct options_list *fields; /* of -H; they take the place of ours */
	bool foreign;  /* not the origin that the user named: credentials stay at home */
	bool absolute; /* to a proxy that takes plain HTTP: the target is the whole URL */
	const char *proxy_credentials; /* "Basic ..." for that proxy, or NULL */
	uint64_t from;                 /* only the content from here on; 0: all */
	struct str if_range;           /* the validator that goes with it */
};

typedef bool (*ask_field_fn)(void *arg, struct str name, struct str value);
/* Calls `fn` for each field but Host and those of the connection, as long as it says true. */
bool ask_each_field(const struct ask *a, ask_field_fn fn, void *arg);
/* Host, or what -H has in its place, with the port where it is not the scheme's. */
bool ask_authority(const struct ask *a, struct buf *out);
/* The head of an HTTP/1.1 request that asks the server to close. False: out of memory. */
bool ask_write(const struct ask *a, struct buf *out);

#endif
