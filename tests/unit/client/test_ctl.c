/* latchd ctl against masters that are one answer long. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "client/ctl.h"

static char directory[] = "/tmp/latchd-test-XXXXXX";
static char path[64], request_path[64];
static pid_t master;

static void setup(void)
{
	cr_assert_not_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/control.sock", directory);
	snprintf(request_path, sizeof(request_path), "%s/request", directory);
	cr_redirect_stdout();
	cr_redirect_stderr();
}

static void teardown(void)
{
	if (master > 0)
		waitpid(master, NULL, 0);
	unlink(path);
	unlink(request_path);
	rmdir(directory);
}

TestSuite(ctl, .init = setup, .fini = teardown, .timeout = 60);

/* Takes one connection and writes down what was asked. */
static void answer(int listener, const char *text)
{
	int fd = accept(listener, NULL, NULL), out;
	char request[64];
	ssize_t n = recv(fd, request, sizeof(request), 0);

	out = open(request_path, O_CREAT | O_WRONLY, 0600);
	if (n < 0 || write(out, request, (size_t)n) != n)
		_exit(1);
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		_exit(1);
	_exit(0);
}

static void start(const char *text)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	cr_assert_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_eq(listen(fd, 1), 0);
	master = fork();
	if (master == 0)
		answer(fd, text);
	close(fd);
}

/* Words behind "ctl", with the socket of the test in front of them. */
static int run(const char *words)
{
	static char copy[256];
	char *argv[16] = { 0 }, *p = copy;
	int argc = 0;

	snprintf(copy, sizeof(copy), "ctl -s %s %s", path, words);
	while (p && argc < 15) {
		char *word = strsep(&p, " ");

		if (*word)
			argv[argc++] = word;
	}
	optind = 0;
	return ctl_main(argc, argv);
}

static void expect_request(const char *text)
{
	char got[64] = "";
	int fd;

	waitpid(master, NULL, 0);
	master = 0;
	fd = open(request_path, O_RDONLY);
	cr_assert_geq(fd, 0);
	cr_assert_geq(read(fd, got, sizeof(got) - 1), 0);
	close(fd);
	cr_expect_str_eq(got, text);
}

Test(ctl, lines_go_where_they_belong_and_the_code_is_the_exit)
{
	start("+changed\n-a.conf:3: wrong\n-unchanged\n=78\n");
	cr_expect_eq(run("reload"), 78);
	expect_request("reload\n");
	fflush(NULL);
	cr_expect_stdout_eq_str("changed\n");
	cr_expect_stderr_eq_str("a.conf:3: wrong\nunchanged\n");
}

Test(ctl, json_is_asked_for_wherever_the_option_stands)
{
	start("+{}\n=0\n");
	cr_expect_eq(run("--json status"), 0);
	expect_request("status json\n");
}

Test(ctl, stop_and_reopen_are_words_too)
{
	start("+stopped\n=0\n");
	cr_expect_eq(run("stop"), 0);
	expect_request("stop\n");
}

Test(ctl, a_master_that_ends_without_an_answer)
{
	start("+half of i");
	cr_expect_eq(run("status"), ERR_UNAVAILABLE);
}

Test(ctl, a_master_that_ends_within_the_code)
{
	start("=7");
	cr_expect_eq(run("status"), ERR_UNAVAILABLE);
}

Test(ctl, a_code_that_is_none_is_no_success)
{
	static const char *const codes[] = { "=\n", "=256\n", "=512\n", "=99999999999\n", "=0x\n" };

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		start(codes[i]);
		cr_expect_eq(run("status"), ERR_INTERNAL, "%s", codes[i]);
		expect_request("status\n");
		unlink(path);
		unlink(request_path);
	}
}

Test(ctl, what_a_master_says_cannot_drive_the_terminal)
{
	start("+a\x1b[2Jb\n-c\rd\x7f\n=0\n");
	cr_expect_eq(run("status"), 0);
	fflush(NULL);
	cr_expect_stdout_eq_str("a?[2Jb\n");
	cr_expect_stderr_eq_str("c?d?\n");
}

Test(ctl, no_master)
{
	cr_expect_eq(run("status"), ERR_UNAVAILABLE);
}

Test(ctl, a_dead_masters_socket)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	cr_assert_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	close(fd);
	cr_expect_eq(run("status"), ERR_UNAVAILABLE);
}

Test(ctl, wrong_usage)
{
	static const char *const wrong[] = { "", "explode", "reload now", "reload --json",
		"stop --watch", "--frobnicate status", "-s" };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		cr_expect_eq(run(wrong[i]), ERR_USAGE, "%s", wrong[i]);
}

Test(ctl, help_asks_nobody)
{
	cr_expect_eq(run("--help"), 0);
}
