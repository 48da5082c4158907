/* Whether a session may be resumed: private to tls/.
 *
 * A session carries, sealed with its keys, when the full handshake was that it began with, and the
 * certificates that were verified in it. A renewed ticket does not begin anew: a session ends
 * `lifetime` after that handshake however often it was resumed (RFC 8446 section 4.6.1). And where
 * clients were authenticated, each resumption asks again whether the certificates have ended or are
 * revoked by now; then a full handshake decides, with its alert. A session of TLS 1.2 is resumed
 * under the name that it began with, and no other. */
#ifndef LATCH_TLS_RESUMABLE_H
#define LATCH_TLS_RESUMABLE_H

#include <stdbool.h>

struct ssl_ctx_st;
struct ssl_session_st;
struct ssl_st;

/* Installs the callbacks for tickets. `lifetime`: seconds. */
void resumable_use(struct ssl_ctx_st *ctx, long lifetime);
/* Before a session is given out: writes what it carries and shortens its life. False: out of
 * memory; it must not be given out. */
bool resumable_mark(struct ssl_st *ssl, struct ssl_session_st *session);
/* Before it is resumed on `ssl`, whose context is that of the site by now. */
bool resumable_may(const struct ssl_st *ssl, struct ssl_session_st *session);

#endif
