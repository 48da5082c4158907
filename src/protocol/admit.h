/* Whether a new connection may stay, and whose it is: the header of a proxy where the listener
 * takes them, then the limit of connections by address. Before the handshake, so that what is
 * refused costs little. */
#ifndef LATCH_PROTOCOL_ADMIT_H
#define LATCH_PROTOCOL_ADMIT_H

#include <stdbool.h>

#include "http/message.h"

struct conn;

/* Do connections of this peer begin with a PROXY header? False with `ret_reason` (else NULL): the
 * listener wants one, and the peer may not send it. */
bool admit_expects_header(const struct conn *c, const char **ret_reason);
/* Reads the header off the socket, and not a byte more. DONE: c->peer is whose connection it is.
 * BAD: `ret_reason` is a static sentence. */
enum parse_status admit_read_header(struct conn *c, const char **ret_reason);
/* Counts the connection for its address; false: the address has its share already. */
bool admit_count(struct conn *c);
void admit_uncount(struct conn *c);

#endif
