/* Loads one certificate chain with its private key. Every failure names the file and says in words
 * what is wrong with it. It refuses a key that is not the certificate's and a second pair of a key
 * type; that a certificate has expired is for others to warn about. */
#include "tls/pair.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "base/buf.h"
#include "tls/decode.h"
#include "tls/file.h"
#include "tls/reason.h"

enum { PASSPHRASE_MAX = 1024 };

struct passphrase {
	const char *file; /* NULL: none */
	pair_ask_fn ask;  /* NULL: there is nobody to ask */
	char text[PASSPHRASE_MAX];
	size_t n;
	bool asked; /* the key is encrypted */
};

struct loading {
	const char *certificate_file, *key_file; /* for errors; NULL in memory */
	struct buf content[2];                   /* of the files */
	BIO *certificate, *key;
	X509 *leaf;
	struct stack_st_X509 *chain;
	EVP_PKEY *pkey;
};

static bool is_set(const char *s)
{
	return s && *s;
}

/* At a file: "context: what OpenSSL says". */
static int refuse(struct err *e, const char *file, const char *context)
{
	struct tls_reason r;

	tls_reason_take(NULL, &r);
	return err_at(e, ERR_CONFIG, file, 0, "%s: %s", context, r.sentence);
}

static int say(struct err *e, const char *file, const char *sentence)
{
	ERR_clear_error();
	return err_at(e, ERR_CONFIG, file, 0, "%s", sentence);
}

static BIO *open_bio(const char *path, const struct tls_pair *p, struct buf *b, struct err *e)
{
	BIO *bio;

	if (file_read(path, p->digests, b, e) < 0)
		return NULL;
	bio = BIO_new_mem_buf(buf_len(b) ? buf_head(b) : "", (int)buf_len(b));
	if (!bio)
		say(e, path, "out of memory");
	return bio;
}

/* The first line, without its end. */
static int read_passphrase(struct passphrase *pass, const struct tls_pair *p, struct err *e)
{
	const char *file = p->passphrase_file;
	struct buf b;
	struct str line = { 0 };
	int rc;

	rc = file_read(file, p->digests, &b, e);
	if (rc == 0) {
		line = buf_str(&b);
		line.n = str_find(line, '\n', 0);
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		if (line.n == 0)
			rc = say(e, file, "its first line is empty: no pass phrase");
		else if (line.n >= sizeof(pass->text))
			rc = say(e, file, "the pass phrase is longer than 1023 bytes");
	}
	if (rc == 0) {
		pass->file = file;
		pass->n = line.n;
		memcpy(pass->text, line.p, line.n);
	}
	file_forget(&b);
	return rc;
}

static int on_passphrase(char *dst, int size, int writing, void *arg)
{
	struct passphrase *p = arg;

	(void)writing;
	p->asked = true;
	if (!p->file && p->ask)
		return p->ask(dst, size);
	if (!p->file || p->n > (size_t)size)
		return -1;
	memcpy(dst, p->text, p->n);
	return (int)p->n;
}

static int open_sources(struct loading *l, const struct tls_pair *p, struct err *e)
{
	if (p->pem) {
		l->certificate = BIO_new_mem_buf(p->pem, -1);
		l->key = BIO_new_mem_buf(p->pem, -1);
		return l->certificate && l->key ? 0 : say(e, NULL, "out of memory");
	}
	l->certificate_file = p->certificate;
	l->key_file = is_set(p->private_key) ? p->private_key : p->certificate;
	l->certificate = open_bio(l->certificate_file, p, &l->content[0], e);
	l->key = l->certificate ? open_bio(l->key_file, p, &l->content[1], e) : NULL;
	return l->key ? 0 : -1;
}

static bool is_end_of_pem(void)
{
	unsigned long code = ERR_peek_last_error();

	return ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}

static int read_chain(struct loading *l, struct decode *d, struct err *e)
{
	X509 *next;

	l->leaf = decode_certificate(d, l->certificate);
	if (!l->leaf && is_end_of_pem())
		return say(e, l->certificate_file,
			"holds no certificate in PEM form; expected BEGIN CERTIFICATE in it");
	if (!l->leaf)
		return refuse(e, l->certificate_file, "the certificate is damaged");
	l->chain = sk_X509_new_null();
	if (!l->chain)
		return say(e, l->certificate_file, "out of memory");
	while ((next = decode_certificate(d, l->certificate))) {
		if (sk_X509_push(l->chain, next) == 0) {
			X509_free(next);
			return say(e, l->certificate_file, "out of memory");
		}
	}
	if (!is_end_of_pem())
		return refuse(e, l->certificate_file, "a certificate of the chain is damaged");
	ERR_clear_error();
	return 0;
}

/* OpenSSL's decoders say "unsupported" of a file without a key and of a damaged key alike. */
static bool has_key_block(BIO *b)
{
	char *name = NULL, *header = NULL;
	unsigned char *data = NULL;
	bool found = false;
	long n = 0;

	ERR_clear_error();
	if (BIO_reset(b) < 0)
		return false;
	while (!found && PEM_read_bio(b, &name, &header, &data, &n) == 1) {
		found = strstr(name, "PRIVATE KEY") != NULL;
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_clear_free(data, (size_t)n);
	}
	return found || !is_end_of_pem();
}

