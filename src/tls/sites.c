/* Chooses the site in the ClientHello callback: before a session is looked up, so that a ticket is
 * only ever judged under the policy of the site that the name selects. It refuses names that nobody
 * has, and clients that speak none of our protocols. */
#include "tls/sites.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/names.h"
#include "tls/attach.h"
#include "tls/bio.h"
#include "tls/context.h"
#include "tls/hello.h"

struct choice {
	struct choice *next;
	SSL_CTX *ctx; /* borrowed */
	void *site;
};

struct tls_sites {
	struct names *names;
	struct choice *choices;
	struct choice *otherwise; /* one of `choices`; NULL: no default */
	SSL_CTX *entry;           /* a reference of ours */
	bool http2;
};

/* In wire format, the preferred one first. */
static const unsigned char protocols[] = "\x02h2\x08http/1.1";
enum { H2_LENGTH = 3 };

struct tls_sites *tls_sites_new(void)
{
	struct tls_sites *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->names = names_new();
	if (!t->names) {
		free(t);
		return NULL;
	}
	return t;
}

void tls_sites_free(struct tls_sites *t)
{
	if (!t)
		return;
	struct attachment *a = t->entry ? attach_get(t->entry) : NULL;
	if (a && a->claimed == t) {
		SSL_CTX_set_client_hello_cb(t->entry, NULL, NULL);
		a->claimed = NULL;
	}
	SSL_CTX_free(t->entry);
	for (struct choice *c = t->choices, *next; c; c = next) {
		next = c->next;
		free(c);
	}
	names_free(t->names);
	free(t);
}

/* RFC 9113 section 9.2.2: in TLS 1.2 only with an ephemeral key exchange and AEAD. OpenSSL has
 * chosen the cipher suite when it asks for the protocol. */
static bool may_speak_h2(SSL *ssl)
{
	const struct session *s = bio_session(ssl);
	const SSL_CIPHER *cipher = SSL_get_pending_cipher(ssl);

	if (!s || !s->offers_h2)
		return false;
	if (SSL_version(ssl) >= TLS1_3_VERSION)
		return true;
	return cipher && SSL_CIPHER_is_aead(cipher) &&
	       (SSL_CIPHER_get_kx_nid(cipher) == NID_kx_ecdhe ||
		       SSL_CIPHER_get_kx_nid(cipher) == NID_kx_dhe);
}

static int on_alpn(SSL *ssl, const unsigned char **ret, unsigned char *ret_n,
	const unsigned char *offered, unsigned n, void *arg)
{
	unsigned char *chosen = NULL;
	size_t skip = may_speak_h2(ssl) ? 0 : H2_LENGTH;

	(void)arg;
	if (SSL_select_next_proto(&chosen, ret_n, protocols + skip,
		    (unsigned)(sizeof(protocols) - 1 - skip), offered, n) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*ret = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* The choice is made already: now OpenSSL acknowledges the name and keeps it in the session. */
static int on_servername(SSL *ssl, int *alert, void *arg)
{
	(void)ssl, (void)alert, (void)arg;
	return SSL_TLSEXT_ERR_OK;
}

/* The names of a site come one after the other: no other choice is looked at than the last. */
static struct choice *find_choice(struct tls_sites *t, SSL_CTX *ctx, void *site)
{
	struct choice *c = t->choices;

	if (c && c->ctx == ctx && c->site == site)
		return c;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	*c = (struct choice){ .next = t->choices, .ctx = ctx, .site = site };
	t->choices = c;
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	SSL_CTX_set_tlsext_servername_callback(ctx, on_servername);
	return c;
}

int tls_sites_add(struct tls_sites *t, struct str name, struct ssl_ctx_st *ctx, void *site)
{
	struct choice *c = find_choice(t, ctx, site);

	return c ? names_add(t->names, name, c) : -1;
}

int tls_sites_set_default(struct tls_sites *t, struct ssl_ctx_st *ctx, void *site)
{
	t->otherwise = find_choice(t, ctx, site);
	return t->otherwise ? 0 : -1;
}

/* A name is ASCII without blanks; what stands in logs must not be able to forge a line. */
static bool is_printable(const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] <= 0x20 || p[i] >= 0x7f)
			return false;
	return true;
}

