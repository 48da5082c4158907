/* Forks helpers that tell of failures through a pipe. Refuses to believe one that did not end well:
 * what it did not say is an error then. */
#include "config/spread.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

struct failure {
	size_t piece;
	struct err err;
};

_Static_assert(sizeof(struct failure) <= PIPE_BUF, "written at once");

static unsigned count_processors(void)
{
	cpu_set_t cpus;
	int n = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? CPU_COUNT(&cpus) : 1;

	return n > SPREAD_PROCESSES_MAX ? SPREAD_PROCESSES_MAX : (unsigned)n;
}

/* Every `step`-th piece from `first` on. */
__attribute__((noreturn)) static void help(
	int fd, pid_t parent, size_t first, size_t step, size_t n, spread_fn *work, void *data)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	for (size_t i = first; i < n; i += step) {
		struct failure f = { .piece = i };

		if (work(data, i, &f.err) < 0 && write(fd, &f, sizeof(f)) != sizeof(f))
			_exit(1);
	}
	_exit(0);
}

static void listen_to(int fd, size_t n, spread_failed_fn *failed, void *data)
{
	struct failure f;
	ssize_t got;

	while ((got = read(fd, &f, sizeof(f))) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got != sizeof(f))
			return;
		f.err.text[sizeof(f.err.text) - 1] = '\0';
		f.err.file[sizeof(f.err.file) - 1] = '\0';
		if (f.piece < n)
			failed(data, f.piece, &f.err);
	}
}

static bool ended_well(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int run_here(size_t n, spread_fn *work, spread_failed_fn *failed, void *data)
{
	for (size_t i = 0; i < n; i++) {
		struct err e = { 0 };

		if (work(data, i, &e) < 0)
			failed(data, i, &e);
	}
	return 0;
}

int spread_run(size_t n, spread_fn *work, spread_failed_fn *failed, void *data, struct err *e)
{
	unsigned processes = count_processors(), started = 0;
	pid_t pids[SPREAD_PROCESSES_MAX], parent = getpid();
	bool well = true;
	int fd[2];

	if (n <= SPREAD_FEW || processes < 2)
		return run_here(n, work, failed, data);
	if (pipe2(fd, O_CLOEXEC) < 0)
		return err_errno(e, ERR_SYSTEM, errno, "cannot make a pipe");
	for (; started < processes; started++) {
		pids[started] = fork();
		if (pids[started] < 0)
			break;
		if (pids[started] == 0)
			help(fd[1], parent, started, processes, n, work, data);
	}
	close(fd[1]);
	listen_to(fd[0], n, failed, data);
	close(fd[0]);
	for (unsigned i = 0; i < started; i++)
		well = ended_well(pids[i]) && well;
	if (started == processes && well)
		return 0;
	return err_set(e, ERR_SYSTEM, "a process that helps with trial handshakes %s",
		started < processes ? "could not be made" : "died");
}
