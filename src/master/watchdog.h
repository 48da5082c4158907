/* Looks at the workers' heartbeats: one that hangs is ended and replaced, and the service manager's
 * watchdog (WatchdogSec=) is fed only while none of them hangs. */
#ifndef LATCH_MASTER_WATCHDOG_H
#define LATCH_MASTER_WATCHDOG_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/err.h"
#include "master/reload.h"

enum {
	WATCHDOG_HUNG_MS = 10000,    /* silent for longer: it hangs; or half of WatchdogSec=, */
	WATCHDOG_HUNG_MIN_MS = 3000, /* but a worker with nothing to do stirs once a second */
	WATCHDOG_LOOKS = 10,         /* in that time */
};

/* Zero-initialise. */
struct watchdog {
	const struct reload *reload;
	sd_event_source *timer;
	int64_t hung_ms, looked_us;
	bool is_fed; /* the manager has one, and it is ours to feed */
};

int watchdog_start(struct watchdog *w, sd_event *event, const struct reload *r, struct err *e);
void watchdog_stop(struct watchdog *w);

#endif
