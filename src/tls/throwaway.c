/* The throw-away CA of `latchd --serve`: made, used once, its key forgotten before anyone sees it.
 * The CA may only sign names of this machine's loopback, so that trusting it risks nothing else. */
#include "tls/throwaway.h"

#include <string.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "tls/reason.h"

enum { BACKDATE_SECONDS = 3600 /* for clocks that are behind */ };

struct extension {
	int nid;
	const char *value;
};

static const struct extension ca_extensions[] = {
	{ NID_basic_constraints, "critical,CA:TRUE,pathlen:0" },
	{ NID_key_usage, "critical,keyCertSign" },
	{ NID_subject_key_identifier, "hash" },
	{ NID_name_constraints, "critical,permitted;DNS:localhost,"
				"permitted;IP:127.0.0.0/255.0.0.0,"
				"permitted;IP:::1/FFFF:FFFF:FFFF:FFFF:FFFF:FFFF:FFFF:FFFF" },
};

static const struct extension leaf_extensions[] = {
	{ NID_basic_constraints, "critical,CA:FALSE" },
	{ NID_key_usage, "critical,digitalSignature" },
	{ NID_ext_key_usage, "serverAuth" },
	{ NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1" },
	{ NID_subject_key_identifier, "hash" },
	{ NID_authority_key_identifier, "keyid:always" },
};

static bool add_extensions(X509 *cert, X509 *issuer, const struct extension *x, size_t n)
{
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	X509V3_set_ctx_nodb(&ctx);
	for (size_t i = 0; i < n; i++) {
		X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, x[i].nid, x[i].value);
		int ok = ext && X509_add_ext(cert, ext, -1) == 1;
		X509_EXTENSION_free(ext);
		if (!ok)
			return false;
	}
	return true;
}

/* Twenty bytes at most, positive (RFC 5280 section 4.1.2.2). */
static bool set_serial(X509 *cert)
{
	unsigned char bytes[16];

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return false;
	bytes[0] = (unsigned char)((bytes[0] & 0x7f) | 0x40);
	BIGNUM *n = BN_bin2bn(bytes, sizeof(bytes), NULL);
	bool ok = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert));
	BN_free(n);
	return ok;
}

static bool set_name(X509 *cert, const char *common_name)
{
	X509_NAME *name = X509_get_subject_name(cert);
	unsigned char text[64];
	size_t n = strlen(common_name);

	memcpy(text, common_name, n);
	return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, text, (int)n, -1, 0) == 1;
}

/* Everything but extensions and signature. */
static X509 *new_certificate(EVP_PKEY *key, const char *name, unsigned days)
{
	X509 *cert = X509_new();

	if (cert && X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
		set_name(cert, name) && X509_set_pubkey(cert, key) == 1 &&
		X509_gmtime_adj(X509_getm_notBefore(cert), -BACKDATE_SECONDS) &&
		X509_time_adj_ex(X509_getm_notAfter(cert), (int)days, 0, NULL))
		return cert;
	X509_free(cert);
	return NULL;
}

static X509 *issue(EVP_PKEY *key, const char *name, unsigned days, X509 *issuer,
	EVP_PKEY *issuer_key, const struct extension *x, size_t nx)
{
	X509 *cert = new_certificate(key, name, days);

	if (!cert)
		return NULL;
	X509 *signer = issuer ? issuer : cert;
	if (X509_set_issuer_name(cert, X509_get_subject_name(signer)) == 1 &&
		add_extensions(cert, signer, x, nx) &&
		X509_sign(cert, issuer_key, EVP_sha256()) > 0)
		return cert;
	X509_free(cert);
	return NULL;
}

static bool write_pem(struct buf *out, X509 *cert, EVP_PKEY *key)
{
	BIO *b = BIO_new(BIO_s_secmem());
	char *p = NULL;
	bool ok = b && PEM_write_bio_X509(b, cert) == 1 &&
		  (!key || PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL) == 1);

	if (ok) {
		long n = BIO_get_mem_data(b, &p);
		ok = buf_append(out, p, (size_t)n);
	}
	BIO_free(b);
	return ok;
}

int tls_throwaway_make(unsigned days, struct buf *ret_ca_pem, struct buf *ret_pem, struct err *e)
{
	EVP_PKEY *ca_key = EVP_EC_gen("P-256"), *key = EVP_EC_gen("P-256");
	X509 *ca = NULL, *leaf = NULL;
	int rc = -1;

	if (!ca_key || !key)
		goto out;
	ca = issue(ca_key, "latchd throw-away CA", days, NULL, ca_key, ca_extensions,
		sizeof(ca_extensions) / sizeof(ca_extensions[0]));
	if (!ca)
		goto out;
	leaf = issue(key, "localhost", days, ca, ca_key, leaf_extensions,
		sizeof(leaf_extensions) / sizeof(leaf_extensions[0]));
	if (!leaf || !write_pem(ret_ca_pem, ca, NULL) || !write_pem(ret_pem, leaf, key))
		goto out;
	rc = 0;
out:
	if (rc < 0)
		tls_reason_err(e, ERR_INTERNAL, "cannot make a throw-away certificate");
	X509_free(ca);
	X509_free(leaf);
	EVP_PKEY_free(ca_key);
	EVP_PKEY_free(key);
	return rc;
}
