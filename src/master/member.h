/* One worker process: forked, watched, told, killed, buried. Its slot on the board is its own over
 * all its lives.
 *
 *   GONE --member_fork()--> STARTING --READY, ready()--> SERVING
 *    ^                          |                           |
 *    | member_remove()          +-----------+---------------+
 *    |                                      v
 *    +--------------- DOWN <--member_rest()-- died(), in which it is buried
 *                       +--the rest is over, rested()--> member_fork()
 */
#ifndef LATCH_MASTER_MEMBER_H
#define LATCH_MASTER_MEMBER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/err.h"
#include "ipc/inherit.h"
#include "master/heart.h"
#include "master/master.h"
#include "master/slots.h"

enum { MEMBER_GRACE_MS = 1000 }; /* between being told to go and SIGKILL */

enum member_state {
	MEMBER_GONE,     /* for good, or not yet born */
	MEMBER_DOWN,     /* dead, to be forked again */
	MEMBER_STARTING, /* to be ready in time, or be killed */
	MEMBER_SERVING,
};

struct handover_worker;
struct log_file;
struct member;

struct member_options {
	sd_event *event;
	struct slots *slots;
	worker_fn *worker;      /* NULL: of an image before, and cannot be forked again */
	struct inherit inherit; /* without slot, channel, board and pokes */
	int64_t ready_ms;
	/* Called from the event loop; the last thing before it returns there, so that the member
	 * may be freed in them. */
	void (*ready)(struct member *m);
	/* Its process has ended: bury, remove or rest it. */
	void (*died)(struct member *m, const siginfo_t *si);
	void (*rested)(struct member *m);
};

struct member {
	const struct member_options *o;
	void *owner;
	enum member_state state;
	int slot; /* -1: none */
	pid_t pid;
	int channel; /* -1: none, or it closed its end */
	int64_t born_us;
	int64_t backoff_ms;   /* the owner's: of the last death */
	const char *sentence; /* why it was killed by us; NULL: it was not */
	struct heart heart;
	const struct log_file *logs; /* borrowed; from log_next on it has to be told of them */
	unsigned log_next, nlogs;
	sd_event_source *child, *io, *timer;
};

/* GONE, with a slot; -1: `e`. */
int member_init(struct member *m, const struct member_options *o, void *owner, struct err *e);
/* STARTING. -1: `e`, and it is buried. */
int member_fork(struct member *m, struct err *e);
/* What there is of it, for the next image of this process; only of one that has a process. */
void member_leave(const struct member *m, struct handover_worker *ret);
/* The worker of the image before; GONE if it is no child of this process any more. -1: `e`. */
int member_take_over(struct member *m, const struct member_options *o, void *owner,
	const struct handover_worker *from, struct err *e);
/* `sentence`: a constant that tells why. Nothing if there is no process. */
void member_kill(struct member *m, const char *sentence);
/* Its log files are logs[0..n) from now on, as it reads of them; borrowed while it lives. */
void member_reopen_logs(struct member *m, const struct log_file *logs, unsigned n);
/* It hangs: SIGABRT, and SIGKILL after MEMBER_GRACE_MS. Once a life. */
void member_abort(struct member *m);
/* It is dead: DOWN, with a clean slot; rested() is called after `ms`, with 0 before this returns.
 */
void member_rest(struct member *m, int64_t ms);
/* GONE: buried, and the slot is given back. */
void member_remove(struct member *m);
/* The same of one whose process may live: kills and reaps it, blocking. */
void member_done(struct member *m);

#endif
