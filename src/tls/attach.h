/* What we attach to every server context of our own; it goes with the context. Private to tls/. */
#ifndef LATCH_TLS_ATTACH_H
#define LATCH_TLS_ATTACH_H

#include <stddef.h>

#include "tls/profile.h"

struct ssl_ctx_st;
struct ticket_ring;
struct tls_sites;
struct tls_trust;
struct x509_st;

enum {
	ATTACH_LEAVES_MAX = 4, /* one a key type: RSA, ECDSA, Ed25519, Ed448 */
	ATTACH_POLICY_SIZE = 32,
};

struct attachment {
	struct tls_options options; /* a copy */
	struct ticket_ring *ring;   /* borrowed */
	struct tls_sites *claimed;  /* the table whose connections start on this context */
	unsigned char policy[ATTACH_POLICY_SIZE]; /* the session-id context */
	long lifetime;           /* of a session, in seconds from its full handshake */
	int verify;              /* SSL_VERIFY_*: what is asked of clients */
	int depth;               /* of their chains */
	struct tls_trust *trust; /* a hold of it; NULL: nothing is asked */
	struct x509_st *leaf[ATTACH_LEAVES_MAX];
	size_t nleaves;
};

/* Makes and attaches; NULL: out of memory. */
struct attachment *attach_new(struct ssl_ctx_st *ctx, const struct tls_options *o);
/* NULL: not a server context of ours. */
struct attachment *attach_get(const struct ssl_ctx_st *ctx);

#endif
