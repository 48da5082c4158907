/* The secret becomes a key of HKDF at once and is forgotten; what is kept lies in a vault. It
 * refuses what nobody would call random. */
#include "tls/secret.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "tls/file.h"
#include "tls/vault.h"

enum { KEY_SIZE = 32, DISTINCT_MIN = 8 };

struct page {
	unsigned char key[KEY_SIZE]; /* the pseudo-random key of HKDF */
	bool is_there;               /* not wiped */
};

struct tls_secret {
	struct page *page;
};

static const char label[] = "latchd session ticket key";

static bool run_hkdf(int mode, const void *key, size_t key_size, const void *info, size_t info_size,
	void *ret, size_t n)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_octet_string(
			OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)key, key_size),
		OSSL_PARAM_construct_octet_string(mode == EVP_KDF_HKDF_MODE_EXTRACT_ONLY
							  ? OSSL_KDF_PARAM_SALT
							  : OSSL_KDF_PARAM_INFO,
			(void *)(uintptr_t)info, info_size),
		OSSL_PARAM_construct_end(),
	};
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	bool ok = ctx && EVP_KDF_derive(ctx, ret, n, params) == 1;

	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	ERR_clear_error();
	return ok;
}

static struct str without_end(struct str s)
{
	while (s.n > 0 && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r'))
		s.n--;
	return s;
}

static bool is_regular(struct str s)
{
	bool seen[256] = { false };
	size_t distinct = 0;

	for (size_t i = 0; i < s.n; i++) {
		distinct += !seen[(unsigned char)s.p[i]];
		seen[(unsigned char)s.p[i]] = true;
	}
	return distinct < DISTINCT_MIN;
}

static int take(struct tls_secret *s, const char *path, struct str text, struct err *e)
{
	if (text.n < TLS_SECRET_MIN)
		return err_at(e, ERR_CONFIG, path, 0,
			"has %zu bytes; expected at least %d random ones, such as "
			"\"openssl rand -base64 48\" prints",
			text.n, TLS_SECRET_MIN);
	if (is_regular(text))
		return err_at(e, ERR_CONFIG, path, 0,
			"is too regular to be a secret; expected random bytes, such as "
			"\"openssl rand -base64 48\" prints");
	s->page = vault_new(sizeof(*s->page), e);
	if (!s->page)
		return -1;
	if (!run_hkdf(EVP_KDF_HKDF_MODE_EXTRACT_ONLY, text.p, text.n, label, sizeof(label) - 1,
		    s->page->key, KEY_SIZE))
		return err_set(e, ERR_SYSTEM, "OpenSSL has no HKDF for the keys of tickets");
	s->page->is_there = true;
	return 0;
}

struct tls_secret *tls_secret_new(const void *bytes, size_t n, struct err *e)
{
	struct tls_secret *s = calloc(1, sizeof(*s));

	if (!s)
		err_set(e, ERR_SYSTEM, "out of memory");
	else if (take(s, NULL, (struct str){ bytes, n }, e) == 0)
		return s;
	tls_secret_free(s);
	return NULL;
}

struct tls_secret *tls_secret_load(const char *path, struct digest_list *digests, struct err *e)
{
	struct tls_secret *s = calloc(1, sizeof(*s));
	struct buf b;

	if (!s) {
		err_set(e, ERR_SYSTEM, "out of memory");
		return NULL;
	}
	int rc = file_read(path, digests, &b, e);
	if (rc == 0)
		rc = take(s, path, without_end(buf_str(&b)), e);
	file_forget(&b);
	if (rc == 0)
		return s;
	tls_secret_free(s);
	return NULL;
}

bool tls_secret_is_same(const struct tls_secret *a, const struct tls_secret *b)
{
	return CRYPTO_memcmp(a->page->key, b->page->key, KEY_SIZE) == 0;
}

void tls_secret_free(struct tls_secret *s)
{
	if (!s)
		return;
	vault_free(s->page, sizeof(*s->page));
	free(s);
}

int tls_secret_derive(
	const struct tls_secret *s, int64_t rotate_ms, int64_t slice, void *ret, size_t n)
{
	unsigned char info[16];

	if (!s->page->is_there)
		return -1;
	for (int i = 0; i < 8; i++) {
		info[i] = (unsigned char)((uint64_t)rotate_ms >> (56 - 8 * i));
		info[8 + i] = (unsigned char)((uint64_t)slice >> (56 - 8 * i));
	}
	return run_hkdf(EVP_KDF_HKDF_MODE_EXPAND_ONLY, s->page->key, KEY_SIZE, info, sizeof(info),
		       ret, n)
		       ? 0
		       : -1;
}
