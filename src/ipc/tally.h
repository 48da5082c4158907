/* How many connections each client address has, over all workers of a generation: shared memory, a
 * row a worker, which only that worker writes, so that no lock is needed and one that dies takes
 * its counts along. A row is a count-min sketch: the count of an address is never too low; it can
 * be too high by what other addresses happen to share both of its cells, which a secret key makes
 * unpredictable. An IPv6 client is its /64. */
#ifndef LATCH_IPC_TALLY_H
#define LATCH_IPC_TALLY_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/err.h"

struct tally;

/* Untouched rows cost no memory. NULL: `e`. */
struct tally *tally_new(struct err *e);
void tally_free(struct tally *t); /* NULL is fine */

/* Rows are board slots (below BOARD_SLOTS). A worker clears its own before it counts. */
void tally_clear(struct tally *t, unsigned row);
/* Unix peers are not counted. */
void tally_add(struct tally *t, unsigned row, const struct sockaddr_storage *a);
/* What was added; a count never goes below zero. */
void tally_remove(struct tally *t, unsigned row, const struct sockaddr_storage *a);
/* Over the rows below `nrows`. */
unsigned tally_count(const struct tally *t, unsigned nrows, const struct sockaddr_storage *a);

#endif
