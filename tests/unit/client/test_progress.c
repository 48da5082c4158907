/* The progress line: what it says, how often it is drawn, and that it goes away. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/progress.h"

enum { MIB = 1024 * 1024, SECOND = 1000000 };

static struct progress p;
static int ends[2]; /* of the pipe that stands for the terminal */
static char line[1024];

static void setup(void)
{
	cr_assert_eq(pipe2(ends, O_NONBLOCK), 0);
	progress_init(&p, ends[1]);
}

static void teardown(void)
{
	close(ends[0]);
	close(ends[1]);
}

TestSuite(progress, .init = setup, .fini = teardown);

/* What was written since the last look. */
static const char *written(void)
{
	static char text[4096];
	ssize_t n = read(ends[0], text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static const char *format(int64_t now_us, unsigned width)
{
	struct buf out;

	buf_init(&out, 0);
	cr_assert(progress_format(&p, now_us, width, &out));
	snprintf(line, sizeof(line), "%.*s", (int)buf_len(&out),
		buf_len(&out) ? buf_head(&out) : "");
	buf_done(&out);
	return line;
}

Test(progress, says_percentage_amount_rate_and_time_left)
{
	progress_start(&p, true, 100 * MIB, 0);
	progress_add(&p, 25 * MIB, 5 * SECOND);
	cr_expect_str_eq(format(5 * SECOND, 100),
		" 25% [=========>                            ] 25.0 MiB of 100.0 MiB  "
		"5.0 MiB/s  0:15 left");
}

Test(progress, works_without_a_length)
{
	progress_start(&p, false, 0, 0);
	progress_add(&p, 3 * MIB, 2 * SECOND);
	cr_expect_str_eq(format(2 * SECOND, 80), "3.0 MiB  1.5 MiB/s");
}

Test(progress, begins_and_ends_with_sense)
{
	progress_start(&p, true, 1000, 0);
	cr_expect_not_null(strstr(format(0, 80), "  0% [>"));
	cr_expect_null(strstr(line, "left"), "no rate yet: %s", line);
	progress_add(&p, 1000, SECOND);
	cr_expect_not_null(strstr(format(SECOND, 80), "100% ["));
	cr_expect_not_null(strstr(line, "0:00 left"));
	progress_add(&p, 1000, SECOND);
	cr_expect_not_null(strstr(format(SECOND, 80), "100% ["), "more than announced: %s", line);
}

Test(progress, amounts_have_units)
{
	static const struct {
		uint64_t n;
		const char *text;
	} rows[] = {
		{ 0, "0 B  " },
		{ 999, "999 B  " },
		{ 1000, "1.0 KiB  " },
		{ 1536, "1.5 KiB  " },
		{ 1023 * 1024, "1.0 MiB  " },
		{ 5ull << 30, "5.0 GiB  " },
		{ UINT64_MAX, "16384.0 PiB  " },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		progress_start(&p, false, 0, 0);
		p.got = rows[i].n;
		format(SECOND, 80);
		cr_expect_eq(strncmp(line, rows[i].text, strlen(rows[i].text)), 0, "%s", line);
	}
}

Test(progress, long_waits_are_told_in_hours)
{
	progress_start(&p, true, 7201, 0);
	progress_add(&p, 1, SECOND);
	cr_expect_not_null(strstr(format(SECOND, 100), "2:00:00 left"), "%s", line);
	progress_start(&p, true, UINT64_MAX, 0);
	progress_add(&p, 1, SECOND);
	cr_expect_not_null(strstr(format(SECOND, 100), "99:59:59 left"), "%s", line);
}

Test(progress, fits_every_width)
{
	progress_start(&p, true, 100 * MIB, 0);
	progress_add(&p, 25 * MIB, 5 * SECOND);
	for (unsigned width = 0; width < 200; width++) {
		size_t n = strlen(format(5 * SECOND, width));
		cr_expect(n < width || n == 0, "width %u: %zu", width, n);
	}
	format(5 * SECOND, 44);
	cr_expect_null(strchr(line, '['), "no room for a bar: %s", line);
}

Test(progress, the_rate_is_that_of_the_last_seconds)
{
	int64_t now = 0;

	progress_start(&p, false, 0, 0);
	for (int i = 0; i < 100; i++)
		progress_add(&p, MIB, now += SECOND / 10);
	cr_expect_not_null(strstr(format(now, 80), "  10.0 MiB/s"), "%s", line);
	for (int i = 0; i < 40; i++)
		progress_add(&p, 0, now += SECOND / 10);
	cr_expect_not_null(strstr(format(now, 80), "  0 B/s"), "a stall shows: %s", line);
}

Test(progress, is_drawn_at_most_ten_times_a_second)
{
	unsigned drawings = 0;

	progress_start(&p, true, 1000000, 0);
	for (int64_t now = 1000; now <= SECOND; now += 1000) {
		progress_add(&p, 1000, now);
		drawings += written()[0] == '\r';
	}
	cr_expect_eq(drawings, 10);
}

Test(progress, what_is_quick_shows_nothing)
{
	progress_start(&p, true, 10, 0);
	progress_add(&p, 10, PROGRESS_INTERVAL_US - 1);
	progress_stop(&p);
	cr_expect_str_empty(written());
}

Test(progress, a_shorter_line_covers_the_one_before)
{
	size_t first, second;

	progress_start(&p, true, 1000, 0);
	progress_add(&p, 999, SECOND);
	first = strlen(written());
	progress_add(&p, 1, 2 * SECOND);
	second = strlen(written());
	cr_expect_geq(second, first);
	p.has_total = false;
	progress_add(&p, 0, 3 * SECOND);
	cr_expect_geq(strlen(written()), second, "blanks cover the rest");
}

Test(progress, clear_leaves_an_empty_line_and_the_next_drawing_brings_it_back)
{
	char blank[256];
	const char *text;

	progress_start(&p, true, 1000, 0);
	progress_clear(&p);
	cr_expect_str_empty(written(), "nothing was drawn yet");
	progress_add(&p, 1, SECOND);
	snprintf(blank, sizeof(blank), "\r%*s\r", (int)strlen(written()) - 1, "");
	progress_clear(&p);
	text = written();
	cr_expect_str_eq(text, blank);
	progress_clear(&p);
	cr_expect_str_empty(written(), "cleared already");
	progress_add(&p, 1, 2 * SECOND);
	cr_expect_neq(written()[0], '\0');
	progress_stop(&p);
	cr_expect_neq(written()[0], '\0');
	progress_add(&p, 1, 9 * SECOND);
	cr_expect_str_empty(written(), "stopped is stopped");
}

Test(progress, without_a_terminal_there_is_nothing)
{
	progress_init(&p, -1);
	progress_start(&p, true, 10, 0);
	progress_add(&p, 5, 9 * SECOND);
	progress_clear(&p);
	progress_stop(&p);
	cr_expect_eq(p.drawn, 0);
}
