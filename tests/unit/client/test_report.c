/* What is written to standard error, byte by byte. */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client/report.h"

static struct report r;

static void setup(void)
{
	r = (struct report){ .fd = memfd_create("report", MFD_CLOEXEC) };
	cr_assert_geq(r.fd, 0);
}

static void teardown(void)
{
	close(r.fd);
}

TestSuite(report, .init = setup, .fini = teardown);

static const char *written(void)
{
	static char text[8192];
	ssize_t n = pread(r.fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

Test(report, errors_name_program_and_subject)
{
	report_error(&r, "https://h/", "it broke");
	report_error(&r, NULL, "no URL given");
	cr_expect_str_eq(written(), "latch: https://h/: it broke\nlatch: no URL given\n");
}

Test(report, quiet_leaves_warnings_out_and_errors_in)
{
	report_warning(&r, "u", "careful");
	r.quiet = true;
	report_warning(&r, "u", "not again");
	report_error(&r, "u", "broken");
	cr_expect_str_eq(written(), "latch: warning: u: careful\nlatch: u: broken\n");
}

Test(report, facts_need_verbose)
{
	report_fact(&r, "secret");
	report_lines(&r, '>', STR("GET / HTTP/1.1\r\n\r\n"));
	report_closure(&r, CLOSURE_CLEAN, true);
	cr_expect_str_empty(written());
	r.verbose = true;
	report_fact(&r, "%d of %s", 3, "us");
	cr_expect_str_eq(written(), "* 3 of us\n");
}

Test(report, heads_are_shown_line_by_line)
{
	r.verbose = true;
	report_lines(&r, '<', STR("HTTP/1.1 200 OK\r\nA: b\r\n\r\n"));
	report_lines(&r, '*', STR("no line end"));
	report_lines(&r, '*', STR(""));
	cr_expect_str_eq(written(), "< HTTP/1.1 200 OK\n< A: b\n< \n* no line end\n");
}

Test(report, what_a_peer_sent_cannot_drive_the_terminal)
{
	r.verbose = true;
	report_lines(&r, '<',
		STR("A: \x1b[2J\x07 \x7f \xc2\x9b"
		    "31m \xc3\xa4\t.\n"));
	report_error(&r, "h\nlatch: forged", "a\rb");
	cr_expect_str_eq(written(), "< A: \\x1b[2J\\x07 \\x7f \\xc2\\x9b"
				    "31m \xc3\xa4\t.\n"
				    "latch: h\\x0alatch: forged: a\\x0db\n");
}

Test(report, a_character_cut_at_the_end_is_told_by_its_byte)
{
	report_error(&r, NULL, "\xc2");
	cr_expect_str_eq(written(), "latch: \\xc2\n");
}

Test(report, bytes_that_are_controls_in_another_coding_are_told)
{
	report_error(&r, NULL, "\x9b[31m \xe4 \xc3\xa4 \xe2\x80\xa6");
	cr_expect_str_eq(written(), "latch: \\x9b[31m \\xe4 \xc3\xa4 \xe2\x80\xa6\n");
}

Test(report, text_cannot_be_turned_around)
{
	report_error(&r, NULL,
		"a\xe2\x80\xae"
		"b\xe2\x81\xa6"
		"c\xe2\x80\xa8"
		"d");
	cr_expect_str_eq(written(), "latch: a\\xe2\\x80\\xaeb\\xe2\\x81\\xa6c\\xe2\\x80\\xa8"
				    "d\n");
}

Test(report, every_closure_has_its_word)
{
	r.verbose = true;
	for (int i = 0; i < CLOSURE_COUNT; i++)
		report_closure(&r, (enum closure)i, true);
	report_closure(&r, CLOSURE_CLEAN, false);
	cr_expect_str_eq(written(),
		"* closure clean: the server's close_notify came\n"
		"* closure truncated: the server closed without close_notify\n"
		"* closure reset: the connection was reset or broke\n"
		"* closure timeout: the server did not end the connection in time\n"
		"* closure local: latch did not wait for the server's end\n"
		"* closure clean: the server closed the connection "
		"(without TLS there is no close_notify)\n");
}

Test(report, a_plain_connection_is_called_so)
{
	struct link l = { .address = "127.0.0.1:80" };

	r.verbose = true;
	report_link(&r, &l);
	cr_expect_str_eq(written(), "* connected to 127.0.0.1:80, without TLS\n");
}

Test(report, a_progress_bar_goes_before_a_line_comes)
{
	struct progress p;
	const char *text;

	progress_init(&p, r.fd);
	progress_start(&p, false, 0, 0);
	r.progress = &p;
	progress_add(&p, 1, PROGRESS_INTERVAL_US);
	report_error(&r, NULL, "x");
	text = written();
	cr_expect_eq(text[0], '\r');
	cr_expect_not_null(strstr(text, " \rlatch: x\n"), "%s", text);
	cr_expect_eq(p.drawn, 0);
}
