/* The master's own record of the board's slots. Refuses to believe the board: workers write
 * there. */
#include "master/slots.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

void slots_init(struct slots *s, struct board *board, int board_fd)
{
	*s = (struct slots){ .board = board, .board_fd = board_fd };
	for (unsigned i = 0; i < BOARD_SLOTS; i++)
		s->pokes[i] = -1;
}

void slots_done(struct slots *s)
{
	for (unsigned i = 0; s && s->board && i < BOARD_SLOTS; i++) {
		if (s->pokes[i] >= 0)
			close(s->pokes[i]);
		s->pokes[i] = -1;
		s->used[i] = false;
	}
}

int slots_take(struct slots *s, uint32_t generation, struct err *e)
{
	unsigned slot = 0;

	while (slot < BOARD_SLOTS && s->used[slot])
		slot++;
	if (slot == BOARD_SLOTS)
		return err_set(e, ERR_TEMPORARY,
			"there are %d workers already, draining ones included", BOARD_SLOTS);
	s->pokes[slot] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (s->pokes[slot] < 0)
		return err_errno(e, ERR_SYSTEM, errno, "cannot make an eventfd");
	s->used[slot] = true;
	board_claim(s->board, slot, generation);
	return (int)slot;
}

int slots_take_over(struct slots *s, unsigned slot, int poke)
{
	if (slot >= BOARD_SLOTS || s->used[slot])
		return -1;
	s->used[slot] = true;
	s->pokes[slot] = poke;
	return 0;
}

void slots_free_others(struct slots *s)
{
	for (unsigned i = 0; i < BOARD_SLOTS; i++)
		if (!s->used[i])
			board_release(s->board, i);
}

void slots_give(struct slots *s, int slot)
{
	if (slot < 0)
		return;
	close(s->pokes[slot]);
	s->pokes[slot] = -1;
	s->used[slot] = false;
	board_release(s->board, (unsigned)slot);
}