/* The short way, which most keys go. */
static bool read_plain_key(struct loading *l, struct decode *d)
{
	l->pkey = d ? decode_key(d, l->key) : NULL;
	ERR_clear_error();
	return l->pkey || BIO_reset(l->key) < 0;
}

static int read_key(struct loading *l, const struct tls_pair *p, pair_ask_fn ask, struct err *e)
{
	struct passphrase pass = { .ask = ask };
	int rc = -1;

	if (!is_set(p->passphrase_file) && read_plain_key(l, p->decode))
		return l->pkey ? 0 : say(e, l->key_file, "out of memory");

	if (is_set(p->passphrase_file) && read_passphrase(&pass, p, e) < 0)
		goto out;
	l->pkey = PEM_read_bio_PrivateKey(l->key, NULL, on_passphrase, &pass);
	if (l->pkey)
		rc = 0;
	else if (pass.asked && ask)
		say(e, l->key_file, "the pass phrase does not open the private key");
	else if (pass.asked && !pass.file)
		say(e, l->key_file, "the private key is encrypted, and passphrase_file is not set");
	else if (pass.asked)
		say(e, l->key_file,
			"the first line of passphrase_file does not open the private key");
	else if (has_key_block(l->key))
		say(e, l->key_file,
			"the private key is damaged, or of a type that OpenSSL does not know");
	else
		say(e, l->key_file,
			"holds no private key in PEM form; name the file that does in private_key");
out:
	OPENSSL_cleanse(&pass, sizeof(pass));
	return rc;
}

static bool has_key_type(SSL_CTX *ctx, const EVP_PKEY *pkey)
{
	bool found = false;

	for (long op = SSL_CERT_SET_FIRST; !found && SSL_CTX_set_current_cert(ctx, op) == 1;
		op = SSL_CERT_SET_NEXT) {
		const EVP_PKEY *other = SSL_CTX_get0_privatekey(ctx);
		found = other && EVP_PKEY_get_base_id(other) == EVP_PKEY_get_base_id(pkey);
	}
	ERR_clear_error();
	return found;
}

static int install(SSL_CTX *ctx, struct loading *l, struct err *e)
{
	if (X509_check_private_key(l->leaf, l->pkey) != 1)
		return say(e, l->key_file,
			"the private key is not the certificate's; name the one it was made with");
	if (has_key_type(ctx, l->pkey))
		return say(e, l->certificate_file,
			"a second certificate with the same type of key; keep one of each type");
	if (SSL_CTX_use_certificate(ctx, l->leaf) != 1)
		return refuse(e, l->certificate_file, "the certificate cannot be used");
	if (SSL_CTX_use_PrivateKey(ctx, l->pkey) != 1)
		return refuse(e, l->key_file, "the private key cannot be used");
	if (SSL_CTX_set1_chain(ctx, l->chain) != 1)
		return refuse(e, l->certificate_file, "the chain cannot be used");
	return 0;
}

int pair_load(
	struct ssl_ctx_st *ctx, const struct tls_pair *p, struct x509_st **ret_leaf, struct err *e)
{
	return pair_load_asking(ctx, p, NULL, ret_leaf, e);
}

int pair_load_asking(struct ssl_ctx_st *ctx, const struct tls_pair *p, pair_ask_fn ask,
	struct x509_st **ret_leaf, struct err *e)
{
	struct loading l = { 0 };
	int rc = -1;

	ERR_clear_error();
	if (open_sources(&l, p, e) < 0 || read_chain(&l, p->decode, e) < 0 ||
		read_key(&l, p, ask, e) < 0)
		goto out;
	rc = install(ctx, &l, e);
	if (rc == 0) {
		*ret_leaf = l.leaf;
		l.leaf = NULL;
	}
out:
	BIO_free(l.certificate);
	BIO_free(l.key);
	for (size_t i = 0; i < 2; i++)
		file_forget(&l.content[i]);
	X509_free(l.leaf);
	sk_X509_pop_free(l.chain, X509_free);
	EVP_PKEY_free(l.pkey);
	return rc;
}

int pair_copy_all(struct ssl_ctx_st *ctx, const struct ssl_ctx_st *from, struct err *e)
{
	SSL_CTX *other = (SSL_CTX *)(uintptr_t)from; /* a cursor is moved in it */
	bool ok = true;

	ERR_clear_error();
	for (long op = SSL_CERT_SET_FIRST; ok && SSL_CTX_set_current_cert(other, op) == 1;
		op = SSL_CERT_SET_NEXT) {
		STACK_OF(X509) *chain = NULL;

		ok = SSL_CTX_get0_chain_certs(other, &chain) == 1 &&
		     SSL_CTX_use_certificate(ctx, SSL_CTX_get0_certificate(other)) == 1 &&
		     SSL_CTX_use_PrivateKey(ctx, SSL_CTX_get0_privatekey(other)) == 1 &&
		     SSL_CTX_set1_chain(ctx, chain) == 1;
	}
	if (ok)
		ERR_clear_error();
	return ok ? 0 : refuse(e, NULL, "a certificate that is served cannot be used again");
}
