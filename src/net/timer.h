/* Deadlines of one event loop: a hashed wheel. Setting a later deadline is a store, the wheel finds
 * out when the old one comes up; that is what a server does with every byte it gets. */
#ifndef LATCH_NET_TIMER_H
#define LATCH_NET_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer {
	struct timer *next, **link; /* in its slot; link NULL: not set */
	int64_t deadline_ms;        /* clock_ms() time */
	void (*fn)(struct timer *);
};

enum { TIMER_SLOTS = 512, TIMER_TICK_MS = 32 };

struct timer_wheel {
	struct timer *slot[TIMER_SLOTS];
	uint64_t used[TIMER_SLOTS / 64]; /* a bit a slot */
	int64_t tick;                    /* the last one that was run */
};

void timer_wheel_init(struct timer_wheel *w);
/* (Re)arms; fires at the first turn at or after the deadline, at most a tick late. */
void timer_set(struct timer_wheel *w, struct timer *t, int64_t deadline_ms);
/* Idempotent. */
void timer_stop(struct timer *t);
static inline bool timer_is_set(const struct timer *t)
{
	return t->link != NULL;
}
/* Calls what is due; a callback may set and stop any timer. */
void timer_wheel_run(struct timer_wheel *w);
/* Milliseconds until the next slot that may have work; -1: no timer. */
int timer_wheel_wait(const struct timer_wheel *w);

#endif
