/* A whole run of latch, from options to the outcome that becomes its exit code. */
#ifndef LATCH_CLIENT_RUN_H
#define LATCH_CLIENT_RUN_H

#include "client/options.h"
#include "client/outcome.h"

/* Fetches every URL in turn; content goes to the output, everything else to standard error. The
 * outcome is that of the first failure. SIGPIPE must be ignored. */
enum outcome run_options(const struct options *o);

#endif
