/* Looks at a server's TLS without judging it: that is for client/judge. The chain is verified with
 * a callback that notes what is wrong and goes on, so that a certificate that is not trusted still
 * shows that it expires tomorrow. */
#include "tls/probe.h"

#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/buf.h"
#include "tls/context.h"
#include "tls/facts.h"
#include "tls/identity.h"

/* ---- offers -----------------------------------------------------------------------------------
 */

static int version_number(const char *version)
{
	static const struct {
		const char *text;
		int number;
	} versions[] = { { "1.0", TLS1_VERSION }, { "1.1", TLS1_1_VERSION },
		{ "1.2", TLS1_2_VERSION }, { "1.3", TLS1_3_VERSION } };

	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
		if (strcmp(versions[i].text, version) == 0)
			return versions[i].number;
	return 0;
}

/* Whatever the machine's policy says: the question is what the server does. */
static bool offer_version(SSL *ssl, const char *version)
{
	int number = version_number(version);

	SSL_set_security_level(ssl, 0);
	SSL_clear_options(
		ssl, SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 | SSL_OP_NO_TLSv1_2 | SSL_OP_NO_TLSv1_3);
	return SSL_set_cipher_list(ssl, "ALL:@SECLEVEL=0") == 1 &&
	       SSL_set_min_proto_version(ssl, number) == 1 &&
	       SSL_set_max_proto_version(ssl, number) == 1;
}

static bool offer_alpn(SSL *ssl, const char *names)
{
	unsigned char wire[TLS_ALPN_MAX];
	unsigned n = tls_alpn_wire(names, wire);

	return n > 0 && SSL_set_alpn_protos(ssl, wire, n) == 0;
}

/* ---- the chain --------------------------------------------------------------------------------
 */

struct wrongs {
	size_t n;
	struct {
		int depth, error;
	} at[32];
};

static int wrongs_index(void)
{
	static int index = -1;

	if (index < 0)
		index = X509_STORE_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	return index;
}

static int note_and_go_on(int ok, X509_STORE_CTX *ctx)
{
	struct wrongs *w = X509_STORE_CTX_get_ex_data(ctx, wrongs_index());
	int depth = X509_STORE_CTX_get_error_depth(ctx), error = X509_STORE_CTX_get_error(ctx);

	if (ok)
		return 1;
	for (size_t i = 0; i < w->n; i++)
		if (w->at[i].depth == depth && w->at[i].error == error)
			return 1;
	if (w->n < sizeof(w->at) / sizeof(w->at[0])) {
		w->at[w->n].depth = depth;
		w->at[w->n++].error = error;
	}
	return 1;
}

static void describe_name(const X509_NAME *name, char *dst)
{
	struct buf text;
	struct str s;

	buf_init(&text, 0);
	tls_facts_name(name, &text);
	s = buf_str(&text);
	snprintf(dst, PROBE_TEXT_SIZE, STR_FMT, STR_ARG(s));
	buf_done(&text);
}

static void describe_key(X509 *cert, struct probe_certificate *ret)
{
	EVP_PKEY *key = X509_get0_pubkey(cert);
	int nid = X509_get_signature_nid(cert);

	if (key)
		snprintf(ret->key, sizeof(ret->key), "%s %d", EVP_PKEY_get0_type_name(key),
			EVP_PKEY_get_bits(key));
	snprintf(ret->signature, sizeof(ret->signature), "%s", OBJ_nid2ln(nid));
}

static void describe_fingerprint(const X509 *cert, struct probe_certificate *ret)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (X509_digest(cert, EVP_sha256(), hash, &n) != 1 || n != 32)
		return;
	for (unsigned i = 0; i < n; i++)
		snprintf(ret->fingerprint + 2 * (size_t)i, 3, "%02x", hash[i]);
}

static bool was_sent(const struct stack_st_X509 *sent, const X509 *cert)
{
	for (int i = 0; i < sk_X509_num(sent); i++)
		if (X509_cmp(sk_X509_value(sent, i), cert) == 0)
			return true;
	return false;
}

static void describe(X509 *cert, const struct stack_st_X509 *sent, struct probe_certificate *ret)
{
	*ret = (struct probe_certificate){ .sent = was_sent(sent, cert) };
	describe_name(X509_get_subject_name(cert), ret->subject);
	describe_name(X509_get_issuer_name(cert), ret->issuer);
	describe_key(cert, ret);
	describe_fingerprint(cert, ret);
	tls_facts_validity(cert, &ret->not_before, &ret->not_after);
}

static void add_wrong(struct probe_chain *c, int depth, int error)
{
	size_t i = depth < 0 ? 0 : (size_t)depth < c->n ? (size_t)depth : c->n - 1, n;
	char *wrong = c->cert[i].wrong;

	n = strlen(wrong);
	snprintf(wrong + n, PROBE_TEXT_SIZE - n, "%s%s", n > 0 ? "; " : "",
		X509_verify_cert_error_string(error));
}

