/* What a connection tells the logs: its requests, its end, a handshake that failed, trouble with
 * the peer. */
#ifndef LATCH_PROTOCOL_REPORT_H
#define LATCH_PROTOCOL_REPORT_H

#include "protocol/conn.h"

/* The access line of a stream that is done. */
void report_request(struct conn *c, const struct stream *s);
/* The close event; in strict mode a bad end also goes to the error log. */
void report_close(struct conn *c, enum closure how);
/* The handshake_failed event, also to the error log, and the count. `alert`: -1 is none. */
void report_handshake(struct conn *c, const char *word, const char *sentence, int alert);
/* "client: sentence (while doing)" for the error log, rate limited. */
void report_peer(struct conn *c, enum log_level level, const char *sentence);

#endif
