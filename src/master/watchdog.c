/* The timer behind heartbeats and the manager's watchdog. Refuses to feed the watchdog by the clock
 * alone: that would prove that a timer works. */
#include "master/watchdog.h"

#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "master/notify.h"
#include "master/pool.h"

enum { ACCURACY_US = 20000 };

static int64_t interval_ms(const struct watchdog *w)
{
	return w->hung_ms / WATCHDOG_LOOKS;
}

static int on_look(sd_event_source *s, uint64_t now, void *data)
{
	struct watchdog *w = data;
	const struct generation *g = w->reload->serving;
	int64_t now_us = clock_us_now(), elapsed_ms = (now_us - w->looked_us) / 1000;
	bool all_well;
	int r;

	(void)now;
	w->looked_us = now_us;
	/* Late ourselves: they may have been stopped with us. */
	if (elapsed_ms > 2 * interval_ms(w))
		elapsed_ms = interval_ms(w);
	all_well = !g || pool_look_after(&g->pool, elapsed_ms, w->hung_ms);
	if (w->is_fed && all_well)
		notify_watchdog();
	r = sd_event_source_set_time_relative(s, (uint64_t)interval_ms(w) * 1000);
	if (r >= 0)
		r = sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
	if (r < 0) {
		errno = -r;
		log_error("cannot set the timer of the watchdog: %m");
	}
	return 0;
}

int watchdog_start(struct watchdog *w, sd_event *event, const struct reload *r, struct err *e)
{
	int64_t limit_ms = notify_watchdog_ms();
	int code;

	*w = (struct watchdog){ .reload = r, .hung_ms = WATCHDOG_HUNG_MS, .is_fed = limit_ms > 0 };
	if (w->is_fed && limit_ms / 2 < w->hung_ms)
		w->hung_ms = limit_ms / 2;
	if (w->hung_ms < WATCHDOG_HUNG_MIN_MS)
		w->hung_ms = WATCHDOG_HUNG_MIN_MS;
	w->looked_us = clock_us_now();
	code = sd_event_add_time_relative(event, &w->timer, CLOCK_MONOTONIC,
		(uint64_t)interval_ms(w) * 1000, ACCURACY_US, on_look, w);
	if (code < 0)
		return err_errno(e, ERR_SYSTEM, -code, "cannot set the timer of the watchdog");
	return 0;
}

void watchdog_stop(struct watchdog *w)
{
	w->timer = sd_event_source_disable_unref(w->timer);
}
