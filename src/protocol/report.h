/* What a connection tells the logs: its requests, its end, a handshake that failed, trouble with
 * the peer. */
#ifndef LATCH_PROTOCOL_REPORT_H
#define LATCH_PROTOCOL_REPORT_H

#include "protocol/conn.h"
#include "tls/reason.h"

/* The access line of a stream that is done. */
void report_request(struct conn *c, const struct stream *s);
/* The close event; in strict mode a bad end also goes to the error log. */
void report_close(struct conn *c, enum closure how);
/* The handshake_failed event, also to the error log, rate limited, and the count. In the journal it
 * is one event, whatever of the two logs goes there. */
void report_handshake(struct conn *c, const struct tls_reason *why);
/* Tells how many lines the rate limits have left out, once their time is over; to be called every
 * second or so. */
void report_left_out(struct conn_env *env);
/* "client: sentence (while doing)" for the error log, rate limited. */
void report_peer(struct conn *c, enum log_level level, const char *sentence);
/* The same, of a session that said IO_FAIL: OpenSSL's reason. */
void report_tls(struct conn *c);

#endif
