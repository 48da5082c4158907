/* HTTP/1 message heads: strict parser (RFC 9112 sections 2 to 5), incremental in the sense that it
 * never looks at a byte twice while the head is incomplete. The writers are in head_write.h. */
#ifndef LATCH_HTTP_HEAD_H
#define LATCH_HTTP_HEAD_H

#include "http/head_write.h"
#include "http/message.h"

struct head_limits {
	size_t size;     /* of the whole head with its empty line; bytes */
	unsigned fields; /* field lines; at most FIELDS_MAX */
};

/* Where the reading of an incomplete head goes on, as offsets, so that the bytes may move between
 * the calls. Zero it for each head; `seen` 0 is enough. */
struct head_scan {
	size_t seen; /* bytes that need no second look; 0: nothing yet */
	size_t mark; /* the rest is head.c's */
	unsigned state;
	unsigned fields;
};

/* Parses the request head at the beginning of p[0..n).
 *
 * DONE: *ret_used bytes were the head (with the empty line, and with one CRLF before the request
 * line that RFC 9112 section 2.2 lets us skip), `ret` is filled, its slices point into p.
 * MORE: no complete head yet; call again with the same bytes and more behind them. What is in `ret`
 * then means nothing. BAD: `error` says status and reason; close after answering.
 *
 * BAD covers: bare CR, bare LF as line end, NUL or another control in a line, obs-fold, white space
 * before the colon or before the first field, an invalid method or target character, missing or
 * doubled SP, a version other than HTTP/1.x (505; 1.x with x > 1 is 1.1, RFC 9110 section 2.5),
 * Host missing (1.1), repeated, empty or malformed (400), a target of a form that the method may
 * not have (400), a request line that does not end within `size` (414), too many or too large
 * fields (431). Framing is http/body's business. A BAD is given as soon as the bytes show it, also
 * before the head is complete. Bytes 0x80 to 0xff in a field value pass as they are (RFC 9110
 * section 5.5). */
enum parse_status head_parse_request(struct head_scan *scan, const char *p, size_t n,
	const struct head_limits *limits, struct request *ret, size_t *ret_used,
	struct http_error *error);

/* The same for a response (client). error->status has no meaning. */
enum parse_status head_parse_response(struct head_scan *scan, const char *p, size_t n,
	const struct head_limits *limits, struct response_head *ret, size_t *ret_used,
	struct http_error *error);

#endif
