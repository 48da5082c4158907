/* What the service manager is told, see sd_notify(3). Without one these do nothing. */
#ifndef LATCH_MASTER_NOTIFY_H
#define LATCH_MASTER_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/* It serves, from the start or again after a reload; `status` is what `systemctl status` shows. */
void notify_ready(const char *status);
void notify_status(const char *status);
/* A reload or an upgrade begins; notify_ready() ends it, however it went. */
void notify_reloading(const char *status);
void notify_stopping(const char *status);
/* The start, or the stop, that is under way may take that long from now, and no longer: for when
 * TimeoutStartSec= or TimeoutStopSec= is shorter. */
void notify_extend(int64_t within_ms);

/* The manager keeps a copy of `fd` for the next start, under a name of letters, digits and
 * punctuation without ':'. Whether there is one to do so; it may still refuse. */
bool notify_store(const char *name, int fd);
/* It closes its copy; when this returns it has. */
void notify_forget(const char *name);

/* Within what time the manager wants to hear notify_watchdog() again and again (WatchdogSec=);
 * 0: it does not. */
int64_t notify_watchdog_ms(void);
void notify_watchdog(void);

#endif
