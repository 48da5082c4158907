/* The one struct worker; passed by hand to the rooms of worker/. */
#ifndef LATCH_WORKER_STATE_H
#define LATCH_WORKER_STATE_H

#include "ipc/inherit.h"
#include "net/loop.h"
#include "protocol/conn.h"
#include "worker/accept.h"

/* READY: it has said so, and waits for the master's word to take connections. */
enum worker_state { WORKER_STARTING, WORKER_READY, WORKER_SERVING, WORKER_DRAINING, WORKER_GONE };

struct worker {
	enum worker_state state;
	const struct inherit *inherit;
	struct loop loop;
	struct conn_env env;
	struct conn_limits limits; /* the configuration's, with what the descriptors allow */
	struct accept accept;
	struct watch channel;
	struct timer tick;  /* once a second */
	struct timer drain; /* looks for idle connections */
	struct timer log_flush;
	int64_t drain_idle_ms, drain_deadline_ms;
};

#endif
