/* Redirects: `to` with $host, $path (as received) and $query (with its "?") filled in. $host is
 * without port, an IPv6 address in brackets. */
#ifndef LATCH_HANDLER_REDIRECT_H
#define LATCH_HANDLER_REDIRECT_H

#include <stdbool.h>

#include "protocol/stream.h"

struct redirect_options {
	char *to;
	int status; /* 301, 302, 303, 307, 308 */
};

/* options: struct redirect_options whose `to` passed redirect_check(). 400 when it needs a $host
 * that the request does not name. */
handler_fn redirect_handle;
/* False: `to` is empty, has an unknown $variable (*ret_at is at the "$"), or a byte that no URI
 * holds (*ret_at is at it). */
bool redirect_check(const char *to, const char **ret_at);

#endif
