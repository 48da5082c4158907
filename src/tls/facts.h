/* What a certificate says, as text, and the throw-away CA of --serve. */
#ifndef LATCH_TLS_FACTS_H
#define LATCH_TLS_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/buf.h"
#include "base/err.h"

struct ssl_ctx_st;
struct ssl_st;

/* notAfter of the (first, or soonest ending) certificate of a context; 0 if none. */
time_t tls_facts_not_after(const struct ssl_ctx_st *ctx);
/* Is `name` covered by the certificate of the context (RFC 9525)? For warnings of the check. */
bool tls_facts_covers(const struct ssl_ctx_st *ctx, const char *name);
/* Lines for `latch -v`: subject, issuer, names, validity, chain. */
void tls_facts_describe_peer(const struct ssl_st *ssl, struct buf *out);

/* A CA made now and a server certificate for localhost, 127.0.0.1 and ::1 signed by it, ECDSA P-256,
 * valid for `days`. `ret_ca_pem`: the CA's certificate; `ret_pem`: leaf, then its key. The CA's key is
 * forgotten here. Buffers are the caller's. */
int tls_facts_make_throwaway(unsigned days, struct buf *ret_ca_pem, struct buf *ret_pem, struct err *e);

#endif
