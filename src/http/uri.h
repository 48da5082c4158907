/* Request targets and URLs: RFC 3986 as RFC 9112 section 3.2 and RFC 9110 section 4.2 use it. */
#ifndef LATCH_HTTP_URI_H
#define LATCH_HTTP_URI_H

#include "http/message.h"

struct buf;

enum target_form { TARGET_ORIGIN, TARGET_ABSOLUTE, TARGET_AUTHORITY, TARGET_ASTERISK };

/* Slices of the target. */
struct target {
	enum target_form form;
	struct str scheme;    /* absolute form only */
	struct str authority; /* absolute and authority form only */
	struct str path;      /* as received, "/..." (an empty one of absolute form is "/") */
	struct str query;     /* with its "?", or empty */
};

/* By the method: CONNECT has authority form only (with a port), asterisk form is for OPTIONS only;
 * both leave `path` empty. 0 or -1 (400, and 400 for a scheme other than http and https). Besides
 * the characters of RFC 3986 those pass that browsers send as they are: [ ] ^ | in the path and
 * [ ] \ ^ ` { | } in the query. */
int uri_parse_target(
	struct str target, enum http_method method, struct target *ret, struct http_error *error);

/* Percent-decodes `path` and removes dot segments (after decoding, so that "%2e%2e" is one) into
 * dst, terminated; dst has room for path.n + 1 bytes. Repeated slashes stay one each as received.
 * -1: a malformed or %00 escape (400), an encoded slash (404), a path above the root (400). */
int uri_decode_path(struct str path, char *dst, struct str *ret, struct http_error *error);

/* uri-host [":" port] of RFC 9110 section 4.2, also IPv6 in brackets. `ret_host` is without
 * brackets and without port; `ret_port` is 0 if none is named. False: malformed, which an empty
 * host, user information, an IPv6 zone and the port 0 are too. */
bool uri_split_authority(struct str authority, struct str *ret_host, unsigned *ret_port);

struct url {
	bool tls;        /* https */
	struct str host; /* no brackets */
	bool host_is_ip;
	unsigned port;     /* filled in by scheme */
	struct str target; /* path and query, "/" if empty; no fragment. May need a "/" in front:
			      see path_missing */
	bool path_missing; /* "https://host?x": send "/" and the target */
};

/* "https://host[:port][/path][?query][#fragment]", http too; a URL without a scheme is https.
 * User information, and percent escapes in the host, are refused. -1: `*ret_why` is a static
 * sentence. */
int uri_parse_url(struct str text, struct url *ret, const char **ret_why);

/* Appends the decoded `path` with "%" and every byte that RFC 3986 does not let stand in a path
 * percent-encoded. False: buffer bound. */
bool uri_encode_path(struct buf *out, struct str path);

#endif
