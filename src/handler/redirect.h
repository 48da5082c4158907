/* Redirects: `to` with $host, $path (as received) and $query (with its "?") filled in. */
#ifndef LATCH_HANDLER_REDIRECT_H
#define LATCH_HANDLER_REDIRECT_H

#include <stdbool.h>

#include "protocol/stream.h"

struct redirect_options {
	char *to;
	int status; /* 301, 302, 303, 307, 308 */
};

handler_fn redirect_handle; /* options: struct redirect_options */
/* False: an unknown $variable; *ret_at points at it. */
bool redirect_check(const char *to, const char **ret_at);

#endif
