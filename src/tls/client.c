/* Makes client contexts: anchors, revocation lists, depth, the client's own certificate.
 *
 * An anchor that --ca names is trusted whether or not it signed itself. The name of the server is
 * none of its business, and nothing is trusted that was not asked for: no fallback. */
#include "tls/client.h"

#include <string.h>
#include <sys/stat.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include "tls/context.h"
#include "tls/resume.h"

static int unusable(struct err *e, const char *file, const char *sentence)
{
	struct tls_reason r;

	tls_reason_take(NULL, &r);
	return err_at(e, ERR_CONFIG, file, 0, "%s: %s", sentence, r.sentence);
}

static int load_trust(SSL_CTX *ctx, const char *ca, struct err *e)
{
	struct stat st;
	int ok;

	if (!ca || !*ca) {
		ok = SSL_CTX_set_default_verify_paths(ctx);
	} else {
		ok = stat(ca, &st) == 0 && S_ISDIR(st.st_mode) ? SSL_CTX_load_verify_dir(ctx, ca)
							       : SSL_CTX_load_verify_file(ctx, ca);
		X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_PARTIAL_CHAIN);
	}
	if (ok != 1)
		return unusable(e, ca, "holds no usable CA certificate");
	ERR_clear_error();
	return 0;
}

static int load_crls(SSL_CTX *ctx, const char *file, struct err *e)
{
	X509_LOOKUP *lookup =
		X509_STORE_add_lookup(SSL_CTX_get_cert_store(ctx), X509_LOOKUP_file());

	if (!lookup || X509_load_crl_file(lookup, file, X509_FILETYPE_PEM) < 1)
		return unusable(e, file, "holds no usable revocation list");
	X509_VERIFY_PARAM_set_flags(
		SSL_CTX_get0_param(ctx), X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	ERR_clear_error();
	return 0;
}

static int set_trust(SSL_CTX *ctx, const struct tls_client_options *o, struct err *e)
{
	if (o->verify == TLS_VERIFY_NONE)
		return 0;
	if (load_trust(ctx, o->ca, e) < 0)
		return -1;
	if (o->crl && load_crls(ctx, o->crl, e) < 0)
		return -1;
	if (o->has_depth)
		SSL_CTX_set_verify_depth(ctx, (int)o->depth);
	/* With SSL_VERIFY_NONE a client verifies as well, and goes on whatever the result. */
	SSL_CTX_set_verify(
		ctx, o->verify == TLS_VERIFY_AFTER ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
	return 0;
}

static int set_pair(SSL_CTX *ctx, const struct tls_client_options *o, struct err *e)
{
	X509 *leaf = NULL;

	if (!o->pair)
		return 0;
	if (pair_load_asking(ctx, o->pair, o->ask, &leaf, e) < 0)
		return -1;
	X509_free(leaf);
	return 0;
}

unsigned tls_alpn_wire(const char *names, unsigned char wire[TLS_ALPN_MAX])
{
	size_t n = 0;

	while (*names) {
		size_t length = strcspn(names, " ");

		if (n + 1 + length > TLS_ALPN_MAX)
			return 0;
		wire[n++] = (unsigned char)length;
		memcpy(wire + n, names, length);
		n += length;
		names += length;
		names += strspn(names, " ");
	}
	return (unsigned)n;
}

struct ssl_ctx_st *tls_context_new_client(const struct tls_client_options *o, struct err *e)
{
	unsigned char alpn[TLS_ALPN_MAX];
	unsigned n = tls_alpn_wire(o->alpn ? o->alpn : "http/1.1", alpn);
	SSL_CTX *ctx = tls_context_new_bare(false, e);

	if (!ctx)
		return NULL;
	if (profile_set_versions(ctx, o->min_version, o->max_version, e) < 0)
		goto fail;
	if (SSL_CTX_set_alpn_protos(ctx, alpn, n) != 0) {
		tls_reason_err(e, ERR_SYSTEM, "no ALPN");
		goto fail;
	}
	if (set_trust(ctx, o, e) < 0 || set_pair(ctx, o, e) < 0)
		goto fail;
	if (o->resume)
		resume_use(o->resume, ctx);
	return ctx;
fail:
	tls_context_free(ctx);
	return NULL;
}

int tls_client_verdict(const struct ssl_st *ssl, struct tls_reason *ret)
{
	long result = SSL_get_verify_result(ssl);

	if (result == X509_V_OK)
		return 0;
	tls_reason_of_chain(result, ret);
	return -1;
}
