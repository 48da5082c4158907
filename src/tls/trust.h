/* Whom client certificates have to come from: the CAs of a bundle, and their revocation lists.
 *
 * Verification is OpenSSL's (RFC 5280 section 6): a chain ends in a self-signed CA of the bundle,
 * and where there are CRLs, every certificate of the chain is looked up in one of its issuer's.
 * What has no CRL then, or only one that is past its nextUpdate, is refused. */
#ifndef LATCH_TLS_TRUST_H
#define LATCH_TLS_TRUST_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/err.h"
#include "base/str.h"

struct digest_list;
struct ssl_ctx_st;
struct x509_st;

enum { TRUST_DIGEST_SIZE = 32, TRUST_ISSUER_SIZE = 32 };

enum tls_crl_expired { TLS_CRL_REJECT, TLS_CRL_ACCEPT };

struct tls_trust_options {
	const char *ca;   /* path of a PEM bundle */
	char *const *crl; /* paths; a file may hold several CRLs */
	size_t ncrl;
	enum tls_crl_expired crl_expired;
	struct digest_list *digests; /* gets every file that is read; NULL: not wanted */
};

struct tls_trust; /* counted: the configuration and each context that judges by it hold one */

/* NULL: `e`, whose file is the file at fault: no CA or CRL in it, one that is damaged, a CA of the
 * bundle that no CRL is of, a CRL whose signature is not its issuer's. */
struct tls_trust *tls_trust_new(const struct tls_trust_options *o, struct err *e);
struct tls_trust *tls_trust_hold(struct tls_trust *t);
void tls_trust_free(struct tls_trust *t); /* NULL is fine */
/* Of the set of CAs, whatever their order. */
const unsigned char *tls_trust_digest(const struct tls_trust *t);

struct tls_crl {
	const char *file;   /* the trust's */
	const char *issuer; /* as text */
	time_t next_update; /* 0: it names none */
	bool is_of_bundle;  /* its issuer is one of the CAs; else it is for what clients send along
			     */
};
size_t tls_trust_crls(const struct tls_trust *t);
const struct tls_crl *tls_trust_crl(const struct tls_trust *t, size_t i);
/* The first CA of the bundle with which no chain can end, because neither it nor an issuer of it in
 * the bundle is self-signed, as text; "": none. */
const char *tls_trust_dangling(const struct tls_trust *t);

/* Private to tls/. Makes `ctx` verify by it and name its CAs to clients. 0, or -1: out of memory.
 */
int trust_use(const struct tls_trust *t, struct ssl_ctx_st *ctx);
/* How CRLs find a certificate again that was verified before. */
bool trust_issuer(const struct x509_st *cert, unsigned char ret[TRUST_ISSUER_SIZE]);
/* Would the CRLs still let it pass, now? True without CRLs. */
bool trust_is_current(const struct tls_trust *t, const unsigned char issuer[TRUST_ISSUER_SIZE],
	const unsigned char *serial, size_t n);

#endif
