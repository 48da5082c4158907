/* The secrets of ticket keys that machines share in a store, as far as this one knows them. The
 * store is asked by a child, of which one runs at a time, with a deadline; the master's loop goes
 * on meanwhile.
 *
 *   follow --> asks --answer--> waits, the less of a quarter of a slice and a minute --> asks
 *                  \--none----> waits, from one second to eight ---------------------> asks */
#ifndef LATCH_MASTER_FLEET_H
#define LATCH_MASTER_FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "config/config.h"
#include "ipc/board.h"
#include "tls/store.h"

enum {
	FLEET_LIMIT_MS = 5000, /* for an answer */
	FLEET_START_MS = 2000, /* as long as a start waits for the first */
};

struct fleet {
	sd_event *event;
	struct board *board;      /* borrowed: its ticket_store */
	struct ticket_ring *ring; /* borrowed, so that the child can let go of it */
	void (*answered)(void *data);
	void *data;
	/* What is followed: */
	const struct config *config; /* borrowed; NULL: none */
	struct store_url *url;       /* a copy of its own, in a vault; NULL: no store */
	int64_t rotate_ms;
	unsigned keep;
	/* What is known, by slice; what follows from none of them is asked for in vain too. */
	struct ticket_era eras[STORE_SLOTS_MAX];
	unsigned seen[STORE_SLOTS_MAX]; /* in how many answers, one after the other */
	size_t n;
	bool answers;    /* the last time it did */
	time_t asked;    /* when it last did or did not; 0: never */
	char error[400]; /* why not; "": it does, or was never asked */
	unsigned failures;
	/* The question that is under way: */
	pid_t pid;   /* 0: none */
	pid_t asker; /* that of the last one, of which requests may wait at the control socket */
	int fd;
	sd_event_source *io, *deadline;
	sd_event_source *next; /* question */
};

/* `answered` is called from the loop, or from fleet_await(), whenever secrets came. */
void fleet_init(struct fleet *f, sd_event *event, struct board *board, struct ticket_ring *ring,
	void (*answered)(void *data), void *data);
/* This configuration is in force, until the next call; it is asked at once if the store, or what is
 * asked for, is another one. */
void fleet_follow(struct fleet *f, const struct config *c);
/* At a start, before the loop: waits until the first question has its answer, or for at most
 * FLEET_START_MS. */
void fleet_await(struct fleet *f);
/* Asks no more until fleet_follow(); what is known is kept. */
void fleet_pause(struct fleet *f);
void fleet_done(struct fleet *f); /* one that never began is fine */

#endif
