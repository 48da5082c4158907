/* Runs a program that may crash, hang or talk without end. Refuses to wait for it: what it says is
 * read when it comes, and at its end no more than what is there. */
#include "master/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"

struct program {
	struct program_options o;
	pid_t pid;
	int fd; /* what it says */
	struct buf output;
	sd_event_source *child, *io, *deadline;
	bool is_late;
};

static void program_free(struct program *p)
{
	sd_event_source_disable_unref(p->child);
	sd_event_source_disable_unref(p->io);
	sd_event_source_disable_unref(p->deadline);
	if (p->fd >= 0)
		close(p->fd);
	buf_done(&p->output);
	free(p);
}

/* True: there may be more. */
static bool read_some(struct program *p)
{
	char bytes[4096];
	ssize_t n = read(p->fd, bytes, sizeof(bytes));
	size_t room = p->output.max - buf_len(&p->output);

	if (n > 0)
		buf_append(&p->output, bytes, (size_t)n < room ? (size_t)n : room);
	return n > 0 || (n < 0 && errno == EINTR);
}

static int on_output(sd_event_source *s, int fd, uint32_t events, void *data)
{
	struct program *p = data;

	(void)fd;
	(void)events;
	if (!read_some(p) && errno != EAGAIN)
		sd_event_source_set_enabled(s, SD_EVENT_OFF);
	return 0;
}

static int on_deadline(sd_event_source *s, uint64_t now, void *data)
{
	struct program *p = data;

	(void)s;
	(void)now;
	p->is_late = true;
	kill(-p->pid, SIGKILL);
	return 0;
}

static int on_child(sd_event_source *s, const siginfo_t *si, void *data)
{
	struct program *p = data;
	struct program_result result = { .is_late = p->is_late, .how = *si };

	(void)s;
	kill(-p->pid, SIGKILL);   /* it is not reaped yet: the group is still its own */
	waitpid(p->pid, NULL, 0); /* now: who hears of it may never come back to the loop */
	for (size_t i = 0; i < PROGRAM_OUTPUT_MAX && read_some(p); i++)
		;
	result.output = buf_len(&p->output) ? buf_str(&p->output) : STR("");
	p->o.done(p->o.data, &result);
	program_free(p);
	return 0;
}

__attribute__((noreturn)) static void run_child(const struct program *p, int out, pid_t master)
{
	int in = open("/dev/null", O_RDONLY);
	sigset_t none;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != master || dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
		dup2(out, STDERR_FILENO) < 0)
		_exit(ERR_SYSTEM);
	if (in > STDERR_FILENO)
		close(in);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (!p->o.prepare || p->o.prepare(p->o.data) == 0)
		execv(p->o.path, p->o.argv);
	dprintf(STDERR_FILENO, "cannot run %s: %s\n", p->o.path, strerror(errno));
	_exit(ERR_UNAVAILABLE);
}

static int watch(struct program *p)
{
	int r = sd_event_add_child(p->o.event, &p->child, p->pid, WEXITED, on_child, p);

	if (r >= 0)
		r = sd_event_add_io(p->o.event, &p->io, p->fd, EPOLLIN, on_output, p);
	if (r >= 0)
		r = sd_event_add_time_relative(p->o.event, &p->deadline, CLOCK_MONOTONIC,
			(uint64_t)p->o.limit_ms * 1000, 1000, on_deadline, p);
	return r;
}

struct program *program_start(const struct program_options *o, struct err *e)
{
	struct program *p = calloc(1, sizeof(*p));
	pid_t master = getpid();
	int ends[2] = { -1, -1 }, r;

	if (!p || pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
		err_errno(e, ERR_SYSTEM, errno, "cannot make a pipe");
		free(p);
		return NULL;
	}
	*p = (struct program){ .o = *o, .fd = ends[0] };
	buf_init(&p->output, PROGRAM_OUTPUT_MAX);
	fcntl(ends[1], F_SETFL, 0); /* its own writing may wait for us */
	p->pid = fork();
	if (p->pid == 0)
		run_child(p, ends[1], master);
	r = errno;
	close(ends[1]);
	if (p->pid < 0) {
		err_errno(e, ERR_SYSTEM, r, "cannot make a process for %s", o->path);
		program_free(p);
		return NULL;
	}
	setpgid(p->pid, p->pid); /* whoever of us comes first */
	r = watch(p);
	if (r >= 0)
		return p;
	err_errno(e, ERR_SYSTEM, -r, "cannot watch %s", o->path);
	program_stop(p);
	return NULL;
}

void program_stop(struct program *p)
{
	if (!p)
		return;
	p->child = sd_event_source_disable_unref(p->child);
	kill(-p->pid, SIGKILL);
	waitpid(p->pid, NULL, 0);
	program_free(p);
}
