/* The event loop: epoll and deadlines. The only room that says epoll. Level-triggered.
 *
 * One turn:  wait -> clock_update() -> events of the batch, in order -> deadlines that are due */
#ifndef LATCH_NET_LOOP_H
#define LATCH_NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "net/timer.h"

enum { LOOP_READ = 1, LOOP_WRITE = 2, LOOP_EXCLUSIVE = 4 /* shared listeners */, LOOP_BROKEN = 8 };

/* One descriptor of interest; embedded in its owner, zeroed but for `fd` and `fn`. `fn` gets
 * LOOP_READ, LOOP_WRITE, and with them LOOP_BROKEN on an error or hang-up, also when nothing was
 * asked for. */
struct watch {
	int fd;
	unsigned events; /* what the kernel was told; 0 and not `added`: not watched */
	bool added;
	void (*fn)(struct watch *, unsigned events);
};

enum { LOOP_BATCH = 128 };

struct loop {
	int fd;
	struct timer_wheel timers;
	/* Events of the turn not handled yet, so that a watch that goes away takes them along. */
	struct watch *batch[LOOP_BATCH]; /* NULL: handled, or gone */
	int batch_n;                     /* 0 between turns */
	uint64_t turns;
};

int loop_init(struct loop *l, struct err *e);
void loop_done(struct loop *l);
/* Sets the events of interest; 0 leaves only LOOP_BROKEN. Adds the watch at first. False: out of
 * kernel memory or watches. */
bool loop_watch(struct loop *l, struct watch *w, unsigned events);
/* Forgets the watch, with the events of this turn that are still to come for it. Call it before the
 * descriptor is closed. Idempotent. */
void loop_unwatch(struct loop *l, struct watch *w);
/* The same without a system call, for a descriptor that is closed right after (which takes it out
 * of the kernel's set) and that no other process holds. */
void loop_forget(struct loop *l, struct watch *w);
/* One turn: wait at most until the next deadline (a signal ends the wait too), handle all events,
 * run the deadlines. A callback may unwatch and free any watch, its own included. */
void loop_turn(struct loop *l);

#endif
