/* Makes server contexts. What all contexts share stands here once: small memory for idle
 * connections, one recv() a record, no renegotiation, no compression, no early data, no session
 * cache of OpenSSL's own. A truncation is never hidden: SSL_OP_IGNORE_UNEXPECTED_EOF is not set
 * anywhere. */
#include "tls/context.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>

#include "tls/attach.h"
#include "tls/bio.h"
#include "tls/reason.h"
#include "tls/resumable.h"
#include "tls/session_cache.h"
#include "tls/ticket.h"

enum { TICKET_LIFETIME_MAX = 7 * 24 * 3600 /* seconds; RFC 8446 section 4.6.1 */ };

#ifdef LATCH_KEYLOG
static void write_keylog(const SSL *ssl, const char *line)
{
	static int fd = -2;
	char text[1024];
	size_t n = strlen(line);
	const char *path = secure_getenv("SSLKEYLOGFILE");

	(void)ssl;
	if (fd == -2)
		fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || n + 1 > sizeof(text))
		return;
	memcpy(text, line, n);
	text[n++] = '\n';
	if (write(fd, text, n) < 0)
		return; /* a debugging aid: the connection does not care */
}

static void set_keylog(SSL_CTX *ctx)
{
	const char *path = secure_getenv("SSLKEYLOGFILE");

	if (path && *path)
		SSL_CTX_set_keylog_callback(ctx, write_keylog);
}
#else
static void set_keylog(SSL_CTX *ctx)
{
	(void)ctx;
}
#endif

bool tls_keylog_is_built_in(void)
{
#ifdef LATCH_KEYLOG
	return true;
#else
	return false;
#endif
}

/* OpenSSL has no getter for the alert that it sent. */
static void on_info(const SSL *ssl, int where, int value)
{
	if ((where & SSL_CB_WRITE_ALERT) != SSL_CB_WRITE_ALERT || (value >> 8) != SSL3_AL_FATAL)
		return;
	struct session *s = bio_session(ssl);
	if (s)
		s->alert_sent = (int16_t)(value & 0xff);
}

struct ssl_ctx_st *tls_context_new_bare(bool is_server, struct err *e)
{
	SSL_CTX *ctx = SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());

	if (!ctx) {
		tls_reason_err(e, ERR_SYSTEM, "no TLS context");
		return NULL;
	}
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_info_callback(ctx, on_info);
	set_keylog(ctx);
	return ctx;
}

/* How long a session lives: as long as the ring surely has the key of its ticket. */
static long lifetime(const struct tls_options *o)
{
	int64_t seconds = o->tickets_rotate_ms / 1000 * o->tickets_keep;

	if (o->tickets_rotate_ms <= 0 || seconds <= 0 || seconds > TICKET_LIFETIME_MAX)
		return TICKET_LIFETIME_MAX;
	return (long)seconds;
}

static void set_resumption(SSL_CTX *ctx, const struct tls_options *o, struct ticket_ring *ring)
{
	SSL_CTX_set_timeout(ctx, lifetime(o));
	resumable_use(ctx, lifetime(o));
	if (o->session_cache > 0)
		session_cache_use(ctx);
	if (!ring || !o->tickets_enabled) {
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
		SSL_CTX_set_num_tickets(ctx, 0);
		return;
	}
	ticket_ring_use(ring, ctx);
}

/* A context with everything but certificates. */
static SSL_CTX *new_bare_server(
	const struct tls_options *o, struct ticket_ring *ring, struct err *e)
{
	SSL_CTX *ctx = tls_context_new_bare(true, e);

	if (!ctx)
		return NULL;
	SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	if (o->offload)
		SSL_CTX_set_options(ctx, SSL_OP_ENABLE_KTLS);
	struct attachment *a = attach_new(ctx, o);
	if (!a) {
		err_set(e, ERR_SYSTEM, "out of memory");
		goto fail;
	}
	if (profile_apply(ctx, o, e) < 0)
		goto fail;
	a->ring = ring;
	set_resumption(ctx, o, ring);
	return ctx;
fail:
	tls_context_free(ctx);
	return NULL;
}

