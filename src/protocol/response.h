/* The response of a connection's stream, piece by piece (RFC 9112 section 6, RFC 9113 section 8.1).
 */
#ifndef LATCH_PROTOCOL_RESPONSE_H
#define LATCH_PROTOCOL_RESPONSE_H

#include "protocol/conn.h"

/* Content bytes that are still to come. */
uint64_t response_left(const struct stream *s);
/* At most n bytes of content to p, of what is left: exactly n, or -1: it broke off. */
ssize_t response_take(struct stream *s, char *p, size_t n);
/* Does the head say how long the content is? */
bool response_has_length(const struct stream *s);
/* Bytes of head and content for which the session has room, with the overhead of their records. */
size_t response_room(const struct conn *c);
/* Writes the head, if it is not written yet, and content, up to `room` bytes (of response_room(),
 * at least SESSION_READ_MAX). IO_FAIL: the head is too large, nothing was written; IO_EOF: the
 * content broke off, before anything was written if the head is not; IO_WANT_WRITE: the socket is
 * full; others: the session's. */
enum io_status response_produce(struct conn *c, size_t room);

#endif
