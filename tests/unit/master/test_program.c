/* Programs that end, crash, hang and talk. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "master/program.h"
#include "toy.h"

enum { PATIENCE_MS = 20000 };

static sd_event *event;
static struct program_result result;
static char output[PROGRAM_OUTPUT_MAX + 1];
static unsigned heard;

static void on_done(void *data, const struct program_result *r)
{
	cr_expect_eq(data, &heard);
	result = *r;
	memcpy(output, r->output.p, r->output.n);
	output[r->output.n] = '\0';
	heard++;
}

static void setup(void)
{
	toy_setup();
	cr_assert_geq(sd_event_new(&event), 0);
}

static void teardown(void)
{
	sd_event_unref(event);
}

TestSuite(program, .init = setup, .fini = teardown, .timeout = 60);

static struct program *start(const char *script, int64_t limit_ms, int (*prepare)(void *))
{
	char sh[] = "sh", c[] = "-c", *argv[] = { sh, c, (char *)(uintptr_t)script, NULL };
	struct program_options o = { .event = event,
		.path = "/bin/sh",
		.argv = argv,
		.prepare = prepare,
		.limit_ms = limit_ms,
		.done = on_done,
		.data = &heard };
	struct err e;
	struct program *p = program_start(&o, &e);

	cr_assert_not_null(p, "%s", e.text);
	return p;
}

static bool was_heard(void)
{
	return heard > 0;
}

static void run(const char *script, int64_t limit_ms)
{
	start(script, limit_ms, NULL);
	cr_assert(toy_turn_until(event, was_heard, PATIENCE_MS));
	cr_expect_eq(heard, 1);
}

Test(program, says_and_ends)
{
	run("echo out; echo err >&2; exit 78", PATIENCE_MS);
	cr_expect_not(result.is_late);
	cr_expect_eq(result.how.si_code, CLD_EXITED);
	cr_expect_eq(result.how.si_status, 78);
	cr_expect_str_eq(output, "out\nerr\n");
	cr_expect_eq(waitpid(result.how.si_pid, NULL, WNOHANG), -1, "it was reaped");
}

Test(program, crashes)
{
	run("kill -SEGV $$", PATIENCE_MS);
	cr_expect_eq(result.how.si_status, SIGSEGV);
	cr_expect_neq(result.how.si_code, CLD_EXITED);
}

Test(program, hangs)
{
	run("sleep 1000", 50);
	cr_expect(result.is_late);
	cr_expect_eq(result.how.si_status, SIGKILL);
}

/* What it left behind goes with it. */
Test(program, leaves_nobody)
{
	pid_t left;

	run("sleep 1000 >/dev/null 2>&1 & echo $!", PATIENCE_MS);
	left = (pid_t)strtol(output, NULL, 10);
	cr_assert_gt(left, 1);
	/* Its death is a moment after the signal. */
	for (int i = 0; i < PATIENCE_MS && kill(left, 0) == 0; i++) {
		char path[64], state = '?';
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/stat", (int)left);
		f = fopen(path, "r");
		if (f && fscanf(f, "%*d (%*[^)]) %c", &state) == 1 && state == 'Z')
			i = PATIENCE_MS; /* its new parent does not care */
		if (f)
			fclose(f);
		poll(NULL, 0, 1);
	}
}

Test(program, talks_without_end)
{
	run("yes", 500);
	cr_expect(result.is_late);
	cr_expect_eq(result.output.n, PROGRAM_OUTPUT_MAX);
}

Test(program, talks_more_than_a_pipe_holds)
{
	run("head -c 200000 /dev/zero | tr '\\0' x; exit 3", PATIENCE_MS);
	cr_expect_eq(result.how.si_status, 3);
	cr_expect_eq(result.output.n, PROGRAM_OUTPUT_MAX);
}

static int set_variable(void *data)
{
	(void)data;
	return setenv("TEST_VARIABLE", "yes", 1);
}

static int refuse(void *data)
{
	(void)data;
	errno = EPERM;
	return -1;
}

Test(program, is_prepared_in_the_child)
{
	start("echo $TEST_VARIABLE; cat", PATIENCE_MS, set_variable);
	cr_assert(toy_turn_until(event, was_heard, PATIENCE_MS));
	cr_expect_str_eq(output, "yes\n", "and standard input is empty");
	cr_expect_null(getenv("TEST_VARIABLE"));
	heard = 0;
	start("echo never", PATIENCE_MS, refuse);
	cr_assert(toy_turn_until(event, was_heard, PATIENCE_MS));
	cr_expect_eq(result.how.si_status, ERR_UNAVAILABLE);
	cr_expect_str_eq(output, "cannot run /bin/sh: Operation not permitted\n");
}

Test(program, inherits_nothing_else)
{
	char script[80];
	int fds[2];

	cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
	snprintf(script, sizeof(script), "[ -e /proc/self/fd/%d ] || [ -e /proc/self/fd/%d ]",
		fds[0], fds[1]);
	run(script, PATIENCE_MS);
	cr_expect_eq(result.how.si_status, 1);
	fcntl(fds[1], F_SETFD, 0);
	heard = 0;
	run(script, PATIENCE_MS);
	cr_expect_eq(result.how.si_status, 0, "so the script does find them");
}

Test(program, can_be_stopped)
{
	int before;

	program_stop(start("sleep 1000", PATIENCE_MS, NULL)); /* the loop has its timer now */
	before = toy_count_fds();
	program_stop(start("sleep 1000", PATIENCE_MS, NULL));
	program_stop(NULL);
	cr_expect_eq(heard, 0);
	cr_expect_eq(toy_count_fds(), before);
}
