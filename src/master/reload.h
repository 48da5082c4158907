/* Generations. A start and a reload are the same transaction:
 *
 *   rehearse  (a reload only) a child reads, checks, opens and tries everything, and is gone
 *   prepare   read, check, open the configuration, which must be what was rehearsed; open the
 *             sockets it needs and does not share;
 *             fork its workers; wait until each says READY or `reload.ready` has passed
 *   commit    its workers take connections; those of the generation before drain, sockets that
 *             only they used are closed
 *   rollback  the new workers are killed, the new sockets closed: the old generation never noticed
 *
 *   HUP --> candidate --all ready--> serving --the next one commits--> draining --empty--> freed
 *              +------any error----> (killed) -----------------------------empty-----------> freed
 *
 * A generation whose workers die young, again and again, while it is on probation is quarantined:
 * the one before it, whose configuration and contexts are kept for so long, comes back as a new
 * candidate without a rehearsal, and its commit is like any other. There is nothing behind the
 * first one, nor behind one that came back: those go on with the back-off of their pool.
 *
 * Nothing here blocks the event loop while workers start. A reload wanted during one runs once
 * after it; with RELOAD_DRAINING_MAX generations draining it waits for one to end.
 *
 * A renewal is a reload of the configuration that serves, whatever its files hold by now, for the
 * sake of certificates that changed. What its rehearsal finds is no failed reload: nobody asked. */
#ifndef LATCH_MASTER_RELOAD_H
#define LATCH_MASTER_RELOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "base/buf.h"
#include "base/err.h"
#include "config/findings.h"
#include "master/generation.h"
#include "master/handover.h"
#include "master/master.h"
#include "master/pool.h"
#include "master/rehearsal.h"
#include "master/retired.h"
#include "master/sockets.h"
#include "master/verdict.h"

enum {
	RELOAD_DRAINING_MAX = 4,
	RELOAD_IDLE_MS = 5000,     /* for how long old workers await one more request */
	RELOAD_STOP_IDLE_MS = 400, /* likewise at a stop, which is to take less than a second */
};

enum reload_news {
	RELOAD_UNFIT,     /* a renewal's rehearsal failed: reload->unfit says why */
	RELOAD_NEEDLESS,  /* a renewal's rehearsal found what serves already: nothing is to be done
			   */
	RELOAD_BEGUN,     /* a reload, not the first start */
	RELOAD_COMMITTED, /* reload->serving is the new one, or the one that came back */
	RELOAD_REJECTED,  /* reload->last.code says with which exit code a start would have ended */
	RELOAD_CHANGED,   /* workers came or went; ask reload_is_empty() when stopping */
};

struct reload {
	struct generation_options shared;
	void (*news)(struct reload *r, enum reload_news news);
	struct ticket_ring *ring;
	struct board *board;
	int board_fd;
	struct slots slots;
	/* Of an image before whose board has another layout: that board, and the slots of its
	 * workers. */
	struct generation_options foreign;
	struct slots foreign_slots;
	int foreign_fd; /* -1: there is none */
	uint64_t foreign_layout;
	struct sockets sockets;
	struct rehearsal *rehearsal; /* of what may become the candidate */
	struct generation *serving, *candidate;
	struct retired retired;
	uint32_t number;  /* of the newest generation there was */
	bool wanted;      /* a reload waits for its turn */
	bool held;        /* by an upgrade, which is under way */
	bool renews;      /* the transaction, running or last, is a renewal */
	bool abandoned;   /* a renewal was, for a reload by hand; cleared by who asked for it */
	struct err unfit; /* why the last renewal came to nothing; code 0: it did not */
	bool ending;
	uint64_t turn;       /* how many transactions were begun, the start among them */
	struct verdict last; /* what came of the last one, or comes of the one that runs */
};

int reload_init(struct reload *r, sd_event *event, const struct master_options *o,
	void (*news)(struct reload *r, enum reload_news news), struct err *e);
/* The same with what the image before has left; see master/succession. */
void reload_init_bare(struct reload *r, sd_event *event, const struct master_options *o,
	void (*news)(struct reload *r, enum reload_news news));
/* A generation of that image, which serves or drains. */
int reload_take_over(struct reload *r, const struct generation_options *o,
	const struct handover_generation *from, struct err *e);
/* The first start, or a reload; news says how it went, possibly before this returns. */
void reload_begin(struct reload *r);
/* A renewal; news says how it went, possibly before this returns. Only for whom reload_is_busy()
 * and reload_is_capped() are false. */
void reload_renew(struct reload *r);
/* So many generations drain that a reload has to wait; until when at the latest. */
bool reload_is_capped(const struct reload *r, time_t *ret_until);
/* An upgrade begins: until it lets go, a transaction is under way. */
void reload_hold(struct reload *r);
void reload_let_go(struct reload *r);
/* Candidates that were killed are reaped and gone when this returns. */
void reload_drop_rejected(struct reload *r);
/* Is a transaction under way? */
bool reload_is_busy(const struct reload *r);
/* Is it a worker, of whatever generation? */
bool reload_has_worker(const struct reload *r, pid_t pid);
/* No more reloads; all workers drain, bounded by reload.drain, and the listeners are closed. */
void reload_drain(struct reload *r);
/* The same at once. */
void reload_stop(struct reload *r);
/* In what time the last of the workers that were told to end has ended, at the latest. */
int64_t reload_ends_within_ms(const struct reload *r);
/* No worker is left. */
bool reload_is_empty(const struct reload *r);
void reload_reopen_logs(struct reload *r);
/* Kills what is left. NULL and half-built are fine. */
void reload_done(struct reload *r);

#endif
