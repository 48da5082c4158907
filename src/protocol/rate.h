/* limits.min_rate: a client that sends a body or takes a response more slowly, on average, than it
 * must. Every byte buys time; who has used it up is too slow. It bounds in total what the deadlines
 * between two pieces do not.
 *
 * What is measured begins with the first request that the client has open, and each body and each
 * response of HTTP/1.1 by itself. All streams of HTTP/2 are measured together, for as long as any
 * of them is in the client's hands: one that comes between is no new beginning. */
#ifndef LATCH_PROTOCOL_RATE_H
#define LATCH_PROTOCOL_RATE_H

#include <stdint.h>

struct conn;

enum { RATE_GRACE_MS = 5000 /* before any byte is needed */ };

/* Of one connection. */
struct rate {
	int state;      /* enum conn_state that it is about, BODY or RESPONSE; IDLE: not begun */
	uint64_t bytes; /* that there were when it began, both ways */
	int64_t since_ms, until_ms;
	int64_t due_ms; /* the deadline of the state itself */
};

enum rate_verdict {
	RATE_DUE,   /* the deadline of the state has passed */
	RATE_LATER, /* neither: look again at rate_deadline() */
	RATE_SLOW,  /* the time that was bought is used up */
};

/* When to look at the connection, whose state has the deadline `due_ms`. */
int64_t rate_deadline(struct conn *c, int64_t due_ms);
/* Nothing is, or was until now, in the client's hands: it is measured anew from the next
 * rate_deadline() on. */
void rate_begin(struct conn *c);
/* That time has come. */
enum rate_verdict rate_judge(struct conn *c);

#endif
