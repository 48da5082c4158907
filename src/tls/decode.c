/* Decoders that are kept, and certificates that were seen lately. Refuses whatever needs a pass
 * phrase: that is asked for where keys are few. */
#include "tls/decode.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/decoder.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

enum { SEEN_MAX = 32 };

struct decode {
	OSSL_DECODER_CTX *keys;
	EVP_PKEY *key; /* where `keys` puts what it made */
	struct seen {
		unsigned char *der;
		long n;
		X509 *certificate;
	} seen[SEEN_MAX];
	unsigned next; /* of `seen` to be replaced */
};

/* Never asks anybody. */
static int no_passphrase(char *dst, int size, int writing, void *arg)
{
	(void)dst, (void)size, (void)writing, (void)arg;
	return -1;
}

struct decode *decode_new(void)
{
	struct decode *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->keys = OSSL_DECODER_CTX_new_for_pkey(
		&d->key, "DER", NULL, NULL, EVP_PKEY_KEYPAIR, NULL, NULL);
	if (d->keys && OSSL_DECODER_CTX_set_pem_password_cb(d->keys, no_passphrase, NULL) == 1)
		return d;
	decode_free(d);
	return NULL;
}

void decode_free(struct decode *d)
{
	if (!d)
		return;
	OSSL_DECODER_CTX_free(d->keys);
	for (unsigned i = 0; i < SEEN_MAX; i++) {
		OPENSSL_free(d->seen[i].der);
		X509_free(d->seen[i].certificate);
	}
	free(d);
}

struct evp_pkey_st *decode_key(struct decode *d, struct bio_st *b)
{
	unsigned char *der = NULL;
	const unsigned char *p;
	char *name = NULL;
	size_t left;
	long n = 0;

	d->key = NULL;
	if (PEM_bytes_read_bio_secmem(
		    &der, &n, &name, PEM_STRING_EVP_PKEY, b, no_passphrase, NULL) != 1)
		return NULL;
	p = der;
	left = (size_t)n;
	if (strcmp(name, PEM_STRING_PKCS8) && OSSL_DECODER_from_data(d->keys, &p, &left) != 1) {
		EVP_PKEY_free(d->key);
		d->key = NULL;
	}
	OPENSSL_secure_clear_free(der, (size_t)n);
	OPENSSL_secure_free(name);
	return d->key;
}

static X509 *find_seen(const struct decode *d, const unsigned char *der, long n)
{
	for (unsigned i = 0; i < SEEN_MAX; i++)
		if (d->seen[i].n == n && d->seen[i].certificate &&
			!memcmp(d->seen[i].der, der, (size_t)n))
			return d->seen[i].certificate;
	return NULL;
}

/* Takes `der`. */
static void remember(struct decode *d, unsigned char *der, long n, X509 *certificate)
{
	struct seen *s = &d->seen[d->next++ % SEEN_MAX];

	OPENSSL_free(s->der);
	X509_free(s->certificate);
	X509_up_ref(certificate);
	*s = (struct seen){ der, n, certificate };
}

struct x509_st *decode_certificate(struct decode *d, struct bio_st *b)
{
	unsigned char *der = NULL;
	const unsigned char *p;
	X509 *certificate;
	long n = 0;

	if (!d)
		return PEM_read_bio_X509(b, NULL, no_passphrase, NULL);
	if (PEM_bytes_read_bio(&der, &n, NULL, PEM_STRING_X509, b, no_passphrase, NULL) != 1)
		return NULL;
	certificate = find_seen(d, der, n);
	p = der;
	if (certificate) {
		X509_up_ref(certificate);
		OPENSSL_free(der);
		return certificate;
	}
	certificate = d2i_X509(NULL, &p, n);
	if (certificate)
		remember(d, der, n, certificate);
	else
		OPENSSL_free(der);
	return certificate;
}