static int bind_resumption(SSL_CTX *ctx, const void *policy, size_t n, struct err *e)
{
	unsigned char *hash = attach_get(ctx)->policy;

	static_assert(ATTACH_POLICY_SIZE == 32, "a SHA-256");
	static_assert(ATTACH_POLICY_SIZE <= SSL_MAX_SID_CTX_LENGTH, "fits");
	if (EVP_Digest(policy, n, hash, NULL, EVP_sha256(), NULL) != 1 ||
		SSL_CTX_set_session_id_context(ctx, hash, ATTACH_POLICY_SIZE) != 1)
		return tls_reason_err(e, ERR_INTERNAL, "no session-id context");
	return 0;
}

static int load_pairs(SSL_CTX *ctx, const struct tls_pair *pairs, size_t n, struct err *e)
{
	struct attachment *a = attach_get(ctx);

	for (size_t i = 0; i < n; i++) {
		if (a->nleaves == ATTACH_LEAVES_MAX)
			return err_at(e, ERR_CONFIG, pairs[i].certificate, 0,
				"more certificates than there are types of keys");
		if (pair_load(ctx, &pairs[i], &a->leaf[a->nleaves], e) < 0)
			return -1;
		a->nleaves++;
	}
	return 0;
}

struct ssl_ctx_st *tls_context_new_server(const struct tls_options *o, const struct tls_pair *pairs,
	size_t npairs, const void *policy, size_t policy_len, struct ticket_ring *ring,
	struct err *e)
{
	SSL_CTX *ctx = new_bare_server(o, ring, e);

	assert(npairs > 0);
	if (!ctx)
		return NULL;
	if (load_pairs(ctx, pairs, npairs, e) < 0 ||
		bind_resumption(ctx, policy, policy_len, e) < 0) {
		tls_context_free(ctx);
		return NULL;
	}
	return ctx;
}

int tls_context_ask_client(struct ssl_ctx_st *ctx, enum tls_client_mode mode, unsigned depth,
	struct tls_trust *trust, struct err *e)
{
	struct attachment *a = attach_get(ctx);

	assert(a && !a->trust);
	if (mode == TLS_CLIENT_OFF)
		return 0;
	if (trust_use(trust, ctx) < 0)
		return tls_reason_err(e, ERR_SYSTEM, "no trust in a context");
	a->trust = tls_trust_hold(trust);
	a->verify = SSL_VERIFY_PEER;
	if (mode == TLS_CLIENT_REQUIRED)
		a->verify |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	a->depth = (int)depth;
	SSL_CTX_set_verify(ctx, a->verify, NULL);
	SSL_CTX_set_verify_depth(ctx, a->depth);
	return 0;
}

struct ssl_ctx_st *tls_context_new_again(const struct ssl_ctx_st *like, const struct tls_options *o,
	const void *policy, size_t policy_len, struct ticket_ring *ring, struct err *e)
{
	const struct attachment *from = attach_get(like);
	SSL_CTX *ctx = new_bare_server(o, ring, e);
	struct attachment *a;

	if (!ctx)
		return NULL;
	if (pair_copy_all(ctx, like, e) < 0 || bind_resumption(ctx, policy, policy_len, e) < 0) {
		tls_context_free(ctx);
		return NULL;
	}
	a = attach_get(ctx);
	for (size_t i = 0; i < from->nleaves; i++) {
		X509_up_ref(from->leaf[i]);
		a->leaf[a->nleaves++] = from->leaf[i];
	}
	return ctx;
}

struct ssl_ctx_st *tls_context_share(struct ssl_ctx_st *ctx, const struct tls_options *o,
	const void *policy, size_t policy_len, struct ticket_ring *ring)
{
	const struct attachment *a = attach_get(ctx);
	unsigned char hash[ATTACH_POLICY_SIZE];

	if (a->claimed || a->trust || a->ring != ring || !tls_options_are_same(&a->options, o) ||
		EVP_Digest(policy, policy_len, hash, NULL, EVP_sha256(), NULL) != 1 ||
		memcmp(hash, a->policy, sizeof(hash)) != 0)
		return NULL;
	SSL_CTX_up_ref(ctx);
	return ctx;
}

struct ssl_ctx_st *tls_context_new_entry(const struct ssl_ctx_st *like, struct err *e)
{
	const struct attachment *a = attach_get(like);

	assert(a);
	return new_bare_server(&a->options, a->ring, e);
}

void tls_context_free(struct ssl_ctx_st *ctx)
{
	SSL_CTX_free(ctx);
}
