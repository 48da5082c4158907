/* `latch check`: probes each URL's server and reports on standard output. */
#ifndef LATCH_CLIENT_CHECK_H
#define LATCH_CLIENT_CHECK_H

#include "client/judge.h"

/* The exit status: the worst of all. Usage and what cannot be prepared is LEVEL_UNKNOWN. SIGPIPE
 * must be ignored. */
enum level check_run(const struct options *o);

#endif
