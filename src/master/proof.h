/* What a program proves before the master becomes it (`latchd --rehearse`, a child of the master):
 * that it understands a handover, can make a generation as it would then, down to binding what is
 * new and forking a worker, and that this worker shakes hands. Nobody outside sees anything of it.
 */
#ifndef LATCH_MASTER_PROOF_H
#define LATCH_MASTER_PROOF_H

#include "master/master.h"

/* The exit status; what is wrong is on standard error, a line each. Ends without cleaning up: what
 * was handed over is the master's. */
int proof_run(const struct master_options *o);

#endif
