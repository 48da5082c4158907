/* Which slots of the board are taken, and the eventfd of each, by which a worker is told to look at
 * the gate again. Shared by all pools. */
#ifndef LATCH_MASTER_SLOTS_H
#define LATCH_MASTER_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "ipc/board.h"

struct slots {
	struct board *board;
	int board_fd; /* borrowed; -1: it is private to this process and its children */
	bool used[BOARD_SLOTS];
	int pokes[BOARD_SLOTS]; /* -1: none */
	bool foreign;           /* the workers have another board, which this program cannot read */
};

void slots_init(struct slots *s, struct board *board, int board_fd);
/* NULL is fine. */
void slots_done(struct slots *s);
/* A slot for a worker of `generation`, with a fresh eventfd; -1: `e`. */
int slots_take(struct slots *s, uint32_t generation, struct err *e);
/* The slot of a worker that was there before this program; `poke` is ours from now on. -1: it is
 * taken. */
int slots_take_over(struct slots *s, unsigned slot, int poke);
/* Those that nobody took over are free, whatever the board says. */
void slots_free_others(struct slots *s);
/* Its holder is dead and has no successor; -1 is fine. */
void slots_give(struct slots *s, int slot);

#endif
