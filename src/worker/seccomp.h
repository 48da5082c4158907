/* The system calls of a worker: calls.def as a filter in the kernel (seccomp(2)). */
#ifndef LATCH_WORKER_SECCOMP_H
#define LATCH_WORKER_SECCOMP_H

#include "base/err.h"

/* From now on this process makes no other calls; there is no way back. Needs no_new_privs. -1: the
 * kernel has no such filters, does not let us, or we know no filter for this processor; nothing has
 * changed then. */
int seccomp_restrict(struct err *e);

#endif
