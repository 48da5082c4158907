/* OpenSSL's error queue -> one sentence, a stable word, the alert and who sent it; drained once. */
#ifndef LATCH_TLS_REASON_H
#define LATCH_TLS_REASON_H

#include <stdbool.h>

#include "base/err.h"

struct ssl_st;

struct tls_reason {
	char word[64];      /* stable, for logs: "unsupported_protocol", "alert_unknown_ca" */
	char sentence[256]; /* for people */
	int alert;          /* number of the alert sent or received, -1: none */
	bool alert_by_peer;
	bool is_chain; /* the peer's certificate chain was not trusted (client) */
};

/* Takes the queue's first (deepest) error, or the one that says that a chain is not trusted, and
 * empties it. `ssl` may be NULL; with it, a verify
 * result goes into the sentence. Never fails: an empty queue gives "unknown". */
void tls_reason_take(const struct ssl_st *ssl, struct tls_reason *ret);
/* The reason for a chain that is not trusted; `result` is one of X509_V_ERR_*. */
void tls_reason_of_chain(long result, struct tls_reason *ret);
/* The same into a cold-path error: "<context>: sentence"; returns -1. */
int tls_reason_err(struct err *e, enum err_code code, const char *context);

#endif
