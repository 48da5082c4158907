/* New connections from the shared listeners, fairly: a worker that has more than its share leaves
 * the listeners to the others for a while (the gate of ipc/board).
 *
 *            too many (and the relief is awake), at the limit, out of descriptors
 *   INSIDE <==================================================================> OUTSIDE
 *            a connection ended, a poke, the tick
 *
 * Nobody leaves before the least loaded worker has shown, by a turn of its loop after a poke, that it
 * is alive: a worker that hangs costs the others nothing. What nevertheless waits in a queue for a
 * whole tick is taken by anyone. */
#ifndef LATCH_WORKER_ACCEPT_H
#define LATCH_WORKER_ACCEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
	bool started;         /* between accept_start() and accept_stop() */
	bool inside;          /* the listeners are watched */
	bool exhausted;       /* no descriptors: out until a connection ends or the tick */
	unsigned relief;      /* who was poked; with relief_turns: its turns at that time */
	bool relief_poked;
	uint64_t relief_turns;
	struct log_rate trouble;
};

/* 0; -1: out of memory. */
int accept_init(struct accept *a, struct loop *loop, struct conn_env *env, const struct inherit *in);
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
