/* CA bundles and CRLs, read, judged once at load, and looked up again when a session is resumed.
 * What they say of a certificate in a handshake is OpenSSL's business. It refuses a bundle with
 * which certificates would be refused one by one later, for a reason that is known now. */
#include "tls/trust.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "tls/facts.h"
#include "tls/file.h"
#include "tls/reason.h"

struct entry {
	struct tls_crl facts; /* its texts are the entry's */
	X509_CRL *crl;
	unsigned char issuer[TRUST_ISSUER_SIZE];
};

struct tls_trust {
	unsigned holders;
	enum tls_crl_expired crl_expired;
	X509_STORE *store;
	STACK_OF(X509) * cas;
	struct entry *crls;
	size_t ncrls, cap;
	char *dangling;
	unsigned char digest[TRUST_DIGEST_SIZE];
};

static int say(struct err *e, const char *file, const char *sentence)
{
	ERR_clear_error();
	return err_at(e, ERR_CONFIG, file, 0, "%s", sentence);
}

static int out_of_memory(struct err *e)
{
	ERR_clear_error();
	return err_set(e, ERR_SYSTEM, "out of memory");
}

/* Of a name as it is encoded. Equal names of other encodings differ here: then a session that could
 * be resumed is not, and the full handshake decides. */
static bool hash_name(const X509_NAME *name, unsigned char ret[TRUST_ISSUER_SIZE])
{
	const unsigned char *der;
	size_t n;

	return X509_NAME_get0_der(name, &der, &n) == 1 &&
	       EVP_Digest(der, n, ret, NULL, EVP_sha256(), NULL) == 1;
}

static char *name_text(const X509_NAME *name)
{
	struct buf b;
	const char *text;
	char *copy;

	buf_init(&b, 0);
	tls_facts_name(name, &b);
	text = buf_cstring(&b);
	copy = strdup(text ? text : "");
	buf_done(&b);
	return copy;
}

/* ---- reading ------------------------------------------------------------------------------ */

static bool is_end_of_pem(void)
{
	unsigned long code = ERR_peek_last_error();

	return ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}

static int damaged(struct err *e, const char *file, const char *what)
{
	struct tls_reason r;

	tls_reason_take(NULL, &r);
	return err_at(e, ERR_CONFIG, file, 0, "%s is damaged: %s", what, r.sentence);
}

/* Never asks: neither is encrypted. */
static int no_passphrase(char *dst, int size, int writing, void *arg)
{
	(void)dst, (void)size, (void)writing, (void)arg;
	return -1;
}

static int add_ca(struct tls_trust *t, X509 *ca, const char *file, struct err *e)
{
	if (X509_check_ca(ca) == 0) {
		char *text = name_text(X509_get_subject_name(ca));
		err_at(e, ERR_CONFIG, file, 0,
			"\"%.200s\" is the certificate of no CA; expected those of the CAs that "
			"issue the certificates of clients",
			text ? text : "");
		free(text);
		X509_free(ca);
		return -1;
	}
	if (sk_X509_push(t->cas, ca) == 0) {
		X509_free(ca);
		return out_of_memory(e);
	}
	return X509_STORE_add_cert(t->store, ca) == 1 ? 0 : out_of_memory(e);
}

static int read_cas(struct tls_trust *t, BIO *b, const char *file, struct err *e)
{
	X509 *ca;

	while ((ca = PEM_read_bio_X509(b, NULL, no_passphrase, NULL)))
		if (add_ca(t, ca, file, e) < 0)
			return -1;
	if (!is_end_of_pem())
		return damaged(e, file, "a certificate of it");
	ERR_clear_error();
	return sk_X509_num(t->cas) > 0
		       ? 0
		       : say(e, file,
				 "holds no certificate in PEM form; expected those of the CAs");
}

/* The CA of the bundle that signed it, or one of its name (*ret_signed false); NULL: no such name.
 */
