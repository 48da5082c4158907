/* The account of a connection's frames: what costs, what pays, and where the reading stops. */
#include <criterion/criterion.h>
#include <string.h>

#include "http2/flood.h"

static struct flood f;
static int64_t now;

static size_t look(const void *p, size_t n)
{
	size_t at = 0;

	do
		at += flood_look(&f, (const char *)p + at, n - at, now);
	while (at < n && !flood_is_over(&f));
	return at;
}

/* n frames of the type, `length` zero bytes each: how many of the bytes may be parsed. */
static size_t frames(unsigned n, unsigned char type, unsigned char flags, unsigned length)
{
	static char bytes[200000];
	size_t each = 9 + length;

	memset(bytes, 0, sizeof bytes);
	cr_assert_leq(n * each, sizeof bytes);
	for (unsigned i = 0; i < n; i++) {
		char *h = bytes + i * each;

		h[0] = (char)(length >> 16);
		h[1] = (char)(length >> 8);
		h[2] = (char)length;
		h[3] = (char)type;
		h[4] = (char)flags;
	}
	return look(bytes, n * each);
}

static void setup(void)
{
	now = 1000;
	flood_init(&f, false, now);
}

TestSuite(flood, .init = setup);

Test(flood, a_preface_is_no_frame)
{
	const char *preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

	flood_init(&f, true, now);
	cr_expect(flood_is_inside(&f));
	cr_expect_eq(look(preface, 20), 20);
	cr_expect(flood_is_inside(&f));
	cr_expect_eq(look(preface + 20, 4), 4);
	cr_expect_not(flood_is_inside(&f));
	cr_expect_eq(f.debt, 0);
}

Test(flood, stops_behind_the_head_of_data)
{
	static const char bytes[] = "\0\0\0\4\0\0\0\0\0"     /* SETTINGS */
				    "\0\0\2\0\0\x80\0\1\5xx" /* DATA of stream 261 */
				    "\0\0\0\0\1\0\0\0\7";

	cr_expect_eq(flood_look(&f, bytes, sizeof bytes - 1, now), 18);
	cr_expect_eq(f.data, 261);
	cr_expect_eq(flood_look(&f, bytes + 18, sizeof bytes - 1 - 18, now), 11);
	cr_expect_eq(f.data, 7);
	cr_expect_eq(flood_look(&f, bytes, 9, now), 9);
	cr_expect_eq(f.data, 0);
}

/* SETTINGS, PING, PRIORITY, WINDOW_UPDATE, DATA, unknown. */
Test(flood, every_kind_that_brings_nothing_is_stopped_within_two_thousand)
{
	static const unsigned char types[] = { 4, 6, 2, 8, 0, 16, 0xfa };

	for (size_t i = 0; i < sizeof types; i++) {
		size_t most = FLOOD_MOST / FLOOD_FRAME + 1;

		setup();
		cr_expect_eq(frames(1600, types[i], 0, 8), most * 17 - 8, "type %d", types[i]);
		cr_expect(flood_is_over(&f));
		cr_expect_eq(look("x", 1), 0, "nothing more is looked at");
	}
}

Test(flood, resets_cost_more)
{
	cr_expect_lt(frames(400, 3, 0, 4), 400u * 13);
	cr_expect(flood_is_over(&f));
}

Test(flood, frames_are_found_whatever_the_pieces)
{
	static const char ping[17] = { 0, 0, 8, 6 };

	for (unsigned i = 0; i < 100; i++)
		for (unsigned k = 0; k < sizeof ping; k++) {
			cr_expect_eq(look(ping + k, 1), 1);
			cr_expect_eq(flood_is_inside(&f), k != sizeof ping - 1);
		}
	cr_expect_eq(f.debt, 100 * FLOOD_FRAME);
}

Test(flood, a_block_of_fields_goes_on_until_its_end)
{
	cr_expect_eq(frames(1, 1, 0, 5), 14); /* HEADERS */
	cr_expect(flood_is_inside(&f));
	cr_expect_eq(frames(1, 9, 0, 5), 14); /* CONTINUATION */
	cr_expect(flood_is_inside(&f));
	cr_expect_eq(frames(1, 9, 4, 5), 14); /* with END_HEADERS */
	cr_expect_not(flood_is_inside(&f));
}

Test(flood, one_block_has_so_many_continuations)
{
	frames(1, 1, 0, 5);
	cr_expect_eq(frames(FLOOD_BLOCK_MOST, 9, 0, 0), 9u * FLOOD_BLOCK_MOST);
	cr_expect_not(flood_is_over(&f));
	frames(1, 9, 0, 0);
	cr_expect(flood_is_over(&f));
}

Test(flood, time_and_content_pay)
{
	frames(500, 6, 0, 8);
	cr_expect_eq(f.debt, 500 * FLOOD_FRAME);
	now += 1000;
	look("", 0);
	cr_expect_eq(f.debt, 500 * FLOOD_FRAME - FLOOD_SECOND);
	flood_pay(&f, 100);
	cr_expect_eq(f.debt, 500 * FLOOD_FRAME - FLOOD_SECOND - 100);
	now += 365ll * 86400 * 1000;
	look("", 0);
	cr_expect_eq(f.debt, 0, "nobody saves for a flood");
}

Test(flood, a_drip_is_paid_for_by_its_time)
{
	for (unsigned i = 0; i < 5000; i++) {
		now += 200;
		cr_expect_eq(frames(1, 6, 0, 8), 17);
	}
	cr_expect_not(flood_is_over(&f));
}

Test(flood, moments_add_up)
{
	f.debt = 1000;
	for (unsigned i = 0; i < 1000; i++) {
		now++;
		look("", 0);
	}
	cr_expect_eq(f.debt, 1000 - FLOOD_SECOND);
}
