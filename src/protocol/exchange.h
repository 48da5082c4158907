/* One exchange on a connection, as every protocol driver has it: a stream is opened, its request
 * understood, its response sent by the driver, its end accounted for. */
#ifndef LATCH_PROTOCOL_EXCHANGE_H
#define LATCH_PROTOCOL_EXCHANGE_H

#include "protocol/conn.h"

/* The stream that the next exchange_open() will take, to parse into; NULL: out of memory. */
struct stream *exchange_next(struct conn_env *env);
/* Makes it the first of the connection's; NULL: out of memory, which cannot be after
 * exchange_next(). */
struct stream *exchange_open(struct conn *c);
/* The request is parsed: understands its target and does exchange_route(). 0, or -1: what to answer
 * instead; the reason may be NULL. */
int exchange_serve(struct stream *s, struct body_framing framing, struct http_error *error);
/* Lets the route answer. False: it has not yet; to be called again in the next turn. */
bool exchange_route(struct stream *s);
/* Answers with the error page of a status instead of all that was replied, dressed as the site
 * wants it. The reason goes to the log; NULL: none. */
void exchange_refuse(struct stream *s, int status, const char *reason);
/* Writes the access line, counts, and gives the stream back. */
void exchange_close(struct stream *s);
/* Gives a stream back that never became a request. */
void exchange_drop(struct stream *s);
/* Brings what the connection has sent onto the board. */
void exchange_count_bytes(struct conn *c);
/* Frees the streams that are kept. */
void exchange_env_done(struct conn_env *env);

#endif