static void verify(X509_STORE_CTX *ctx, const SSL *ssl, struct wrongs *w)
{
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);

	X509_STORE_CTX_set_default(ctx, "ssl_server");
	X509_VERIFY_PARAM_set1(param, SSL_get0_param((SSL *)(uintptr_t)ssl));
	X509_VERIFY_PARAM_set_auth_level(param, SSL_get_security_level(ssl));
	X509_STORE_CTX_set_ex_data(ctx, wrongs_index(), w);
	X509_STORE_CTX_set_verify_cb(ctx, note_and_go_on);
	X509_verify_cert(ctx);
	ERR_clear_error();
}

/* An anchor is one whose certificate is in the store. */
static bool is_anchor(X509_STORE_CTX *ctx, X509 *cert)
{
	struct stack_st_X509 *same = X509_STORE_CTX_get1_certs(ctx, X509_get_subject_name(cert));
	bool found = was_sent(same, cert);

	sk_X509_pop_free(same, X509_free);
	ERR_clear_error();
	return found;
}

static void fill(X509_STORE_CTX *ctx, const struct stack_st_X509 *sent, struct probe_chain *ret)
{
	const struct stack_st_X509 *built = X509_STORE_CTX_get0_chain(ctx);
	int n = sk_X509_num(built);

	if (n < 1)
		built = sent;
	for (int i = 0; i < sk_X509_num(built) && ret->n < PROBE_CHAIN_MAX; i++) {
		X509 *cert = sk_X509_value(built, i);

		describe(cert, sent, &ret->cert[ret->n]);
		ret->cert[ret->n++].anchor = is_anchor(ctx, cert);
	}
}

void tls_probe_chain(const struct ssl_st *ssl, struct probe_chain *ret)
{
	X509_STORE *store = SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl));
	struct stack_st_X509 *sent = SSL_get_peer_cert_chain(ssl);
	X509 *leaf = SSL_get0_peer_certificate(ssl);
	X509_STORE_CTX *ctx = leaf ? X509_STORE_CTX_new() : NULL;
	struct wrongs w = { 0 };

	*ret = (struct probe_chain){ 0 };
	if (!ctx || X509_STORE_CTX_init(ctx, store, leaf, sent) != 1)
		goto out;
	verify(ctx, ssl, &w);
	fill(ctx, sent, ret);
	ret->sent = (size_t)sk_X509_num(sent);
	ret->is_trusted = w.n == 0;
	for (size_t i = 0; i < w.n && ret->n > 0; i++)
		add_wrong(ret, w.at[i].depth, w.at[i].error);
out:
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
}

/* ---- the rest ---------------------------------------------------------------------------------
 */

int tls_probe_offer(struct ssl_st *ssl, const struct probe_offer *offer, struct err *e)
{
	bool ok = true;

	if (offer->version)
		ok = offer_version(ssl, offer->version);
	if (offer->group)
		ok = ok && SSL_set1_groups_list(ssl, offer->group) == 1;
	if (offer->alpn)
		ok = ok && offer_alpn(ssl, offer->alpn);
	ERR_clear_error();
	if (ok)
		return 0;
	return err_set(e, ERR_SYSTEM, "this OpenSSL does not know %s",
		offer->group ? offer->group : offer->version);
}

const char *tls_probe_group(struct ssl_st *ssl)
{
	int nid = (int)SSL_get_negotiated_group(ssl);
	const char *name = nid > 0 ? SSL_group_to_name(ssl, nid) : NULL;

	ERR_clear_error();
	return name ? name : "";
}

/* Would a certificate with this one name carry `host`? */
static bool carries_alone(const GENERAL_NAME *name, const char *host)
{
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	X509 *cert = X509_new();
	bool yes;

	yes = names && cert && sk_GENERAL_NAME_push(names, (GENERAL_NAME *)(uintptr_t)name) > 0 &&
	      X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1 &&
	      tls_identity_carries(cert, host);
	sk_GENERAL_NAME_free(names);
	X509_free(cert);
	ERR_clear_error();
	return yes;
}

bool tls_probe_names(const struct ssl_st *ssl, const char *host,
	void (*fn)(void *arg, const char *type, struct str name, bool matches), void *arg)
{
	X509 *leaf = SSL_get0_peer_certificate(ssl);
	GENERAL_NAMES *names =
		leaf ? X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL) : NULL;
	struct buf text;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type != GEN_DNS && name->type != GEN_IPADD)
			continue;
		buf_init(&text, 0);
		tls_facts_one_name(name, &text);
		fn(arg, name->type == GEN_DNS ? "DNS" : "IP", buf_str(&text),
			carries_alone(name, host));
		buf_done(&text);
	}
	GENERAL_NAMES_free(names);
	ERR_clear_error();
	return leaf != NULL;
}