static X509 *find_issuer(const struct tls_trust *t, X509_CRL *crl, bool *ret_signed)
{
	X509 *found = NULL;

	*ret_signed = false;
	for (int i = 0; !*ret_signed && i < sk_X509_num(t->cas); i++) {
		X509 *ca = sk_X509_value(t->cas, i);
		if (X509_NAME_cmp(X509_get_subject_name(ca), X509_CRL_get_issuer(crl)) != 0)
			continue;
		found = ca;
		*ret_signed = X509_CRL_verify(crl, X509_get0_pubkey(ca)) == 1;
	}
	ERR_clear_error();
	return found;
}

static time_t next_update(const X509_CRL *crl)
{
	const ASN1_TIME *t = X509_CRL_get0_nextUpdate(crl);
	struct tm tm;

	return t && ASN1_TIME_to_tm(t, &tm) == 1 ? timegm(&tm) : 0;
}

/* For one more CRL. */
static bool make_room(struct tls_trust *t)
{
	size_t cap = t->cap ? 2 * t->cap : 4;
	void *v;

	if (t->ncrls < t->cap)
		return true;
	v = realloc(t->crls, cap * sizeof(*t->crls));
	if (!v)
		return false;
	t->crls = v;
	t->cap = cap;
	return true;
}

static int add_crl(struct tls_trust *t, X509_CRL *crl, const char *file, struct err *e)
{
	struct entry x = { .crl = crl };
	bool is_signed;

	x.facts.is_of_bundle = find_issuer(t, crl, &is_signed) != NULL;
	x.facts.next_update = next_update(crl);
	x.facts.file = strdup(file);
	x.facts.issuer = name_text(X509_CRL_get_issuer(crl));
	if (!make_room(t) || !x.facts.file || !x.facts.issuer ||
		!hash_name(X509_CRL_get_issuer(crl), x.issuer)) {
		free((char *)(uintptr_t)x.facts.file);
		free((char *)(uintptr_t)x.facts.issuer);
		X509_CRL_free(crl);
		return out_of_memory(e);
	}
	t->crls[t->ncrls++] = x;
	if (x.facts.is_of_bundle && !is_signed)
		return err_at(e, ERR_CONFIG, file, 0,
			"the signature of the CRL of \"%.200s\" is not that of the CA of this name "
			"in client_auth.ca",
			x.facts.issuer);
	return X509_STORE_add_crl(t->store, crl) == 1 ? 0 : out_of_memory(e);
}

static int read_crls(struct tls_trust *t, BIO *b, const char *file, struct err *e)
{
	size_t before = t->ncrls;
	X509_CRL *crl;

	while ((crl = PEM_read_bio_X509_CRL(b, NULL, no_passphrase, NULL)))
		if (add_crl(t, crl, file, e) < 0)
			return -1;
	if (!is_end_of_pem())
		return damaged(e, file, "a CRL of it");
	ERR_clear_error();
	return t->ncrls > before
		       ? 0
		       : say(e, file, "holds no CRL in PEM form; expected BEGIN X509 CRL in it");
}

typedef int read_fn(struct tls_trust *t, BIO *b, const char *file, struct err *e);

static int read_with(struct tls_trust *t, read_fn *fn, const char *file,
	struct digest_list *digests, struct err *e)
{
	struct buf b;
	BIO *bio = NULL;
	int rc = file_read(file, digests, &b, e);

	if (rc == 0) {
		bio = BIO_new_mem_buf(buf_len(&b) ? buf_head(&b) : "", (int)buf_len(&b));
		rc = bio ? fn(t, bio, file, e) : out_of_memory(e);
	}
	BIO_free(bio);
	file_forget(&b);
	return rc;
}

/* ---- judging the whole -------------------------------------------------------------------- */

static bool has_crl(const struct tls_trust *t, const X509_NAME *ca)
{
	for (size_t i = 0; i < t->ncrls; i++)
		if (X509_NAME_cmp(X509_CRL_get_issuer(t->crls[i].crl), ca) == 0)
			return true;
	return false;
}

