/* Message framing and the chunked coding (RFC 9112 sections 6 and 7). The anti-smuggling rules live
 * here and nowhere else. */
#ifndef LATCH_HTTP_BODY_H
#define LATCH_HTTP_BODY_H

#include "http/message.h"

enum body_kind { BODY_NONE, BODY_LENGTH, BODY_CHUNKED, BODY_UNTIL_CLOSE };

struct body_framing {
	enum body_kind kind;
	uint64_t length; /* with BODY_LENGTH */
};

/* How is the content of this request framed? A length of 0 is BODY_NONE. 0, or -1 with an error:
 * both Transfer-Encoding and Content-Length, Transfer-Encoding in an HTTP/1.0 request, a coding
 * other than exactly one "chunked" (501 for an unknown coding before a final chunked, 400 for
 * chunked not last or twice), Content-Length that is not digits, a list, repeated (also with equal
 * values), or too large. */
int body_frame_request(
	const struct request *req, struct body_framing *ret, struct http_error *error);

/* The same for a response to a request of method `method` (RFC 9112 section 6.3). */
int body_frame_response(const struct response_head *resp, enum http_method method,
	struct body_framing *ret, struct http_error *error);

/* EXCESS: of chunk lines beyond 16 bytes and a quarter of what their chunks bring. */
enum { BODY_LINE_MAX = 4096, BODY_TRAILER_MAX = 16384, BODY_EXCESS_MAX = 16384 };

/* Zeroed and then body_start(); no memory of its own. */
struct body_decoder {
	struct body_framing framing;
	uint64_t left;    /* bytes to come of the length or the chunk */
	unsigned state;   /* of the chunked machine drawn in body.c */
	unsigned line;    /* bytes of the current chunk or trailer line */
	unsigned trailer; /* bytes of the trailer section so far */
	unsigned excess;  /* bytes of chunk lines that brought nothing so far */
	uint64_t content; /* content bytes decoded so far */
};

void body_start(struct body_decoder *d, struct body_framing framing);

/* Consumes a prefix of p[0..n): *ret_used bytes of it, in which `ret_content` (a slice of p, may be
 * empty) is content. Call again while n - used > 0 and MORE. DONE: the message ends here; further
 * calls use nothing. BODY_NONE is DONE at once, BODY_UNTIL_CLOSE never. BAD, now and ever after:
 * malformed chunk (bare LF, no digits, overflow, over-long line, bad extension or trailer). `error`
 * means something with BAD only. */
enum parse_status body_decode(struct body_decoder *d, const char *p, size_t n, size_t *ret_used,
	struct str *ret_content, struct http_error *error);

#endif
