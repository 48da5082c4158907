/* Deadlines and pauses of the master. Refuses to fail: whoever sets one could do nothing else but
 * log it. */
#include "master/delay.h"

#include <errno.h>
#include <time.h>

#include "base/log.h"

enum { ACCURACY_US = 1000 };

void delay_stop(sd_event_source **s)
{
	*s = sd_event_source_disable_unref(*s);
}

void delay_set(
	sd_event *event, sd_event_source **s, int64_t ms, sd_event_time_handler_t fn, void *data)
{
	int r;

	delay_stop(s);
	r = sd_event_add_time_relative(
		event, s, CLOCK_MONOTONIC, ms > 0 ? (uint64_t)ms * 1000 : 0, ACCURACY_US, fn, data);
	if (r >= 0)
		return;
	errno = -r;
	log_error("cannot set a timer: %m");
}
