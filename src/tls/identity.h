/* Reference identity checks of RFC 9525: SAN only, one whole left-most-label wildcard, IP
 * addresses; the CN never, but where a client asks for it. For clients. */
#ifndef LATCH_TLS_IDENTITY_H
#define LATCH_TLS_IDENTITY_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

struct ssl_st;
struct x509_st;

/* Sets SNI (not for IP addresses; `sni` NULL: host), before the handshake. */
int tls_identity_expect(struct ssl_st *ssl, const char *host, const char *sni, struct err *e);
/* After the handshake: does the peer's certificate carry the identity? `allow_cn`: where it has no
 * DNS name at all, its common name counts as one, as it did before RFC 6125. On -1 the sentence
 * names what was expected and what the certificate has. */
int tls_identity_check(struct ssl_st *ssl, const char *host, bool allow_cn, struct err *e);
/* Does the certificate carry `host` (a name, or an address as text)? */
bool tls_identity_carries(struct x509_st *cert, const char *host);

#endif