/* The host_name of a server_name extension (RFC 6066 section 3); n 0: none. False: *ret_alert. */
static bool client_name(SSL *ssl, struct str *ret, int *ret_alert)
{
	const unsigned char *p;
	size_t n;

	*ret = (struct str){ "", 0 };
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &p, &n) != 1)
		return true;
	*ret_alert = SSL_AD_DECODE_ERROR;
	if (n < 5 || ((size_t)p[0] << 8 | p[1]) != n - 2 || p[2] != TLSEXT_NAMETYPE_host_name)
		return false;
	size_t len = (size_t)p[3] << 8 | p[4];
	if (len == 0 || len > n - 5)
		return false;
	*ret_alert = SSL_AD_ILLEGAL_PARAMETER;
	if (len > TLSEXT_MAXLEN_host_name || !is_printable(p + 5, len))
		return false;
	*ret = (struct str){ (const char *)p + 5, len };
	return true;
}

/* OpenSSL forgets it when the handshake fails before a session is made. */
static void keep_name(struct session *s, struct str name)
{
	if (name.n == 0 || name.n >= sizeof(s->env->name))
		return;
	memcpy(s->env->name, name.p, name.n);
	s->env->name[name.n] = '\0';
	s->env->named = s;
}

/* SSL_set_SSL_CTX() takes certificates, ciphers, callbacks and the store of CAs along; the
 * session-id context and what is asked of the client are set by hand; what else it leaves
 * (versions, options, groups) is the same for a listener's sites. */
static int switch_to(SSL *ssl, SSL_CTX *ctx, int *alert)
{
	const struct attachment *a = attach_get(ctx);

	SSL_set_verify(ssl, a->verify, NULL);
	if (a->trust)
		SSL_set_verify_depth(ssl, a->depth);
	if ((SSL_get_SSL_CTX(ssl) == ctx || SSL_set_SSL_CTX(ssl, ctx)) &&
		SSL_set_session_id_context(ssl, a->policy, sizeof(a->policy)) == 1)
		return SSL_CLIENT_HELLO_SUCCESS;
	*alert = SSL_AD_INTERNAL_ERROR;
	return SSL_CLIENT_HELLO_ERROR;
}

static int on_client_hello(SSL *ssl, int *alert, void *arg)
{
	struct tls_sites *t = arg;
	struct session *s = bio_session(ssl);
	struct str name;

	/* The second ClientHello after a HelloRetryRequest, maybe on another table's context. */
	if (s && s->has_site)
		return SSL_CLIENT_HELLO_SUCCESS;
	if (s)
		hello_take(ssl, &s->offered_versions, &s->offered_groups);
	if (!client_name(ssl, &name, alert))
		return SSL_CLIENT_HELLO_ERROR;
	if (s)
		keep_name(s, name);
	struct choice *c = name.n > 0 ? names_find(t->names, name, NULL) : NULL;
	if (!c)
		c = t->otherwise;
	if (!c) {
		*alert = SSL_AD_UNRECOGNIZED_NAME;
		return SSL_CLIENT_HELLO_ERROR;
	}
	if (s) {
		s->site = c->site;
		s->has_site = true;
		s->offers_h2 = t->http2;
	}
	return switch_to(ssl, c->ctx, alert);
}

/* A connection starts on the context that it most probably ends on: switching costs. A context that
 * is another table's entry already cannot be ours too, for the callback has one argument. */
int tls_sites_finish(struct tls_sites *t, bool http2, struct err *e)
{
	struct choice *first = t->otherwise ? t->otherwise : t->choices;

	assert(!t->entry);
	t->http2 = http2;
	if (!first)
		return err_set(e, ERR_CONFIG, "a TLS listener without a site");
	struct attachment *a = attach_get(first->ctx);
	assert(a);
	if (!a->claimed) {
		a->claimed = t;
		SSL_CTX_up_ref(first->ctx);
		t->entry = first->ctx;
	} else {
		t->entry = tls_context_new_entry(first->ctx, e);
		if (!t->entry)
			return -1;
	}
	SSL_CTX_set_client_hello_cb(t->entry, on_client_hello, t);
	return 0;
}

struct ssl_ctx_st *tls_sites_context(const struct tls_sites *t)
{
	return t->entry;
}
