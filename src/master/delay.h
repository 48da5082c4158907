/* One-shot timers of the master's event loop. */
#ifndef LATCH_MASTER_DELAY_H
#define LATCH_MASTER_DELAY_H

#include <stdint.h>
#include <systemd/sd-event.h>

/* (Re)arms *s: `fn` is called once, `ms` from now. Without memory for it the call never comes,
 * which is logged; *s is NULL then. */
void delay_set(
	sd_event *event, sd_event_source **s, int64_t ms, sd_event_time_handler_t fn, void *data);
/* *s is NULL afterwards; it may be before. */
void delay_stop(sd_event_source **s);

#endif
