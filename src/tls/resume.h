/* The sessions that a client got, to resume them: each TLS 1.3 ticket is used once (RFC 8446
 * appendix C.4), the newest first. */
#ifndef LATCH_TLS_RESUME_H
#define LATCH_TLS_RESUME_H

#include <stdbool.h>
#include <stddef.h>

struct ssl_ctx_st;
struct ssl_st;

enum { RESUME_SESSIONS_MAX = 64, RESUME_KEY_SIZE = 544 };

struct resume;

/* NULL: out of memory. */
struct resume *resume_new(void);
/* After the contexts that use it. NULL is fine. */
void resume_free(struct resume *r);
/* Every session of the context's connections is kept from now on; the oldest goes when there are
 * more than RESUME_SESSIONS_MAX. */
void resume_use(struct resume *r, struct ssl_ctx_st *ctx);
/* Before the handshake: offers the newest session of `key` (server and name, so that a session goes
 * back where it came from), and has those of this connection kept under it. `key` outlives the
 * connection. */
void resume_offer(struct ssl_st *ssl, const char *key);
/* Is there a session of `key` to offer on connections of this context? */
bool resume_has(const struct ssl_ctx_st *ctx, const char *key);
/* How many are kept for `key`. */
size_t resume_count(const struct resume *r, const char *key);

#endif
