/* Writing heads: the lines, the bound, and what must not get in. */
#include <criterion/criterion.h>

#include "http/head_write.h"

static struct buf out;

static void setup(void)
{
	buf_init(&out, 64);
}

static void teardown(void)
{
	buf_done(&out);
}

TestSuite(head_write, .init = setup, .fini = teardown);

static void holds(const char *text)
{
	cr_assert(str_eq(buf_str(&out), str_of(text)), "'%.*s', not '%s'", STR_ARG(buf_str(&out)),
		text);
}

Test(head_write, rfc9112_4_status_line)
{
	cr_assert(head_write_status(&out, 200));
	cr_assert(head_write_end(&out));
	holds("HTTP/1.1 200 OK\r\n\r\n");
	buf_clear(&out);
	cr_assert(head_write_status(&out, 599));
	holds("HTTP/1.1 599 Unknown\r\n");
	buf_clear(&out);
	cr_assert(!head_write_status(&out, 99));
	cr_assert(!head_write_status(&out, 1000));
	cr_assert(!head_write_status(&out, -200));
	cr_assert_eq(buf_len(&out), 0);
}

Test(head_write, rfc9112_5_field_lines)
{
	cr_assert(head_write_field(&out, STR("Server"), STR("latchd")));
	cr_assert(head_write_field(&out, STR("X"), STR("")));
	cr_assert(head_write_field(&out, STR("Y"), (struct str){ NULL, 0 }));
	holds("Server: latchd\r\nX: \r\nY: \r\n");
	buf_clear(&out);
	cr_assert(head_write_field_u64(&out, STR("A"), 0));
	cr_assert(head_write_field_u64(&out, STR("B"), UINT64_MAX));
	holds("A: 0\r\nB: 18446744073709551615\r\n");
}

Test(head_write, rfc9112_2_2_no_bare_cr)
{
	cr_assert(!head_write_field(&out, STR("X"), STR("a\rb")));
	cr_assert(!head_write_field(&out, STR("X"), STR("a\r")));
	cr_assert(!head_write_field(&out, STR("X\r"), STR("a")));
	cr_assert_eq(buf_len(&out), 0);
}

Test(head_write, rfc9110_5_5_no_value_can_end_its_line)
{
	cr_assert(!head_write_field(&out, STR("X"), STR("a\r\nSet-Cookie: b")));
	cr_assert(!head_write_field(&out, STR("X"), STR("a\nb")));
	cr_assert(!head_write_field(&out, STR("X"), STR("a\rb")));
	cr_assert(!head_write_field(&out, STR("X"), STR("a\0b")));
	cr_assert(!head_write_field(&out, STR("X"), STR("0123456789\x7f")));
	cr_assert(!head_write_field(&out, STR("X: y"), STR("a")));
	cr_assert(!head_write_field(&out, STR(""), STR("a")));
	cr_assert_eq(buf_len(&out), 0);
	cr_assert(head_write_field(&out, STR("X"), STR("a\tb \xff")));
}

Test(head_write, rfc9112_3_request_line)
{
	cr_assert(head_write_request_line(&out, STR("GET"), STR("/x?y")));
	holds("GET /x?y HTTP/1.1\r\n");
	buf_clear(&out);
	cr_assert(!head_write_request_line(&out, STR("GET"), STR("/a b")));
	cr_assert(!head_write_request_line(&out, STR("GET"), STR("/a\r\nX: y")));
	cr_assert(!head_write_request_line(&out, STR("GET"), STR("")));
	cr_assert(!head_write_request_line(&out, STR("G T"), STR("/")));
	cr_assert_eq(buf_len(&out), 0);
}

Test(head_write, a_line_is_written_whole_or_not_at_all)
{
	struct str long_value = STR("0123456789012345678901234567890123456789012345678901234567");

	cr_assert_eq(long_value.n, 58);
	cr_assert(!head_write_field(&out, STR("Name"), long_value));
	cr_assert_eq(buf_len(&out), 0);
	cr_assert(head_write_field(&out, STR("NN"), long_value));
	cr_assert_eq(buf_len(&out), 64);
	cr_assert(!head_write_end(&out));
	cr_assert(!head_write_status(&out, 200));
	cr_assert(!head_write_status(&out, 599));
	cr_assert(!head_write_field_u64(&out, STR("X"), 1));
	cr_assert_eq(buf_len(&out), 64);
}
