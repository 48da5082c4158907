/* What a worker gives up before it touches a byte from the network: descriptors that are not its
 * inheritance, the master's signals, root; once it is set up, files and system calls as well. And
 * what it sets outright: the SIGPIPE policy, limits. */
#ifndef LATCH_WORKER_CONFINE_H
#define LATCH_WORKER_CONFINE_H

#include "base/err.h"
#include "ipc/inherit.h"

/* In this order: descriptors, signals, limits, ids. -1: the worker must not serve. `ret_nofile`:
 * how many descriptors it may have. */
int confine_apply(const struct inherit *in, unsigned long *ret_nofile, struct err *e);

/* The last step, when nothing but serving is left to do: Landlock and the filter of system calls.
 * What the kernel lacks is logged, by one worker of the generation. Which are in force: bits of
 * enum board_confined. */
unsigned confine_seal(const struct inherit *in);

/* SIGPIPEs caught since the last call (policy "log"). */
unsigned confine_sigpipes_take(void);

#endif
