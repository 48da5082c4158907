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
	bool used[BOARD_SLOTS];
	int pokes[BOARD_SLOTS]; /* -1: none */
};

void slots_init(struct slots *s, struct board *board);
/* NULL is fine. */
void slots_done(struct slots *s);
/* A slot for a worker of `generation`, with a fresh eventfd; -1: `e`. */
int slots_take(struct slots *s, uint32_t generation, struct err *e);
/* Its holder is dead and has no successor; -1 is fine. */
void slots_give(struct slots *s, int slot);

#endif
