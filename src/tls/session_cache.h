/* The sessions of TLS 1.2 clients without tickets, by session id, in memory that all workers share
 * (RFC 5246 section 7.4.1.2).
 *
 * Buckets of a page; a session goes to the bucket that its id says, at the cost of the oldest ones
 * there. A writer locks the bucket for the time of a copy, and takes a lock away that a dead worker
 * holds; readers copy and try again. What is read is believed only if its checksum is right, so
 * that half of a write is a miss. The memory is left out of cores; the master looks at none of it.
 */
#ifndef LATCH_TLS_SESSION_CACHE_H
#define LATCH_TLS_SESSION_CACHE_H

#include <stdint.h>

#include "base/err.h"

struct session_cache; /* counted */
struct ssl_ctx_st;
struct ssl_st;

enum { SESSION_CACHE_MIN = 64 * 1024 /* bytes */ };

/* Shared by fork; NULL: `e`. */
struct session_cache *session_cache_new(int64_t size, struct err *e);
struct session_cache *session_cache_hold(struct session_cache *c);
void session_cache_free(struct session_cache *c); /* NULL is fine */
int64_t session_cache_size(const struct session_cache *c);

/* Private to tls/. Sessions of the context's connections go to the cache of their session_env. */
void session_cache_use(struct ssl_ctx_st *ctx);
/* The session that the connection has is not to be resumed. */
void session_cache_forget(struct session_cache *c, const struct ssl_st *ssl);

#endif
