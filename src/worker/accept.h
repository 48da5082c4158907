/* New connections from the shared listeners, fairly: a worker that has more than its share leaves
 * the listeners to the others (the gate of ipc/board).
 *
 *            more than its share; no room, and nobody idle to make it
 *   INSIDE <============================================> OUTSIDE
 *            a connection ended, a poke, the tick, a relief that is stuck
 *
 * Who leaves pokes the least loaded worker, the relief. If that one has not turned its loop within
 * RELIEF_MS it is stuck, and does not count until it turns again: a worker that hangs costs the
 * others one short pause. What nevertheless waits in a queue for a whole tick is taken by anyone.
 */
#ifndef LATCH_WORKER_ACCEPT_H
#define LATCH_WORKER_ACCEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/board.h"
#include "ipc/inherit.h"
#include "net/loop.h"
#include "protocol/conn.h"

struct accept;

struct accept_listener {
	struct watch watch; /* first */
	struct accept *accept;
	struct conn_listener conn;
};

struct accept {
	struct loop *loop;
	struct conn_env *env;
	const struct inherit *inherit;
	struct accept_listener *listeners;
	size_t nlisteners;
	struct watch poke;
	bool started; /* between accept_start() and accept_stop() */
	bool inside;  /* the listeners are watched */
	bool full; /* at the limit or out of descriptors: out until a connection ends or the tick */
	unsigned relief; /* who was poked, and its turns at that time */
	uint64_t relief_turns;
	struct timer relief_due;
	uint64_t stuck[BOARD_SLOTS]; /* turns of those that did not answer a poke; 0: none */
	struct log_rate trouble;
};

/* 0; -1: out of memory. */
int accept_init(
	struct accept *a, struct loop *loop, struct conn_env *env, const struct inherit *in);
void accept_done(struct accept *a);
void accept_start(struct accept *a);
/* Leaves the listeners for good and closes our descriptors of them; connections that were accepted
 * stay. */
void accept_stop(struct accept *a);
/* A connection has ended. */
void accept_connection_gone(struct accept *a);
/* Once a second. */
void accept_tick(struct accept *a);

#endif
