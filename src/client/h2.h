/* An exchange in HTTP/2 (RFC 9113): one connection, one stream. */
#ifndef LATCH_CLIENT_H2_H
#define LATCH_CLIENT_H2_H

#include "client/exchange.h"

/* As h1_exchange(). A message is whole when its stream has ended; a stream that the server resets
 * is cut, whatever the connection does. Says GOAWAY when the message is whole. */
#ifdef HAVE_NGHTTP2
enum outcome h2_exchange(struct exchange *x, struct err *e);
#else
static inline enum outcome h2_exchange(struct exchange *x, struct err *e)
{
	(void)x;
	return outcome_set(e, OUTCOME_MALFORMED, "the server chose HTTP/2, which nobody offered");
}
#endif

#endif
