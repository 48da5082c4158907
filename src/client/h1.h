/* An exchange in HTTP/1.1 (RFC 9112). */
#ifndef LATCH_CLIENT_H1_H
#define LATCH_CLIENT_H1_H

#include "client/exchange.h"

/* Sends the request and passes the answer on as it comes, so that memory is bounded whatever its
 * length. OK: `x` says how far it came and how the connection ended; the verdict is the caller's.
 */
enum outcome h1_exchange(struct exchange *x, struct err *e);

#endif
