/* Contexts for clients: whom they trust, what they show, what they offer. */
#ifndef LATCH_TLS_CLIENT_H
#define LATCH_TLS_CLIENT_H

#include <stdbool.h>

#include "base/err.h"
#include "tls/pair.h"
#include "tls/reason.h"

struct resume;
struct ssl_ctx_st;
struct ssl_st;

/* Where the chain is verified. HANDSHAKE: inside, so that the server gets the right alert. AFTER:
 * the handshake ends first, and tls_client_verdict() is asked. NONE: nowhere. */
enum tls_verify { TLS_VERIFY_HANDSHAKE, TLS_VERIFY_AFTER, TLS_VERIFY_NONE };

struct tls_client_options {
	const char *ca;  /* file or directory; NULL: the system's */
	const char *crl; /* PEM file of lists; every certificate below the anchor is looked up */
	bool has_depth;
	unsigned depth; /* how many certificates between leaf and anchor */
	enum tls_verify verify;
	const char *min_version, *max_version; /* NULL: library's */
	const char *alpn;                      /* names with blanks between; NULL: "http/1.1" */
	const struct tls_pair *pair;           /* shown to a server that asks; NULL: none */
	pair_ask_fn ask;       /* for the pass phrase of its key; NULL: nobody is asked */
	struct resume *resume; /* gets the sessions; NULL: none are kept */
};
/* The name is not verified: see tls/identity. */
struct ssl_ctx_st *tls_context_new_client(const struct tls_client_options *o, struct err *e);

enum { TLS_ALPN_MAX = 64 };
/* Names with blanks between, as the protocol has them; 0: too long. */
unsigned tls_alpn_wire(const char *names, unsigned char wire[TLS_ALPN_MAX]);

/* After the handshake of a context with AFTER: 0, or -1 with the reason that HANDSHAKE would have
 * failed with. */
int tls_client_verdict(const struct ssl_st *ssl, struct tls_reason *ret);

#endif
