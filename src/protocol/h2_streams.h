/* What HTTP/2 keeps of a connection and of each of its streams; requests become responses here. For
 * h2 alone. */
#ifndef LATCH_PROTOCOL_H2_STREAMS_H
#define LATCH_PROTOCOL_H2_STREAMS_H

#include "http2/session.h"
#include "protocol/conn.h"

struct h2 {
	struct http2 *http2;
	int64_t idle_since_ms;   /* no stream since then */
	int64_t inside_since_ms; /* something begun and not ended since then; 0: nothing */
	int64_t noticed_ms;      /* when the shutdown was announced; 0: it was not */
	unsigned cuts;           /* streams to be reset when their response is written */
	unsigned waiting;        /* streams whose handler has not answered yet */
	bool going;              /* requests that come now are not served any more */
	bool peer_ended;         /* nothing more comes */
};

struct h2_stream {
	struct http2_stream http2; /* first */
	struct stream *stream;
	uint64_t received; /* content */
	uint64_t late;     /* content that came after an answer before its time */
	int64_t moved_ms;  /* when it last came forward */
	bool asked;        /* the head is whole: it is a request */
	bool waiting;      /* the request is whole, its handler is still at it */
	bool answered;     /* the response is with http2/session */
	bool cut;          /* its request need not go on after the response */
};

extern const struct http2_events h2_streams_events; /* their owner is the connection */

/* Gives one handler that has not answered yet another turn; call it once a turn. */
void h2_streams_route(struct conn *c);
/* Asks the peer to send no more of requests that are answered already (RFC 9113 section 8.1); call
 * it when what there was to say is written. */
void h2_streams_cut(struct conn *c);
/* The earliest deadline of a stream; INT64_MAX: there is no stream. *ret_answered: some response is
 * under way, else only requests are. */
int64_t h2_streams_deadline(const struct conn *c, bool *ret_answered);
/* Is every stream there is one that waits for its handler? */
bool h2_streams_all_wait(const struct conn *c);
/* Streams that are late are ended, each in the way that its state asks for; with `slow` all whose
 * request is not whole are late. */
void h2_streams_expire(struct conn *c, bool slow);

#endif
