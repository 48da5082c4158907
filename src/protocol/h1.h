/* The HTTP/1.1 driver: requests in, responses out, keep-alive, pipelining, 100-continue. */
#ifndef LATCH_PROTOCOL_H1_H
#define LATCH_PROTOCOL_H1_H

#include "protocol/conn.h"

/* Goes as far as input and output allow. `readable`: the socket has something to read; else only
 * what was received already is looked at. The connection may be gone afterwards. */
void h1_run(struct conn *c, bool readable);
/* The deadline of HEADER or BODY passed: 408 and the end. */
void h1_timeout(struct conn *c);

#endif
