/* What a certificate says, as text. */
#ifndef LATCH_TLS_FACTS_H
#define LATCH_TLS_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/buf.h"
#include "tls/throwaway.h"

struct GENERAL_NAME_st;
struct X509_name_st;
struct ssl_ctx_st;
struct ssl_st;
struct x509_st;

/* notAfter of the (first, or soonest ending) certificate of a context; 0 if none. */
time_t tls_facts_not_after(const struct ssl_ctx_st *ctx);
/* Is `name` ("*.example.org" too) covered by every certificate of the context (RFC 9525)? For
 * warnings of the check. */
bool tls_facts_covers(const struct ssl_ctx_st *ctx, const char *name);
/* Lines for `latch -v`: subject, issuer, names, validity, chain. */
void tls_facts_describe_peer(const struct ssl_st *ssl, struct buf *out);

/* notBefore and notAfter; 0 for one that cannot be read. */
void tls_facts_validity(const struct x509_st *cert, time_t *ret_from, time_t *ret_until);
/* A distinguished name as one line (RFC 4514), what is not printable ASCII escaped. */
void tls_facts_name(const struct X509_name_st *name, struct buf *out);
/* A DNS name, escaped, or an address. */
void tls_facts_one_name(const struct GENERAL_NAME_st *name, struct buf *out);
/* The DNS names and addresses of a certificate, "a.example, 127.0.0.1"; nothing if it has none. */
void tls_facts_names(const struct x509_st *cert, struct buf *out);

#endif
