/* The keys of session tickets: new random ones at intervals, or those of a shared secret by the
 * clock.
 */
#ifndef LATCH_MASTER_ROTATION_H
#define LATCH_MASTER_ROTATION_H

#include <systemd/sd-event.h>

#include "config/config.h"

struct ticket_ring;

struct rotation {
	sd_event *event;
	struct ticket_ring *ring;    /* borrowed */
	const struct config *config; /* in force */
	sd_event_source *timer;
	int64_t rotated_ms; /* when the newest key was made, clock_ms() */
};

/* Keys of a master before this one keep their age. */
void rotation_init(struct rotation *r, sd_event *event, struct ticket_ring *ring);
/* This configuration is in force, until the next call. */
void rotation_follow(struct rotation *r, const struct config *c);
void rotation_stop(struct rotation *r);

#endif
