/* limits.min_rate: a client that sends a body or takes a response more slowly, on average, than it
 * must. Every byte buys time; who has used it up is too slow. It bounds in total what the deadlines
 * between two pieces do not. */
#ifndef LATCH_PROTOCOL_RATE_H
#define LATCH_PROTOCOL_RATE_H

#include <stdint.h>

struct conn;

enum { RATE_GRACE_MS = 5000 /* before any byte is needed */ };

/* Of one connection, and of one body or response at a time. */
struct rate {
	int state;        /* enum conn_state that it is about: BODY or RESPONSE */
	uint64_t request; /* the connection's number of it */
	uint64_t bytes;   /* that there were when it began */
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
/* The peer waits for us: what is under way begins anew. Before the state is entered. */
void rate_excuse(struct conn *c);
/* That time has come. */
enum rate_verdict rate_judge(struct conn *c);

#endif
