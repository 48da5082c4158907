/* The way through a proxy: CONNECT (RFC 9110 section 9.3.6). */
#ifndef LATCH_CLIENT_TUNNEL_H
#define LATCH_CLIENT_TUNNEL_H

#include "client/link.h"

/* Asks the proxy, to which the plain `l` is connected, for a tunnel to where `o` wants to go.
 * Afterwards the next byte on the socket is the server's. */
enum outcome tunnel_open(struct link *l, const struct link_options *o, struct err *e);

#endif
