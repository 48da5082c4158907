/* Who speaks plain HTTP to a TLS listener: told so, in plain HTTP, before the connection ends. */
#ifndef LATCH_PROTOCOL_MISTAKEN_H
#define LATCH_PROTOCOL_MISTAKEN_H

#include "protocol/conn.h"
#include "tls/reason.h"

/* If that is why the handshake failed, writes the answer (400); the caller ends the connection. */
void mistaken_answer(struct conn *c, const struct tls_reason *reason);

#endif
