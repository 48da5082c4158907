/* Is a worker still turning its loop? Its heartbeat on the board must change; what the value is
 * does not matter, since a worker could write anything. */
#ifndef LATCH_MASTER_HEART_H
#define LATCH_MASTER_HEART_H

#include <stdint.h>

/* Zero-initialise when the worker is born. */
struct heart {
	int64_t beat;      /* as last seen */
	int64_t silent_ms; /* of our own attention without a change */
};

/* `beat` is on the board now, `elapsed_ms` after the last look. For how long it has been silent,
 * counting only time in which we looked: that the master itself, or all of us, stood still proves
 * nothing about a worker. */
int64_t heart_listen(struct heart *h, int64_t beat, int64_t elapsed_ms);

#endif
