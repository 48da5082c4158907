/* The error log: what a line looks like, what never gets into one, levels and rates. A pair of
 * sockets that keep boundaries is the log file, so that a test sees every single write. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "fake_clock.h"

static int ours, theirs;
static char line[8192];

static void setup(void)
{
	int pair[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	ours = pair[0];
	theirs = pair[1];
	unsetenv("JOURNAL_STREAM");
	fake_clock_us = INT64_C(1767323045678000);
	log_set(LOG_TARGET_FILE, theirs, LOG_LEVEL_INFO);
}

TestSuite(log, .init = setup);

/* The next write to the log; "" if there was none. */
static const char *next_write(void)
{
	ssize_t n = recv(ours, line, sizeof(line) - 1, MSG_DONTWAIT);

	line[n > 0 ? n : 0] = '\0';
	return line;
}

/* What stands behind "info: " and the like. */
static const char *next_text(void)
{
	const char *text = strstr(next_write(), ": ");

	return text ? text + 2 : "";
}

/* Makes the pair the standard error, as systemd would hand it over. */
static void become_stderr(bool is_journal)
{
	char stream[64] = "1:2";
	struct stat st;

	cr_assert_eq(dup2(theirs, STDERR_FILENO), STDERR_FILENO);
	cr_assert_eq(fstat(STDERR_FILENO, &st), 0);
	if (is_journal)
		snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev,
			(uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
}

Test(log, a_line_says_when_who_and_how_bad)
{
	char expected[256];

	log_set_role("worker 3");
	log_warning("disk is %d %% full", 93);
	snprintf(expected, sizeof(expected),
		"2026-01-02T03:04:05.678Z %s[%d] worker 3 warning: disk is 93 %% full\n",
		program_invocation_short_name, (int)getpid());
	cr_expect_str_eq(next_write(), expected);
	cr_expect_str_eq(next_write(), "", "one write a line");
}

Test(log, no_role_leaves_no_gap)
{
	log_set_role(NULL);
	log_error("x");
	cr_expect_not_null(strstr(next_write(), "] error: x\n"));
}

Test(log, a_long_role_is_cut)
{
	log_set_role("a role that is much longer than any that there is");
	log_error("x");
	cr_expect_not_null(strstr(next_write(), " a role that is much longer than error: x\n"));
}

Test(log, levels_are_a_threshold)
{
	log_set(LOG_TARGET_FILE, theirs, LOG_LEVEL_NOTICE);
	cr_expect(log_is_on(LOG_LEVEL_ERROR));
	cr_expect(log_is_on(LOG_LEVEL_NOTICE));
	cr_expect_not(log_is_on(LOG_LEVEL_INFO));
	log_info("a");
	log_debug("b");
	log_notice("c");
	cr_expect_str_eq(next_text(), "c\n");
	cr_expect_str_eq(next_write(), "");
}

Test(log, off_is_off)
{
	become_stderr(false);
	log_set(LOG_TARGET_OFF, -1, LOG_LEVEL_DEBUG);
	cr_expect_not(log_is_on(LOG_LEVEL_ERROR));
	log_error("x");
	cr_expect_str_eq(next_write(), "");
}

Test(log, control_bytes_are_written_out)
{
	log_info("%s", "a\r\n<0>forged\x1b[2J\x7f\tb");
	cr_expect_str_eq(next_text(), "a\\x0d\\x0a<0>forged\\x1b[2J\\x7f\\x09b\n");
}

Test(log, utf8_passes_and_the_rest_is_written_out)
{
	log_info("%s", "\xc3\xa4\xe2\x82\xac \xff\xc3 \xc2\x9b"
		       "1m");
	cr_expect_str_eq(next_text(), "\xc3\xa4\xe2\x82\xac \\xff\\xc3 \\xc2\\x9b1m\n");
}

Test(log, a_long_message_is_cut_and_still_a_line)
{
	char longer[5000];

	memset(longer, 1, sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	log_info("%s", longer);
	next_write();
	cr_expect_leq(strlen(line), 4096);
	cr_expect_geq(strlen(line), 4000);
	cr_expect_eq(line[strlen(line) - 1], '\n');
	cr_expect_str_eq(next_write(), "");
	memset(longer, 'a', sizeof(longer) - 1);
	log_info("%s", longer);
	cr_expect_eq(strlen(next_text()), 1023 + 1);
}

Test(log, errors_have_their_place)
{
	struct err e;

	err_at(&e, ERR_CONFIG, "/etc/latchd/latchd.conf", 12, "unknown key");
	log_err(LOG_LEVEL_ERROR, &e);
	cr_expect_str_eq(next_text(), "/etc/latchd/latchd.conf:12: unknown key\n");
}

Test(log, events_are_lines_too)
{
	const struct log_field fields[] = { { "CLIENT", STR("::1") } };

	log_event(LOG_LEVEL_INFO, NULL, fields, 1, "truncated by %s", "::1");
	cr_expect_str_eq(next_text(), "truncated by ::1\n");
	log_event(LOG_LEVEL_DEBUG, NULL, fields, 1, "not seen");
	cr_expect_str_eq(next_write(), "");
}

Test(log, errno_survives)
{
	log_set(LOG_TARGET_FILE, 9999, LOG_LEVEL_INFO);
	errno = ENOTEMPTY;
	log_info("nobody hears");
	cr_expect_eq(errno, ENOTEMPTY);
}

Test(log, a_full_pipe_does_not_block)
{
	int flags = fcntl(theirs, F_GETFL);

	fcntl(theirs, F_SETFL, flags | O_NONBLOCK);
	for (int i = 0; i < 5000; i++)
		log_info("%d", i);
	cr_expect_str_eq(next_text(), "0\n");
}

Test(log, standard_error_of_a_terminal_has_no_prefix)
{
	become_stderr(false);
	log_set(LOG_TARGET_STDERR, -1, LOG_LEVEL_INFO);
	log_info("x");
	cr_expect_eq(strncmp(next_write(), "2026-01-02T", 11), 0, "%s", line);
}

Test(log, standard_error_of_the_journal_has_a_prefix)
{
	become_stderr(true);
	log_set_role("master");
	log_set(LOG_TARGET_STDERR, -1, LOG_LEVEL_DEBUG);
	log_error("a");
	cr_expect_str_eq(next_write(), "<3>master: a\n");
	log_warning("b");
	cr_expect_str_eq(next_write(), "<4>master: b\n");
	log_notice("c");
	cr_expect_str_eq(next_write(), "<5>master: c\n");
	log_info("d");
	cr_expect_str_eq(next_write(), "<6>master: d\n");
	log_debug("e\nf");
	cr_expect_str_eq(next_write(), "<7>master: e\\x0af\n");
}

Test(log, a_file_has_no_prefix_even_under_the_journal)
{
	become_stderr(true);
	log_set(LOG_TARGET_FILE, theirs, LOG_LEVEL_INFO);
	log_info("x");
	cr_expect_eq(strncmp(next_write(), "2026-01-02T", 11), 0, "%s", line);
}

Test(log, malformed_journal_stream_is_no_journal)
{
	static const char *const bad[] = { "", ":", "1", "1:", ":2", "a:b", "1:2:3", "-1:2" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		become_stderr(false);
		setenv("JOURNAL_STREAM", bad[i], 1);
		log_set(LOG_TARGET_AUTO, -1, LOG_LEVEL_INFO);
		log_info("x");
		cr_expect_eq(strncmp(next_write(), "2026-01-02T", 11), 0, "%s: %s", bad[i], line);
	}
}

Test(log, rate_lets_a_burst_pass)
{
	struct log_rate rate = { .burst = 3 };

	for (int i = 0; i < 3; i++)
		cr_expect(log_rate_pass(&rate));
	for (int i = 0; i < 37; i++)
		cr_expect_not(log_rate_pass(&rate));
	cr_expect_str_eq(next_write(), "", "nothing is said until the next window");
	fake_clock_us += 9999 * 1000;
	cr_expect_not(log_rate_pass(&rate));
	fake_clock_us += 1000;
	cr_expect(log_rate_pass(&rate));
	cr_expect_str_eq(next_text(), "38 more like the next one were left out\n");
	cr_expect_eq(rate.suppressed, 0);
}

Test(log, what_was_left_out_is_told_even_if_nothing_comes_any_more)
{
	struct log_rate rate = { .burst = 1 };

	log_rate_review(&rate, "lines");
	log_rate_pass(&rate);
	log_rate_pass(&rate);
	log_rate_pass(&rate);
	fake_clock_us += 9999 * 1000;
	log_rate_review(&rate, "lines");
	cr_expect_str_eq(next_write(), "", "the window is still open");
	fake_clock_us += 1000;
	log_rate_review(&rate, "lines");
	cr_expect_str_eq(next_text(), "2 more lines were left out\n");
	log_rate_review(&rate, "lines");
	cr_expect(log_rate_pass(&rate));
	cr_expect_str_eq(next_write(), "", "once");
}

Test(log, rate_is_silent_when_nothing_was_left_out)
{
	struct log_rate rate = { .burst = 1 };

	cr_expect(log_rate_pass(&rate));
	fake_clock_us += 10000 * 1000;
	cr_expect(log_rate_pass(&rate));
	cr_expect_str_eq(next_write(), "");
}

Test(log, rate_without_a_burst_lets_nothing_pass)
{
	struct log_rate rate = { 0 };

	cr_expect_not(log_rate_pass(&rate));
	cr_expect_not(log_rate_pass(&rate));
}
