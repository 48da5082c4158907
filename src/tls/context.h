/* TLS options -> contexts; tls/profile says what they mean, tls/pair loads chains and keys. */
#ifndef LATCH_TLS_CONTEXT_H
#define LATCH_TLS_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "tls/pair.h"
#include "tls/profile.h"
#include "tls/trust.h"

struct ssl_ctx_st;
struct ticket_ring;

/* A server context: chain(s), key(s), profile; ALPN is tls/sites' business. `pairs`: 1 or more, one
 * a key type. `policy`, `policy_len`: what resumption is bound to (session-id context is their
 * hash). `ring` NULL or tickets not enabled: no tickets. On failure NULL, and
 * the error's file is the file at fault (line 0); key that does not match, encrypted key without
 * pass phrase or with a wrong one, no certificate in the file, unreadable; expired is no error. */
struct ssl_ctx_st *tls_context_new_server(const struct tls_options *o, const struct tls_pair *pairs,
	size_t npairs, const void *policy, size_t policy_len, struct ticket_ring *ring,
	struct err *e);
/* The same with the chains and keys that `like` has, which is one of these. */
struct ssl_ctx_st *tls_context_new_again(const struct ssl_ctx_st *like, const struct tls_options *o,
	const void *policy, size_t policy_len, struct ticket_ring *ring, struct err *e);
/* A reference to `ctx` itself, if it is what tls_context_new_again() would make of it; else NULL.
 * One where connections start is not, for it belongs to its table, nor one that asks clients. */
struct ssl_ctx_st *tls_context_share(struct ssl_ctx_st *ctx, const struct tls_options *o,
	const void *policy, size_t policy_len, struct ticket_ring *ring);
enum tls_client_mode { TLS_CLIENT_OFF, TLS_CLIENT_OPTIONAL, TLS_CLIENT_REQUIRED };

/* Makes a server context ask clients for a certificate: one that is given has to verify by `trust`,
 * with at most `depth` CAs between it and the root; REQUIRED: there has to be one. The context
 * holds `trust`. What resumption is bound to has to tell such contexts apart. 0, or -1: out of
 * memory. */
int tls_context_ask_client(struct ssl_ctx_st *ctx, enum tls_client_mode mode, unsigned depth,
	struct tls_trust *trust, struct err *e);
/* A server context with the options and tickets of `like`, but no certificate: where a connection
 * starts before its ClientHello says which site it wants. */
struct ssl_ctx_st *tls_context_new_entry(const struct ssl_ctx_st *like, struct err *e);
void tls_context_free(struct ssl_ctx_st *ctx); /* NULL is fine */

/* What contexts of servers and clients have in common, and nothing else. */
struct ssl_ctx_st *tls_context_new_bare(bool is_server, struct err *e);

/* Does the build write key logs when $SSLKEYLOGFILE says so (configure --enable-keylog)? */
bool tls_keylog_is_built_in(void);

#endif
