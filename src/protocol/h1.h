/* The HTTP/1.1 driver: requests in, responses out, keep-alive, pipelining, 100-continue. */
#ifndef LATCH_PROTOCOL_H1_H
#define LATCH_PROTOCOL_H1_H

#include "protocol/conn.h"

/* Makes conn.h1 of a new connection ready. */
void h1_init(struct conn *c);
extern const struct conn_protocol h1_protocol;

#endif
