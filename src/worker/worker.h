/* A worker's life: STARTING -> READY -> SERVING -> DRAINING -> GONE. */
#ifndef LATCH_WORKER_WORKER_H
#define LATCH_WORKER_WORKER_H

#include "ipc/inherit.h"

/* In the forked child; never returns to the master's code: the result is the exit status. Signals
 * are as the master had them, blocked ones included; confines itself first. */
int worker_main(const struct inherit *in);

#endif
