/* HTTP/1 message heads: strict parser (RFC 9112 sections 2 to 5), incremental in the sense that it
 * never looks at a byte twice while the head is incomplete; and writers. */
#ifndef LATCH_HTTP_HEAD_H
#define LATCH_HTTP_HEAD_H

#include "base/buf.h"
#include "http/message.h"

struct head_limits {
	size_t size;     /* of the whole head with its empty line; bytes */
	unsigned fields; /* field lines; at most FIELDS_MAX */
};

/* Where the search for the end of the head goes on; zero it for each head. */
struct head_scan {
	size_t seen;
};

/* Parses the request head at the beginning of p[0..n).
 *
 * DONE: *ret_used bytes were the head (with the empty line, and with one CRLF before the request
 * line that RFC 9112 section 2.2 lets us skip), `ret` is filled, its slices point into p.
 * MORE: no complete head yet. BAD: `error` says status and reason; close after answering.
 *
 * BAD covers: bare CR, bare LF as line end, NUL or another control in a line, obs-fold, white space
 * before the colon or before the first field, an invalid method or target character, missing or
 * doubled SP, a version other than HTTP/1.0 and 1.1 (505 for other majors and 1.x, x > 1 is treated
 * as 1.1 (RFC 9110 section 2.5)), Host missing (1.1), repeated or malformed (400), target too long
 * for `size` (414), too many or too large fields (431). Framing is http/body's business. A BAD is
 * given as soon as the bytes show it, also before the head is complete. */
enum parse_status head_parse_request(struct head_scan *scan, const char *p, size_t n,
	const struct head_limits *limits, struct request *ret, size_t *ret_used,
	struct http_error *error);

/* The same for a response (client). error->status has no meaning. */
enum parse_status head_parse_response(struct head_scan *scan, const char *p, size_t n,
	const struct head_limits *limits, struct response_head *ret, size_t *ret_used,
	struct http_error *error);

/* "HTTP/1.1 200 OK\r\n". False when the buffer is at its bound, here and below. */
bool head_write_status(struct buf *out, int status);
/* "Name: value\r\n". */
bool head_write_field(struct buf *out, struct str name, struct str value);
bool head_write_field_u64(struct buf *out, struct str name, uint64_t value);
/* "\r\n". */
bool head_write_end(struct buf *out);
/* "GET /x HTTP/1.1\r\n". */
bool head_write_request_line(struct buf *out, struct str method, struct str target);

#endif