/* Certificates of a CA without CRL would be refused, every one of them. */
static int check_coverage(const struct tls_trust *t, const char *file, struct err *e)
{
	for (int i = 0; t->ncrls > 0 && i < sk_X509_num(t->cas); i++) {
		const X509_NAME *subject = X509_get_subject_name(sk_X509_value(t->cas, i));
		if (has_crl(t, subject))
			continue;
		char *text = name_text(subject);
		err_at(e, ERR_CONFIG, file, 0,
			"no CRL in client_auth.crl is of the CA \"%.200s\", so that no certificate "
			"it issued could be accepted; add its CRL, or take the CA out",
			text ? text : "");
		free(text);
		return -1;
	}
	return 0;
}

static bool is_anchored(const struct tls_trust *t, X509 *ca)
{
	for (int depth = 0; depth <= sk_X509_num(t->cas); depth++) {
		X509 *next = NULL;
		if (X509_NAME_cmp(X509_get_subject_name(ca), X509_get_issuer_name(ca)) == 0)
			return true;
		for (int i = 0; !next && i < sk_X509_num(t->cas); i++)
			if (X509_check_issued(sk_X509_value(t->cas, i), ca) == X509_V_OK)
				next = sk_X509_value(t->cas, i);
		if (!next)
			return false;
		ca = next;
	}
	return false;
}

static int find_dangling(struct tls_trust *t, struct err *e)
{
	X509 *found = NULL;

	for (int i = 0; !found && i < sk_X509_num(t->cas); i++)
		if (!is_anchored(t, sk_X509_value(t->cas, i)))
			found = sk_X509_value(t->cas, i);
	t->dangling = found ? name_text(X509_get_subject_name(found)) : strdup("");
	return t->dangling ? 0 : out_of_memory(e);
}

static int compare_hashes(const void *a, const void *b)
{
	return memcmp(a, b, TRUST_DIGEST_SIZE);
}

static int take_digest(struct tls_trust *t, struct err *e)
{
	size_t n = (size_t)sk_X509_num(t->cas);
	unsigned char(*hashes)[TRUST_DIGEST_SIZE] = calloc(n, sizeof(*hashes));
	bool ok = hashes != NULL;

	for (size_t i = 0; ok && i < n; i++)
		ok = X509_digest(sk_X509_value(t->cas, (int)i), EVP_sha256(), hashes[i], NULL) == 1;
	if (ok)
		qsort(hashes, n, sizeof(*hashes), compare_hashes);
	ok = ok && EVP_Digest(hashes, n * sizeof(*hashes), t->digest, NULL, EVP_sha256(), NULL);
	free(hashes);
	return ok ? 0 : out_of_memory(e);
}

static int accept_expired_crl(int ok, X509_STORE_CTX *ctx)
{
	if (ok || X509_STORE_CTX_get_error(ctx) != X509_V_ERR_CRL_HAS_EXPIRED)
		return ok;
	X509_STORE_CTX_set_error(ctx, X509_V_OK);
	return 1;
}

