/* The workers of one generation: forked, watched, replaced when they die, drained, killed.
 *
 *   STARTING --all said READY--> SERVING --drain, stop, kill--> ENDING --last one reaped--> empty
 *       |                           |  ^
 *       | one died, or was not      |  | a dead one is forked again, after a back-off
 *       | ready in time             +--+ if it lived less than a second
 *       +------------------------------------------------> ENDING (news FAILED)
 */
#ifndef LATCH_MASTER_POOL_H
#define LATCH_MASTER_POOL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/err.h"
#include "master/member.h"

enum {
	POOL_BACKOFF_FIRST_MS = 100,
	POOL_BACKOFF_MAX_MS = 10000,
	POOL_SHORT_LIFE_MS = 1000, /* dying sooner is dying "at once" */
	POOL_GRACE_MS = MEMBER_GRACE_MS,
	/* So long a pool is on probation once it serves. If in that time more than twice as many
	 * workers as it has die younger than this, it is crashing. */
	POOL_PROBATION_MS = 60000,
	POOL_YOUNG_MS = 10000,
};

struct handover_generation;

enum pool_state { POOL_NONE, POOL_STARTING, POOL_SERVING, POOL_ENDING };

enum pool_news {
	POOL_READY,    /* the last of them said READY for the first time: pool_serve() */
	POOL_FAILED,   /* one did not: pool->failure says why; the rest still live */
	POOL_CHANGED,  /* a count changed */
	POOL_CRASHING, /* while SERVING, once: workers die young, again and again; it goes on */
	POOL_EMPTY,    /* ENDING, and the last was reaped */
};

struct pool;
/* Called from the event loop. FAILED and EMPTY are the last thing before it returns there, so that
 * the pool may be freed in them. */
typedef void pool_news_fn(struct pool *p, enum pool_news news);

struct pool_options {
	struct member_options member; /* without ready, died and rested */
	unsigned n;
	bool sigpipe_is_policy; /* sigpipe = "default": a death by it counts towards no back-off */
	pool_news_fn *news;
};

struct pool {
	struct pool_options o;
	enum pool_state state;
	struct member *members;      /* o.n */
	unsigned ready, alive, down; /* said READY; processes; waiting to be forked again */
	sd_event_source *deadline;   /* then what is left is killed */
	int64_t deadline_us;
	struct err failure;
	int64_t serving_since_us; /* 0: not yet */
	unsigned young_deaths; /* on probation; those that somebody outside wanted do not count */
	bool is_crashing;
};

/* Forks all workers; -1: `e`, call pool_done(). All slots and pokes are there before the first
 * fork, so that the workers know each other. */
int pool_start(struct pool *p, const struct pool_options *o, struct err *e);
/* Told to take connections, now that it is POOL_SERVING; who comes later is told by itself. */
void pool_serve(struct pool *p);
/* Told to drain; those who have not ended after `limit_ms` are killed. May be called again with
 * shorter times. Afterwards, and after the two below, ask pool_is_empty(): news of it comes only
 * when it happens later. */
void pool_drain(struct pool *p, unsigned idle_ms, int64_t limit_ms);
/* Told to end at once; killed after POOL_GRACE_MS. */
void pool_stop(struct pool *p);
void pool_kill(struct pool *p);
bool pool_is_empty(const struct pool *p);
bool pool_has(const struct pool *p, pid_t pid);
/* A look at the heartbeats, `elapsed_ms` after the last: a serving worker that has been silent for
 * `limit_ms` is aborted, and killed POOL_GRACE_MS later; its death is like any other. Whether none
 * is silent for so long. */
bool pool_look_after(const struct pool *p, int64_t elapsed_ms, int64_t limit_ms);
/* The log files of every worker are logs[0..n) from now on; borrowed while the pool lives. */
void pool_reopen_logs(struct pool *p, const struct log_file *logs, unsigned n);
/* Those that live, for the next image of this process: `ret` has room for p->o.n workers. */
void pool_leave(const struct pool *p, struct handover_generation *ret);
/* The workers of the image before, serving or draining as they were. `o` without worker and n. -1:
 * `e`, and they live on. */
int pool_take_over(struct pool *p, const struct pool_options *o,
	const struct handover_generation *from, struct err *e);
/* Kills and reaps, blocking, what is left. NULL and half-built are fine. */
void pool_done(struct pool *p);

#endif
