/* The byte buffer: growth, the bound, consumption, and that a failure changes nothing. */
#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"

static struct buf b;

static void setup(void)
{
	buf_init(&b, 0);
}

static void teardown(void)
{
	buf_done(&b);
}

TestSuite(buf, .init = setup, .fini = teardown);

Test(buf, starts_empty_without_memory)
{
	cr_expect_eq(buf_len(&b), 0);
	cr_expect_null(b.data);
	cr_expect(buf_append(&b, "", 0));
	cr_expect_null(b.data);
}

Test(buf, done_takes_null_and_keeps_the_bound)
{
	buf_done(NULL);
	buf_init(&b, 10);
	cr_expect(buf_append(&b, "abc", 3));
	buf_done(&b);
	cr_expect_null(b.data);
	cr_expect_eq(buf_len(&b), 0);
	cr_expect_not(buf_append(&b, "01234567890", 11));
	cr_expect(buf_append(&b, "0123456789", 10));
}

Test(buf, first_in_first_out)
{
	cr_expect(buf_append_str(&b, STR("hello ")));
	cr_expect(buf_append_str(&b, STR("world")));
	cr_expect(str_eq(buf_str(&b), STR("hello world")));
	buf_consume(&b, 6);
	cr_expect(str_eq(buf_str(&b), STR("world")));
	cr_expect_eq(*buf_head(&b), 'w');
	buf_consume(&b, 5);
	cr_expect_eq(buf_len(&b), 0);
	cr_expect_eq(b.off, 0, "an empty buffer starts at the front again");
}

Test(buf, grows_and_keeps_the_content)
{
	for (unsigned i = 0; i < 100000; i++) {
		unsigned char c = (unsigned char)(i * 31);

		cr_assert(buf_append(&b, &c, 1));
	}
	cr_expect_eq(buf_len(&b), 100000);
	for (unsigned i = 0; i < 100000; i++)
		cr_assert_eq((unsigned char)buf_head(&b)[i], (unsigned char)(i * 31));
	cr_expect_leq(b.cap, 2 * 131072);
}

Test(buf, the_bound_is_exact)
{
	char kilo[1000];

	memset(kilo, 'k', sizeof(kilo));
	buf_init(&b, 1000);
	cr_expect(buf_append(&b, kilo, 999));
	cr_expect_null(buf_reserve(&b, 2));
	cr_expect_not(buf_append(&b, kilo, 2));
	cr_expect_eq(buf_len(&b), 999, "nothing of what does not fit goes in");
	cr_expect(buf_append(&b, kilo, 1));
	cr_expect_not(buf_append(&b, kilo, 1));
	cr_expect_eq(buf_len(&b), 1000);
	cr_expect_leq(b.cap, 1000, "nor can a writer into the room break it");
}

Test(buf, a_bound_below_the_first_size)
{
	buf_init(&b, 5);
	cr_expect(buf_append(&b, "abcde", 5));
	cr_expect_eq(b.cap, 5);
	cr_expect_not(buf_append(&b, "f", 1));
}

Test(buf, consumed_space_counts_as_room)
{
	char *place;

	buf_init(&b, 300);
	cr_assert_not_null(buf_reserve(&b, 300));
	buf_commit(&b, 300);
	memset(b.data, 'x', 300);
	memcpy(b.data + 298, "yz", 2);
	buf_consume(&b, 298);
	cr_expect_eq(buf_room(&b), 0);
	place = buf_reserve(&b, 298);
	cr_assert_not_null(place);
	cr_expect_eq(place, b.data + 2);
	cr_expect(str_eq(buf_str(&b), STR("yz")));
	cr_expect_null(buf_reserve(&b, 299));
	cr_expect(str_eq(buf_str(&b), STR("yz")));
}

Test(buf, grows_with_consumed_space_in_front)
{
	char block[256];

	memset(block, 'a', sizeof(block));
	cr_expect(buf_append(&b, block, sizeof(block)));
	buf_consume(&b, 100);
	for (int i = 0; i < 20; i++)
		cr_assert(buf_append(&b, block, sizeof(block)));
	cr_expect_eq(buf_len(&b), 156 + 20 * 256);
	for (size_t i = 0; i < buf_len(&b); i++)
		cr_assert_eq(buf_head(&b)[i], 'a');
}

Test(buf, a_sum_that_wraps_fails)
{
	cr_expect(buf_append(&b, "a", 1));
	cr_expect_null(buf_reserve(&b, SIZE_MAX));
	cr_expect(str_eq(buf_str(&b), STR("a")));
}

Test(buf, reserve_then_commit)
{
	char *place = buf_reserve(&b, 10);

	cr_assert_not_null(place);
	cr_expect_geq(buf_room(&b), 10);
	memcpy(place, "0123456789", 10);
	cr_expect_eq(buf_len(&b), 0);
	buf_commit(&b, 4);
	cr_expect(str_eq(buf_str(&b), STR("0123")));
}

Test(buf, formats)
{
	char longer[600];

	memset(longer, 'l', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	cr_expect(buf_appendf(&b, "%s=%d;", "a", 5));
	cr_expect(buf_appendf(&b, "%s", longer));
	cr_expect(buf_appendf(&b, "%s", ""));
	cr_expect_eq(buf_len(&b), 4 + 599);
	cr_expect_eq(memcmp(buf_head(&b), "a=5;lll", 7), 0);
}

Test(buf, formats_all_or_nothing)
{
	buf_init(&b, 8);
	cr_expect(buf_append_str(&b, STR("ab")));
	cr_expect_not(buf_appendf(&b, "%s", "1234567"));
	cr_expect(str_eq(buf_str(&b), STR("ab")));
	cr_expect(buf_appendf(&b, "%s", "12345"));
	cr_expect(str_eq(buf_str(&b), STR("ab12345")));
}

Test(buf, decimal_numbers)
{
	cr_expect(buf_append_u64(&b, 0));
	cr_expect(buf_append_str(&b, STR(" ")));
	cr_expect(buf_append_u64(&b, 1234567890));
	cr_expect(buf_append_str(&b, STR(" ")));
	cr_expect(buf_append_u64(&b, UINT64_MAX));
	cr_expect(str_eq(buf_str(&b), STR("0 1234567890 18446744073709551615")));
}

Test(buf, terminated_view)
{
	cr_expect_str_eq(buf_cstring(&b), "");
	cr_expect(buf_append_str(&b, STR("abc")));
	cr_expect_str_eq(buf_cstring(&b), "abc");
	cr_expect_eq(buf_len(&b), 3, "the terminator is no content");
	buf_done(&b);
	buf_init(&b, 3);
	cr_expect(buf_append_str(&b, STR("abc")));
	cr_expect_null(buf_cstring(&b));
}

Test(buf, clear_forgets_everything)
{
	cr_expect(buf_append_str(&b, STR("abc")));
	buf_consume(&b, 1);
	buf_clear(&b);
	cr_expect_eq(buf_len(&b), 0);
	cr_expect(buf_append_str(&b, STR("d")));
	cr_expect(str_eq(buf_str(&b), STR("d")));
}
