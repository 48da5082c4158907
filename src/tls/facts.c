/* What certificates say, as text for people and as times for counters. Everything in a certificate
 * is the peer's word: bytes that are not printable ASCII are shown escaped. It judges nothing. */
#include "tls/facts.h"

#include <arpa/inet.h>
#include <stdio.h>

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/clock.h"
#include "tls/attach.h"
#include "tls/identity.h"

static bool to_time(const ASN1_TIME *t, time_t *ret)
{
	struct tm tm;

	if (!t || ASN1_TIME_to_tm(t, &tm) != 1) {
		ERR_clear_error();
		return false;
	}
	*ret = timegm(&tm);
	return true;
}

time_t tls_facts_not_after(const struct ssl_ctx_st *ctx)
{
	const struct attachment *a = attach_get(ctx);
	time_t soonest = 0, t;

	for (size_t i = 0; a && i < a->nleaves; i++)
		if (to_time(X509_get0_notAfter(a->leaf[i]), &t) && (soonest == 0 || t < soonest))
			soonest = t;
	return soonest;
}

bool tls_facts_covers(const struct ssl_ctx_st *ctx, const char *name)
{
	const struct attachment *a = attach_get(ctx);
	char any[256];

	if (!a || a->nleaves == 0)
		return false;
	if (name[0] == '*' && name[1] == '.') { /* any label must be covered: try an unlikely one */
		snprintf(any, sizeof(any), "any-label%s", name + 1);
		name = any;
	}
	for (size_t i = 0; i < a->nleaves; i++)
		if (!tls_identity_carries(a->leaf[i], name))
			return false;
	return true;
}

static void append_escaped(struct buf *out, const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] > 0x20 && p[i] < 0x7f && p[i] != ',' && p[i] != '\\')
			buf_append(out, &p[i], 1);
		else
			buf_appendf(out, "\\x%02x", p[i]);
	}
}

static void append_address(struct buf *out, const unsigned char *p, int n)
{
	char text[INET6_ADDRSTRLEN] = "?";

	if (n == 4)
		inet_ntop(AF_INET, p, text, sizeof(text));
	else if (n == 16)
		inet_ntop(AF_INET6, p, text, sizeof(text));
	buf_append_str(out, str_of(text));
}

void tls_facts_one_name(const struct GENERAL_NAME_st *name, struct buf *out)
{
	bool is_dns = name->type == GEN_DNS;
	const ASN1_STRING *s = is_dns ? name->d.dNSName : name->d.iPAddress;
	const unsigned char *p = ASN1_STRING_get0_data(s);

	if (is_dns)
		append_escaped(out, p, (size_t)ASN1_STRING_length(s));
	else
		append_address(out, p, ASN1_STRING_length(s));
}

void tls_facts_names(const struct x509_st *cert, struct buf *out)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	const char *comma = "";

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		if (name->type != GEN_DNS && name->type != GEN_IPADD)
			continue;
		buf_append_str(out, str_of(comma));
		comma = ", ";
		tls_facts_one_name(name, out);
	}
	GENERAL_NAMES_free(names);
	ERR_clear_error();
}

void tls_facts_name(const struct X509_name_st *name, struct buf *out)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *p;

	if (b &&
		X509_NAME_print_ex(b, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_UTF8_CONVERT) >= 0) {
		long n = BIO_get_mem_data(b, &p);
		buf_append(out, p, (size_t)n);
	}
	BIO_free(b);
	ERR_clear_error();
}

static void append_name(struct buf *out, const char *label, const X509_NAME *name)
{
	buf_append_str(out, str_of(label));
	tls_facts_name(name, out);
	buf_append_str(out, STR("\n"));
}

void tls_facts_validity(const struct x509_st *cert, time_t *ret_from, time_t *ret_until)
{
	*ret_from = *ret_until = 0;
	to_time(X509_get0_notBefore(cert), ret_from);
	to_time(X509_get0_notAfter(cert), ret_until);
}

static void append_validity(struct buf *out, const X509 *cert)
{
	char from[30] = "?", until[30] = "?";
	time_t t;

	if (to_time(X509_get0_notBefore(cert), &t))
		clock_format_http_date(t, from);
	if (to_time(X509_get0_notAfter(cert), &t))
		clock_format_http_date(t, until);
	buf_appendf(out, "valid: %s to %s\n", from, until);
}

void tls_facts_describe_peer(const struct ssl_st *ssl, struct buf *out)
{
	const X509 *leaf = SSL_get0_peer_certificate(ssl);
	struct stack_st_X509 *chain = SSL_get_peer_cert_chain(ssl);

	if (!leaf)
		return;
	append_name(out, "subject: ", X509_get_subject_name(leaf));
	append_name(out, "issuer: ", X509_get_issuer_name(leaf));
	buf_append_str(out, STR("names: "));
	tls_facts_names(leaf, out);
	buf_append_str(out, STR("\n"));
	append_validity(out, leaf);
	for (int i = 1; i < sk_X509_num(chain); i++)
		append_name(out, "chain: ", X509_get_subject_name(sk_X509_value(chain, i)));
	ERR_clear_error();
}
