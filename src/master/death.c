/* The words for the end of a worker. Refuses to judge: whether it was wanted is for the pool to
 * say. */
#include "master/death.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

const char *death_describe(const siginfo_t *si, char *dst, size_t size)
{
	const char *core = si->si_code == CLD_DUMPED ? " (core dumped)" : "";
	const char *name;

	if (si->si_code == CLD_EXITED) {
		snprintf(dst, size, "ended with status %d", si->si_status);
		return dst;
	}
	name = sigabbrev_np(si->si_status);
	if (si->si_status == SIGSYS)
		snprintf(dst, size, "was killed by SIGSYS%s, for a system call that is forbidden",
			core);
	else if (name)
		snprintf(dst, size, "was killed by SIG%s%s", name, core);
	else
		snprintf(dst, size, "was killed by signal %d%s", si->si_status, core);
	return dst;
}

enum err_code death_code(const siginfo_t *si)
{
	if (si->si_code != CLD_EXITED)
		return ERR_INTERNAL;
	switch (si->si_status) {
	case ERR_USAGE:
	case ERR_UNAVAILABLE:
	case ERR_SYSTEM:
	case ERR_TEMPORARY:
	case ERR_PERMISSION:
	case ERR_CONFIG:
		return (enum err_code)si->si_status;
	default:
		return ERR_INTERNAL;
	}
}

bool death_is_by_signal(const siginfo_t *si, int signal_number)
{
	return si->si_code != CLD_EXITED && si->si_status == signal_number;
}
