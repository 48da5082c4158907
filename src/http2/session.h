/* One HTTP/2 connection (RFC 9113) over memory, either end of it: bytes in, bytes out, events by
 * callback. It is no I/O and never waits; who drives it, an event loop or a client that blocks,
 *
 *     feeds what it read    http2_feed()   -> events
 *     and sends what it is given  http2_take()   <- content, pulled from the owner
 *
 * until http2_is_over(). Flow control towards us is automatic: content is taken when it comes.
 * Priorities are those of RFC 9218. */
#ifndef LATCH_HTTP2_SESSION_H
#define LATCH_HTTP2_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "http/fields.h"

struct http2; /* heap */

/* Error codes that owners use (RFC 9113 section 7). */
enum http2_code {
	HTTP2_NO_ERROR = 0,
	HTTP2_PROTOCOL_ERROR = 1,
	HTTP2_INTERNAL_ERROR = 2,
	HTTP2_STREAM_CLOSED = 5,
	HTTP2_CANCEL = 8,
	HTTP2_ENHANCE_YOUR_CALM = 11,
};

/* A stream as both sides of this interface see it; embedded in the owner's, zeroed. */
struct http2_stream {
	int32_t id;
	struct fields *fields; /* the owner's: where the field lines of a head go */
	struct arena *arena;   /* the owner's: where their bytes go */
	struct str method, scheme, authority, path; /* of a request; p NULL: not there */
	int status;                                 /* of a response */
	size_t head_size; /* of the fields: each with its name, its value and 32 */
	bool too_large;   /* the head is larger than the limits: fields are missing */
	bool head_done;   /* what comes now are trailers, which are dropped */
	bool promised;    /* content of ours is to follow, or has not ended */
};

struct http2_events {
	/* Server: a request begins. The owner's stream with `fields` and `arena`; NULL: refuse. */
	struct http2_stream *(*open)(void *owner, int32_t id);
	/* A head is whole: a request; or a response, maybe an interim one (then another follows).
	 * `ended`: there is no content. */
	void (*head)(void *owner, struct http2_stream *s, bool ended);
	void (*data)(void *owner, struct http2_stream *s, const char *p, size_t n);
	/* The content has ended, with or without trailers. */
	void (*end)(void *owner, struct http2_stream *s);
	/* The stream is gone and not used any more; `code` 0: both sides had said all. */
	void (*close)(void *owner, struct http2_stream *s, uint32_t code);
	/* Content to send, at most n bytes to p: how many; *ret_last: they are the last ones (of
	 * which there may be none). 0 and not the last: nothing now, see http2_resume(). -1: it
	 * broke, the stream is reset. */
	ssize_t (*read)(void *owner, struct http2_stream *s, char *p, size_t n, bool *ret_last);
};

struct http2_limits {
	bool is_server;
	unsigned streams;    /* of the peer at a time */
	size_t head_size;    /* as of http2_stream.head_size */
	unsigned head_lines; /* field lines; at most FIELDS_MAX */
};

/* The head to send: pseudo-header fields first, names in lower case. The text must stay until the
 * stream is gone. */
enum { HTTP2_HEAD_MAX = 64 };
struct http2_head {
	unsigned n;
	struct {
		struct str name, value;
	} line[HTTP2_HEAD_MAX];
};
/* False: full. */
bool http2_head_add(struct http2_head *h, struct str name, struct str value);

/* NULL: out of memory. Our SETTINGS are ready to be taken at once. */
struct http2 *http2_new(
	const struct http2_limits *limits, const struct http2_events *events, void *owner);
void http2_free(struct http2 *h); /* NULL is fine; no event for streams that are left */

/* What the peer sent. False: it is over, the rest of the bytes was dropped; http2_take() may still
 * have a GOAWAY. Events come from here alone, but for `read`, and `close`, which both. */
bool http2_feed(struct http2 *h, const char *p, size_t n);
enum { HTTP2_TAKE_MIN = 1024 };
/* What is to be sent to the peer: at most `room` bytes (at least HTTP2_TAKE_MIN); 0: nothing. */
size_t http2_take(struct http2 *h, char *p, size_t room);
/* Nothing more will come, to send or to feed. */
bool http2_is_over(const struct http2 *h);
/* Why it was ended, a static sentence; NULL: it was not, or politely. */
const char *http2_reason(const struct http2 *h);
/* Was it ended because the peer made too much work? */
bool http2_is_flooded(const struct http2 *h);
/* Has the peer begun something (its preface, a frame, a head) and not ended it? */
bool http2_is_inside(const struct http2 *h);

/* Server. False: out of memory, or the stream has ended. `content`: events.read gives it. */
bool http2_respond(
	struct http2 *h, struct http2_stream *s, const struct http2_head *head, bool content);
/* An interim response, "100". */
bool http2_interim(struct http2 *h, struct http2_stream *s, struct str status);
/* Client: a request on a new stream, whose id is set. False: out of memory, or no more streams may
 * be opened on this connection. It waits inside while the peer allows no more streams at a time. */
bool http2_request(
	struct http2 *h, struct http2_stream *s, const struct http2_head *head, bool content);
/* events.read has something again. */
void http2_resume(struct http2 *h, struct http2_stream *s);
/* Ends the stream; `close` follows when it was sent. */
void http2_reset(struct http2 *h, struct http2_stream *s, enum http2_code code);

/* The first step of a shutdown: the peer is asked to open no more streams; those on their way are
 * still served. */
void http2_notice(struct http2 *h);
/* The second: what has come so far is served, the rest is not; or, with an error, the end of it
 * all. */
void http2_goaway(struct http2 *h, enum http2_code code);
void http2_terminate(struct http2 *h, enum http2_code code, const char *reason);

#endif
