/* What the service manager is told, see sd_notify(3). Without one these do nothing. */
#ifndef LATCH_MASTER_NOTIFY_H
#define LATCH_MASTER_NOTIFY_H

#include <stdint.h>

/* It serves, from the start or again after a reload; `status` is what `systemctl status` shows. */
void notify_ready(const char *status);
void notify_status(const char *status);
/* A reload begins; notify_ready() ends it, however it went. */
void notify_reloading(void);
void notify_stopping(const char *status);

/* Within what time the manager wants to hear notify_watchdog() again and again (WatchdogSec=);
 * 0: it does not. */
int64_t notify_watchdog_ms(void);
void notify_watchdog(void);

#endif
