/* The board in words. */
#include <criterion/criterion.h>
#include <limits.h>
#include <string.h>

#include "base/clock.h"
#include "ipc/facts.h"

static struct board *board;
static struct buf text;

static void setup(void)
{
	struct err e;

	clock_update();
	board = board_new(&e);
	cr_assert_not_null(board);
	buf_init(&text, 0);
}

static void teardown(void)
{
	buf_done(&text);
	board_free(board);
}

TestSuite(facts, .init = setup, .fini = teardown);

static int code_at(unsigned index)
{
	return index < 40 ? 200 + (int)index : 0;
}

static const char *write_facts(void)
{
	struct json j;

	buf_clear(&text);
	json_init(&j, &text);
	json_object_open(&j, NULL);
	facts_write(&j, board, STR("9.9.9"), code_at);
	json_object_close(&j);
	cr_assert(json_ok(&j));
	return buf_cstring(&text);
}

Test(facts, says_what_the_board_counts)
{
	unsigned slot = 0;

	board_claim(board, slot, 3);
	board_set(board->slot[slot].state, (uint32_t)BOARD_SERVING);
	board_set(board->slot[slot].live, 7u);
	board_add(board->slot[slot].closures[2], 4u);
	board_add(board->slot[slot].responses[2], 5u);
	board_add(board->slot[slot].codes[4], 5u);
	board_add(board->slot[slot].codes[45], 1u); /* of no code: not said */
	board_add_listener(board, "https");
	board_add(board->slot[slot].accepted[board_listener(board, "https")], 9u);
	write_facts();
	cr_expect_not_null(strstr(buf_cstring(&text), "\"requests_by_code\":{\"204\":5}"));
	cr_expect_not_null(strstr(buf_cstring(&text), "\"connections_by_listener\":{\"https\":9}"));
	cr_expect_not_null(strstr(buf_cstring(&text), "\"openssl\":\"9.9.9\""));
	cr_expect_not_null(strstr(buf_cstring(&text), "\"state\":\"serving\",\"live\":7"));
	cr_expect_not_null(strstr(buf_cstring(&text), "\"truncated\":4"));
	cr_expect_not_null(strstr(buf_cstring(&text), "\"2xx\":5"));
}

Test(facts, leaves_free_slots_out)
{
	board_claim(board, 0, 3);
	board_release(board, 0);
	cr_expect_not_null(strstr(write_facts(), "\"workers\":[]"));
}

Test(facts, does_not_believe_the_board)
{
	unsigned slot = 0;

	board_claim(board, slot, 3);
	board->nslots = UINT_MAX;
	board->started_wall = UINT64_MAX / 2;
	board->slot[slot].state = 77;
	cr_expect_eq(facts_slots(board), BOARD_SLOTS);
	cr_expect_eq(facts_uptime(board), 0);
	cr_expect_str_eq(facts_state(&board->slot[slot]), "unknown");
	cr_expect_not_null(strstr(write_facts(), "\"state\":\"unknown\""));
}

Test(facts, formats_bytes_for_people)
{
	char dst[16];

	cr_expect_str_eq(facts_format_bytes(0, dst, sizeof(dst)), "0 B");
	cr_expect_str_eq(facts_format_bytes(1023, dst, sizeof(dst)), "1023 B");
	cr_expect_str_eq(facts_format_bytes(1536, dst, sizeof(dst)), "1.5 KiB");
	cr_expect_str_eq(facts_format_bytes(UINT64_MAX, dst, sizeof(dst)), "16.0 EiB");
}
