/* What `latch check` asks of OpenSSL: offers of one thing at a time, and everything that is wrong
 * with a chain rather than the first thing. */
#ifndef LATCH_TLS_PROBE_H
#define LATCH_TLS_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/str.h"
#include "tls/client.h"

enum { PROBE_CHAIN_MAX = 12, PROBE_TEXT_SIZE = 256 };

/* Offer this alone. NULL: what a client of ours offers. */
struct probe_offer {
	const char *version; /* "1.0" to "1.3" */
	const char *group;   /* "X25519" */
	const char *alpn;    /* "h2" "http/1.1": names with blanks between */
};

struct probe_certificate {
	char subject[PROBE_TEXT_SIZE], issuer[PROBE_TEXT_SIZE];
	char key[32];         /* "EC 256" */
	char signature[64];   /* "ecdsa-with-SHA256" */
	char fingerprint[65]; /* SHA-256, in hex */
	time_t not_before, not_after;
	bool sent;                   /* the server sent it */
	bool anchor;                 /* trusted here */
	char wrong[PROBE_TEXT_SIZE]; /* sentences, "; " between; "": nothing */
};

/* Leaf first, as far as a chain could be built. */
struct probe_chain {
	size_t n;
	struct probe_certificate cert[PROBE_CHAIN_MAX];
	size_t sent; /* how many the server sent */
	bool is_trusted;
};

/* Before the handshake: offers this alone, whatever policy the machine has. -1: this OpenSSL does
 * not know it. */
int tls_probe_offer(struct ssl_st *ssl, const struct probe_offer *offer, struct err *e);
/* After a handshake on a context with trust, whether or not it verified: the chain, verified again.
 */
void tls_probe_chain(const struct ssl_st *ssl, struct probe_chain *ret);
/* The group of the key exchange; "": unknown. */
const char *tls_probe_group(struct ssl_st *ssl);
/* Calls `fn` for each DNS name and address of the leaf: its text, and whether it alone would carry
 * `host`. False: there is no leaf. */
bool tls_probe_names(const struct ssl_st *ssl, const char *host,
	void (*fn)(void *arg, const char *type, struct str name, bool matches), void *arg);

#endif
