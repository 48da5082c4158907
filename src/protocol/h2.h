/* The HTTP/2 driver (RFC 9113): many streams on a connection, over http2/session. */
#ifndef LATCH_PROTOCOL_H2_H
#define LATCH_PROTOCOL_H2_H

#include "protocol/conn.h"

/* The connection speaks HTTP/2 from now on. False: out of memory, it is as it was. */
bool h2_start(struct conn *c);
extern const struct conn_protocol h2_protocol;

#endif
