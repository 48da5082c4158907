/* Least privilege of a worker. The master has set nothing of this up: what a worker must not have,
 * it drops here, in one place. Signals that a terminal sends to the whole group are the master's.
 */
#include "worker/confine.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "config/config.h"
#include "ipc/board.h"
#include "tls/ticket.h"
#include "worker/landlock.h"
#include "worker/seccomp.h"

/* Written by the signal handler, which can have no argument. */
static volatile sig_atomic_t sigpipes;

static void on_sigpipe(int signum)
{
	(void)signum;
	sigpipes++;
}

unsigned confine_sigpipes_take(void)
{
	unsigned n = (unsigned)sigpipes;

	sigpipes -= (sig_atomic_t)n;
	return n;
}

static int compare_ints(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

/* Closes everything between and behind the descriptors of the sorted list. */
static int close_all_but(const int *keep, size_t n)
{
	unsigned from = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned fd = (unsigned)keep[i];

		if (keep[i] < 0 || fd < from)
			continue;
		if (fd > from && syscall(SYS_close_range, from, fd - 1, 0))
			return -1;
		from = fd + 1;
	}
	return (int)syscall(SYS_close_range, from, ~0u, 0);
}

static size_t count_routes(const struct config *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->nsites; i++)
		n += c->sites[i].nroutes;
	return n;
}

/* The descriptors of all document roots, each once; at most count_routes() of them. */
static size_t collect_roots(const struct config *c, int *ret_fds)
{
	size_t n = 0, kept = 0;

	for (size_t i = 0; i < c->nsites; i++)
		for (size_t k = 0; k < c->sites[i].nroutes; k++)
			if (c->sites[i].routes[k].handler == CONFIG_HANDLER_FILES)
				ret_fds[n++] = c->sites[i].routes[k].files.root_fd;
	qsort(ret_fds, n, sizeof *ret_fds, compare_ints);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || ret_fds[i] != ret_fds[i - 1])
			ret_fds[kept++] = ret_fds[i];
	return kept;
}

static int keep_inheritance(const struct inherit *in, struct err *e)
{
	const struct config *c = in->config;
	size_t most = 5 + c->nlisteners + BOARD_SLOTS + c->nlog_files + count_routes(c), n = 0;
	int *keep = calloc(most, sizeof *keep), result = -1;

	if (!keep)
		return err_set(e, ERR_SYSTEM, "out of memory");
	for (int fd = 0; fd <= 2; fd++)
		keep[n++] = fd;
	keep[n++] = in->channel;
	keep[n++] = log_journal_fd();
	for (size_t i = 0; i < c->nlisteners; i++)
		keep[n++] = in->listener_fds[i];
	for (size_t i = 0; i < BOARD_SLOTS; i++)
		keep[n++] = in->pokes[i];
	for (size_t i = 0; i < c->nlog_files; i++)
		keep[n++] = c->log_files[i].fd;
	n += collect_roots(c, keep + n);
	qsort(keep, n, sizeof *keep, compare_ints);
	result = close_all_but(keep, n);
	free(keep);
	return result ? err_errno(e, ERR_SYSTEM, errno, "cannot close what is not ours") : 0;
}

static void set_signal(int signum, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };

	sigemptyset(&action.sa_mask);
	sigaction(signum, &action, NULL);
}

static void set_signals(enum sigpipe_policy policy)
{
	static const int ignored[] = { SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGUSR1, SIGUSR2,
		SIGCHLD };
	sigset_t none;

	for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
		set_signal(ignored[i], SIG_IGN);
	set_signal(SIGPIPE, policy == SIGPIPE_LOG       ? on_sigpipe
			    : policy == SIGPIPE_DEFAULT ? SIG_DFL
							: SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static unsigned long raise_nofile(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return 1024;
	if (limit.rlim_cur < limit.rlim_max) {
		rlim_t soft = limit.rlim_cur;

		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit))
			limit.rlim_cur = soft;
	}
	return (unsigned long)limit.rlim_cur;
}

static int drop_ids(const struct inherit *in, struct err *e)
{
	if (in->uid == (uid_t)-1)
		return 0;
	if (setgroups(0, NULL) || setresgid(in->gid, in->gid, in->gid) ||
		setresuid(in->uid, in->uid, in->uid))
		return err_errno(
			e, ERR_PERMISSION, errno, "cannot become uid %u, gid %u", in->uid, in->gid);
	if (in->uid != 0 && setuid(0) == 0)
		return err_set(e, ERR_INTERNAL, "root came back after it was dropped");
	return 0;
}

/* What no sealed worker can open or ask for any more, though libraries would when they first need
 * it: the time zone, and the journal's socket for access logs that go there. */
static void open_late_comers(const struct config *c)
{
	bool journal = c->access.target == LOG_TARGET_JOURNAL;

	tzset();
	for (size_t i = 0; i < c->nsites && !journal; i++)
		journal = c->sites[i].access.target == LOG_TARGET_JOURNAL;
	if (journal)
		log_journal_open();
}

int confine_apply(const struct inherit *in, unsigned long *ret_nofile, struct err *e)
{
	struct rlimit no_core = { 0, 0 };

	set_signals(in->config->sigpipe);
	open_late_comers(in->config);
	if (in->ring && ticket_ring_make_readonly(in->ring, e))
		return -1;
	if (in->board_fd >= 0 && board_confine(in->board, in->board_fd, in->slot, e))
		return -1;
	if (keep_inheritance(in, e))
		return -1;
	*ret_nofile = raise_nofile();
	if (drop_ids(in, e))
		return -1;
	/* A core would hold private keys. */
	setrlimit(RLIMIT_CORE, &no_core);
	if (prctl(PR_SET_DUMPABLE, 0) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return err_errno(e, ERR_SYSTEM, errno, "cannot give up privileges");
	return 0;
}

/* One line for all: who has the lowest slot of the generation speaks. */
static bool is_speaker(const struct inherit *in)
{
	for (unsigned i = 0; i < in->slot; i++)
		if (board_get(in->board->slot[i].generation) == in->generation)
			return false;
	return true;
}

/* A sanitizer, coverage and the key log open files of their own. */
#if defined(__SANITIZE_ADDRESS__) || defined(LATCH_UNCONFINED) || defined(LATCH_KEYLOG)
unsigned confine_seal(const struct inherit *in)
{
	if (is_speaker(in))
		log_notice("not confined by Landlock and seccomp: a build for tests needs more");
	return 0;
}
#else
static int confine_files(const struct config *c, struct err *e)
{
	int *roots = calloc(count_routes(c) + 1, sizeof *roots), result;

	if (!roots)
		return err_set(e, ERR_SYSTEM, "out of memory");
	result = landlock_restrict(roots, collect_roots(c, roots), e);
	free(roots);
	return result;
}

unsigned confine_seal(const struct inherit *in)
{
	unsigned in_force = 0;
	struct err e = { 0 };

	if (confine_files(in->config, &e) == 0)
		in_force |= BOARD_CONFINED_FILES;
	else if (is_speaker(in))
		log_warning("workers may open any file that their user may: %s", e.text);
	if (seccomp_restrict(&e) == 0)
		in_force |= BOARD_CONFINED_CALLS;
	else if (is_speaker(in))
		log_warning("workers may make any system call: %s", e.text);
	return in_force;
}
#endif
