/* The master's record of slots. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "master/slots.h"

static struct board *board;
static struct slots slots;

static void setup(void)
{
	struct err e;

	clock_update();
	board = board_new(&e);
	cr_assert_not_null(board);
	slots_init(&slots, board, -1);
}

static void teardown(void)
{
	slots_done(&slots);
	board_free(board);
}

TestSuite(slots, .init = setup, .fini = teardown);

Test(slots, a_taken_slot_has_a_poke)
{
	struct err e;
	uint64_t n = 1;
	int slot = slots_take(&slots, 9, &e);

	cr_assert_eq(slot, 0);
	cr_expect(slots.used[0]);
	cr_expect_eq(board->slot[0].generation, 9);
	cr_assert_geq(slots.pokes[0], 0);
	cr_expect(fcntl(slots.pokes[0], F_GETFL) & O_NONBLOCK);
	cr_expect(fcntl(slots.pokes[0], F_GETFD) & FD_CLOEXEC);
	cr_expect_eq(write(slots.pokes[0], &n, sizeof(n)), (ssize_t)sizeof(n));
	cr_expect_eq(slots.pokes[1], -1);
}

Test(slots, given_back_it_is_free_and_its_poke_closed)
{
	struct err e;
	int slot = slots_take(&slots, 9, &e), poke = slots.pokes[0];

	slots_give(&slots, slot);
	cr_expect_not(slots.used[0]);
	cr_expect_eq(slots.pokes[0], -1);
	cr_expect_eq(fcntl(poke, F_GETFD), -1);
	cr_expect_eq(board->slot[0].state, BOARD_FREE);
	slots_give(&slots, -1);
}

Test(slots, a_worker_that_says_free_does_not_lose_its_slot)
{
	struct err e;

	cr_assert_eq(slots_take(&slots, 1, &e), 0);
	cr_assert_eq(slots_take(&slots, 1, &e), 1);
	board_set(board->slot[0].state, (uint32_t)BOARD_FREE);
	board_set(board->slot[1].state, (uint32_t)BOARD_FREE);
	cr_expect_eq(slots_take(&slots, 2, &e), 2);
}

Test(slots, a_worker_that_says_taken_takes_no_slot)
{
	struct err e;

	for (unsigned i = 0; i < BOARD_SLOTS; i++)
		board_set(board->slot[i].state, (uint32_t)BOARD_SERVING);
	cr_expect_eq(slots_take(&slots, 2, &e), 0);
	cr_expect_eq(board->slot[0].state, BOARD_STARTING);
}

Test(slots, full_is_an_error_for_later)
{
	struct err e = { 0 };

	for (int i = 0; i < BOARD_SLOTS; i++)
		cr_assert_eq(slots_take(&slots, 1, &e), i);
	cr_expect_eq(slots_take(&slots, 2, &e), -1);
	cr_expect_eq(e.code, ERR_TEMPORARY);
}

Test(slots, done_takes_what_was_never_begun)
{
	struct slots zero = { 0 };

	slots_done(&zero);
	slots_done(NULL);
	cr_expect_geq(fcntl(STDIN_FILENO, F_GETFD), -1);
	cr_expect_geq(fcntl(STDERR_FILENO, F_GETFD), 0, "standard error is not taken for a poke");
}
