/* The keys of session tickets: new random ones at intervals, or those of a shared secret by the
 * clock, or of the secrets that a store gives out. */
#ifndef LATCH_MASTER_ROTATION_H
#define LATCH_MASTER_ROTATION_H

#include <systemd/sd-event.h>

#include "base/buf.h"
#include "base/json.h"
#include "config/config.h"
#include "master/fleet.h"

struct ticket_ring;

struct rotation {
	sd_event *event;
	struct ticket_ring *ring;    /* borrowed */
	const struct config *config; /* in force; NULL: none yet */
	sd_event_source *timer;
	int64_t rotated_ms; /* when the newest key was made, clock_ms() */
	struct fleet fleet;
};

/* Where the keys of now are from. RANDOM: made here, maybe since the store does not answer;
 * INHERITED: whatever they were to the master before, and the store has not answered this one. */
enum rotation_source {
	ROTATION_OFF,
	ROTATION_RANDOM,
	ROTATION_SECRET,
	ROTATION_STORE,
	ROTATION_INHERITED,
};

/* Keys of a master before this one keep their age. */
void rotation_init(
	struct rotation *r, sd_event *event, struct ticket_ring *ring, struct board *board);
/* At a start, before the loop: this configuration will be in force; a store is given a moment. */
void rotation_await(struct rotation *r, const struct config *c);
/* This configuration is in force, until the next call. */
void rotation_follow(struct rotation *r, const struct config *c);
/* In between no child is made. */
void rotation_pause(struct rotation *r);
void rotation_resume(struct rotation *r);
void rotation_stop(struct rotation *r);
/* Is it the child that asks the store, or the last one that did? */
bool rotation_has_child(const struct rotation *r, pid_t pid);
enum rotation_source rotation_source(const struct rotation *r);
/* For the status: a line or two, and the member "tickets". */
bool rotation_table(const struct rotation *r, struct buf *out);
void rotation_json(const struct rotation *r, struct json *j);

#endif
