/* The files of a worker: those beneath the document roots, to be read, and what it has open
 * (landlock(7)). */
#ifndef LATCH_WORKER_LANDLOCK_H
#define LATCH_WORKER_LANDLOCK_H

#include <stddef.h>

#include "base/err.h"

/* From now on this process opens nothing but files beneath the directories `roots` (O_PATH will
 * do), for reading; there is no way back. Needs no_new_privs. -1: the kernel does not have it, or
 * does not let us; nothing has changed then. */
int landlock_restrict(const int *roots, size_t n, struct err *e);

#endif
