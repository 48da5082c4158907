/* What a session carries, as bytes:
 *
 *	version (1), time of the full handshake (8), end of the chain (8), certificates (1),
 *	then for each certificate below the root: hash of its issuer (32), length (2) and DER of its
 *	serial number
 *
 * big-endian, times in seconds. It stands in the session's ticket data, which only we can open. It
 * refuses to resume a session that it cannot judge. */
#include "tls/resumable.h"

#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "base/str.h"
#include "tls/attach.h"
#include "tls/bio.h"
#include "tls/trust.h"

enum {
	VERSION = 1,
	SERIAL_MAX = 64, /* RFC 5280 section 4.1.2.2 allows 20 bytes, and the DER head */
	CERTIFICATE_MAX = TRUST_ISSUER_SIZE + 2 + SERIAL_MAX,
	CHAIN_MAX = 16,
	HEAD_SIZE = 1 + 8 + 8 + 1,
	CARRIED_MAX = HEAD_SIZE + CHAIN_MAX * CERTIFICATE_MAX,
};

struct carried {
	int64_t began, chain_end;
	unsigned char ncerts;
	const unsigned char *certs;
	size_t n; /* of certs */
};

static void put_u64(unsigned char *p, uint64_t v)
{
	for (int i = 7; i >= 0; i--, v >>= 8)
		p[i] = (unsigned char)v;
}

static uint64_t get_u64(const unsigned char *p)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | p[i];
	return v;
}

static bool parse(SSL_SESSION *session, struct carried *ret)
{
	unsigned char *p = NULL;
	size_t n = 0;

	if (SSL_SESSION_get0_ticket_appdata(session, (void **)&p, &n) != 1 || n < HEAD_SIZE ||
		p[0] != VERSION)
		return false;
	*ret = (struct carried){
		.began = (int64_t)get_u64(p + 1),
		.chain_end = (int64_t)get_u64(p + 9),
		.ncerts = p[17],
		.certs = p + HEAD_SIZE,
		.n = n - HEAD_SIZE,
	};
	return true;
}

/* ---- giving out --------------------------------------------------------------------------- */

static bool not_after(const X509 *cert, int64_t *ret)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) != 1)
		return false;
	*ret = timegm(&tm);
	return true;
}

/* Bytes at `p`, or 0: it cannot be carried. */
static size_t put_certificate(unsigned char *p, const X509 *cert)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
	int n = i2d_ASN1_INTEGER(serial, NULL);
	unsigned char *at = p + TRUST_ISSUER_SIZE + 2;

	if (n <= 0 || n > SERIAL_MAX || !trust_issuer(cert, p) ||
		i2d_ASN1_INTEGER(serial, &at) != n)
		return 0;
	p[TRUST_ISSUER_SIZE] = (unsigned char)(n >> 8);
	p[TRUST_ISSUER_SIZE + 1] = (unsigned char)n;
	return (size_t)(TRUST_ISSUER_SIZE + 2 + n);
}

/* All but the root. What cannot be carried makes a session that has ended already. */
static size_t put_chain(unsigned char *p, const STACK_OF(X509) * chain)
{
	int n = sk_X509_num(chain) > 1 ? sk_X509_num(chain) - 1 : sk_X509_num(chain);
	unsigned char *at = p + HEAD_SIZE;
	int64_t soonest = INT64_MAX, end;
	bool ok = n <= CHAIN_MAX;

	for (int i = 0; ok && i < n; i++) {
		const X509 *cert = sk_X509_value(chain, i);
		size_t took = put_certificate(at, cert);
		ok = took > 0 && not_after(cert, &end);
		at += took;
		if (ok && end < soonest)
			soonest = end;
	}
	put_u64(p + 9, ok ? (uint64_t)soonest : 0);
	p[17] = ok ? (unsigned char)(n > 0 ? n : 0) : 0;
	return ok ? (size_t)(at - p) : HEAD_SIZE;
}

static void shorten(SSL_SESSION *session, int64_t end)
{
	int64_t left = end - SSL_SESSION_get_time(session);

	if (left < SSL_SESSION_get_timeout(session))
		SSL_SESSION_set_timeout(session, left > 1 ? (long)left : 1);
}

bool resumable_mark(struct ssl_st *ssl, struct ssl_session_st *session)
{
	const struct attachment *a = attach_get(SSL_get_SSL_CTX(ssl));
	unsigned char bytes[CARRIED_MAX];
	struct carried c = { 0 };
	size_t n;

	if (!a)
		return true;
	if (!SSL_session_reused(ssl) || !parse(session, &c)) {
		bytes[0] = VERSION;
		c.began = time(NULL);
		put_u64(bytes + 1, (uint64_t)c.began);
		n = put_chain(bytes, SSL_get0_verified_chain(ssl));
		if (SSL_SESSION_set1_ticket_appdata(session, bytes, n) != 1 ||
			!parse(session, &c)) {
			ERR_clear_error();
			return false;
		}
	}
	shorten(session, c.began + a->lifetime);
	if (c.ncerts > 0)
		shorten(session, c.chain_end);
	return true;
}

static int on_ticket_made(SSL *ssl, void *arg)
{
	(void)arg;
	return resumable_mark(ssl, SSL_get_session(ssl)) ? 1 : 0;
}

/* ---- taking back -------------------------------------------------------------------------- */

static bool certificates_hold(const struct tls_trust *t, const struct carried *c)
{
	const unsigned char *p = c->certs;
	size_t left = c->n;

	for (unsigned i = 0; i < c->ncerts; i++) {
		if (left < TRUST_ISSUER_SIZE + 2)
			return false;
		size_t n = (size_t)p[TRUST_ISSUER_SIZE] << 8 | p[TRUST_ISSUER_SIZE + 1];
		const unsigned char *serial = p + TRUST_ISSUER_SIZE + 2;
		if (left - TRUST_ISSUER_SIZE - 2 < n || !trust_is_current(t, p, serial, n))
			return false;
		p = serial + n;
		left -= TRUST_ISSUER_SIZE + 2 + n;
	}
	return true;
}

/* RFC 6066 section 3; in TLS 1.3 the name is no part of the session (RFC 8446 section 4.2.11). */
static bool is_for_name(const struct ssl_st *ssl, struct ssl_session_st *session)
{
	const struct session *s = bio_session(ssl);
	const char *name = SSL_SESSION_get0_hostname(session);

	return SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION || !s ||
	       str_case_eq(str_of(name ? name : ""), str_of(session_sni(s)));
}

bool resumable_may(const struct ssl_st *ssl, struct ssl_session_st *session)
{
	const struct attachment *a = attach_get(SSL_get_SSL_CTX(ssl));
	struct carried c;
	int64_t now = time(NULL);

	if (!a || !parse(session, &c) || now > c.began + a->lifetime || !is_for_name(ssl, session))
		return false;
	if (!SSL_SESSION_get0_peer(session))
		return !(a->verify & SSL_VERIFY_FAIL_IF_NO_PEER_CERT);
	return a->trust && c.ncerts > 0 && now <= c.chain_end && certificates_hold(a->trust, &c);
}

static SSL_TICKET_RETURN on_ticket_opened(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
	size_t n, SSL_TICKET_STATUS status, void *arg)
{
	(void)name, (void)n, (void)arg;
	if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	if (!resumable_may(ssl, session))
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

void resumable_use(struct ssl_ctx_st *ctx, long lifetime)
{
	attach_get(ctx)->lifetime = lifetime;
	SSL_CTX_set_session_ticket_cb(ctx, on_ticket_made, on_ticket_opened, NULL);
}
