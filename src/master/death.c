/* The words for the end of a worker. Refuses to judge: whether it was wanted is for the pool to
 * say. */
#include "master/death.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "net/sock.h"

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

const char *death_circumstances(const struct crumb *c, char *dst, size_t size)
{
	static const char *const phases[CRUMB_PHASES] = {
		[CRUMB_HANDSHAKE] = "while it shook hands with",
		[CRUMB_READING] = "while it read",
		[CRUMB_SERVING] = "while it served",
		[CRUMB_ANSWERED] = "after it had answered",
	};
	struct sockaddr_storage peer = { 0 };
	char words[CRUMB_WORDS_SIZE], host[SOCK_TEXT_SIZE];

	*dst = '\0';
	if (c->phase == CRUMB_NONE)
		return dst;
	memcpy(&peer, c->peer, sizeof(c->peer));
	sock_format_host(&peer, host, sizeof(host));
	if (c->phase == CRUMB_HANDSHAKE)
		snprintf(dst, size, " %s %s", phases[c->phase], host);
	else if (c->n == 0)
		snprintf(dst, size, " %s from %s", phases[c->phase], host);
	else
		snprintf(dst, size, " %s \"%s\" of %s", phases[c->phase], crumb_words(c, words),
			host);
	return dst;
}

bool death_is_by_signal(const siginfo_t *si, int signal_number)
{
	return si->si_code != CLD_EXITED && si->si_status == signal_number;
}
