/* Words to the service manager. Refuses to fail: a manager that does not listen is no reason not to
 * serve. */
#include "master/notify.h"

#include <stdio.h>
#include <systemd/sd-daemon.h>
#include <time.h>

enum { BARRIER_US = 2000000 };

void notify_ready(const char *status)
{
	sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void notify_status(const char *status)
{
	sd_notifyf(0, "STATUS=%s", status);
}

void notify_reloading(const char *status)
{
	struct timespec now;

	/* systemd 253 and later compare the time with that of their own request. */
	clock_gettime(CLOCK_MONOTONIC, &now);
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=%s",
		(unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000,
		status);
}

void notify_stopping(const char *status)
{
	sd_notifyf(0, "STOPPING=1\nSTATUS=%s", status);
}

void notify_extend(int64_t within_ms)
{
	sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%lld", (long long)within_ms * 1000);
}

int64_t notify_watchdog_ms(void)
{
	uint64_t us;

	return sd_watchdog_enabled(0, &us) > 0 && us / 1000 < INT64_MAX ? (int64_t)(us / 1000) : 0;
}

void notify_watchdog(void)
{
	sd_notify(0, "WATCHDOG=1");
}

bool notify_store(const char *name, int fd)
{
	char text[300];
	int n = snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s", name);

	return n < (int)sizeof(text) && sd_pid_notify_with_fds(0, 0, text, &fd, 1) > 0;
}

void notify_forget(const char *name)
{
	if (sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%s", name) > 0)
		sd_notify_barrier(0, BARRIER_US);
}