static void finish_store(struct tls_trust *t)
{
	if (t->ncrls > 0)
		X509_STORE_set_flags(t->store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	if (t->crl_expired == TLS_CRL_ACCEPT)
		X509_STORE_set_verify_cb(t->store, accept_expired_crl);
	/* The first look-up sorts: better here than once in each worker. */
	for (size_t i = 0; i < t->ncrls; i++) {
		X509_REVOKED *r = NULL;
		ASN1_INTEGER *zero = ASN1_INTEGER_new();
		if (zero)
			X509_CRL_get0_by_serial(t->crls[i].crl, &r, zero);
		ASN1_INTEGER_free(zero);
	}
}

struct tls_trust *tls_trust_new(const struct tls_trust_options *o, struct err *e)
{
	struct tls_trust *t = calloc(1, sizeof(*t));

	ERR_clear_error();
	if (!t) {
		out_of_memory(e);
		return NULL;
	}
	t->holders = 1;
	t->crl_expired = o->crl_expired;
	t->store = X509_STORE_new();
	t->cas = sk_X509_new_null();
	if (!t->store || !t->cas) {
		out_of_memory(e);
		goto fail;
	}
	if (read_with(t, read_cas, o->ca, o->digests, e) < 0)
		goto fail;
	for (size_t i = 0; i < o->ncrl; i++)
		if (read_with(t, read_crls, o->crl[i], o->digests, e) < 0)
			goto fail;
	if (check_coverage(t, o->ca, e) < 0 || find_dangling(t, e) < 0 || take_digest(t, e) < 0)
		goto fail;
	finish_store(t);
	return t;
fail:
	tls_trust_free(t);
	return NULL;
}

struct tls_trust *tls_trust_hold(struct tls_trust *t)
{
	t->holders++;
	return t;
}

void tls_trust_free(struct tls_trust *t)
{
	if (!t || --t->holders > 0)
		return;
	for (size_t i = 0; i < t->ncrls; i++) {
		free((char *)(uintptr_t)t->crls[i].facts.file);
		free((char *)(uintptr_t)t->crls[i].facts.issuer);
		X509_CRL_free(t->crls[i].crl);
	}
	free(t->crls);
	free(t->dangling);
	sk_X509_pop_free(t->cas, X509_free);
	X509_STORE_free(t->store);
	free(t);
}

const unsigned char *tls_trust_digest(const struct tls_trust *t)
{
	return t->digest;
}

size_t tls_trust_crls(const struct tls_trust *t)
{
	return t->ncrls;
}

const struct tls_crl *tls_trust_crl(const struct tls_trust *t, size_t i)
{
	assert(i < t->ncrls);
	return &t->crls[i].facts;
}

const char *tls_trust_dangling(const struct tls_trust *t)
{
	return t->dangling;
}

/* ---- using it ----------------------------------------------------------------------------- */

/* The verify store is for peers alone; what SSL_CTX_set1_cert_store() takes would also lengthen our
 * own chain. */
int trust_use(const struct tls_trust *t, struct ssl_ctx_st *ctx)
{
	if (SSL_CTX_set1_verify_cert_store(ctx, t->store) != 1)
		return -1;
	for (int i = 0; i < sk_X509_num(t->cas); i++)
		if (SSL_CTX_add_client_CA(ctx, sk_X509_value(t->cas, i)) != 1)
			return -1;
	return 0;
}

bool trust_issuer(const struct x509_st *cert, unsigned char ret[TRUST_ISSUER_SIZE])
{
	return hash_name(X509_get_issuer_name(cert), ret);
}

static bool is_fresh(const struct tls_trust *t, const X509_CRL *crl)
{
	const ASN1_TIME *end = X509_CRL_get0_nextUpdate(crl);

	return t->crl_expired == TLS_CRL_ACCEPT || !end || X509_cmp_current_time(end) > 0;
}

bool trust_is_current(const struct tls_trust *t, const unsigned char issuer[TRUST_ISSUER_SIZE],
	const unsigned char *serial, size_t n)
{
	ASN1_INTEGER *number = d2i_ASN1_INTEGER(NULL, &serial, (long)n);
	bool fresh = t->ncrls == 0, revoked = false;

	for (size_t i = 0; number && i < t->ncrls; i++) {
		const struct entry *x = &t->crls[i];
		X509_REVOKED *r;
		if (memcmp(x->issuer, issuer, TRUST_ISSUER_SIZE) != 0)
			continue;
		fresh = fresh || is_fresh(t, x->crl);
		revoked = revoked || X509_CRL_get0_by_serial(x->crl, &r, number) == 1;
	}
	ASN1_INTEGER_free(number);
	ERR_clear_error();
	return number && fresh && !revoked;
}
