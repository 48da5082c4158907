/* Client and server at the two ends of a socket pair, turn by turn, in one process. The client is
 * the most willing that there can be: what fails with it fails with all. Judges no chain, for
 * whether clients trust a certificate is theirs to say. */
#include "tls/trial.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "tls/attach.h"
#include "tls/profile.h"
#include "tls/reason.h"
#include "tls/session.h"
#include "tls/sites.h"

enum {
	TURNS_MAX = 64, /* flights of a handshake, and many more */
	PATIENCE_MS = 1000,
};

/* So that a server with several certificates takes the one with this type of key. */
static const char *signatures_of(const X509 *leaf)
{
	static const struct {
		int type;
		const char *list;
	} table[] = {
		{ EVP_PKEY_RSA, "RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:"
				"RSA+SHA256:RSA+SHA384:RSA+SHA512" },
		{ EVP_PKEY_EC, "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512" },
		{ EVP_PKEY_ED25519, "ed25519" },
		{ EVP_PKEY_ED448, "ed448" },
	};
	const EVP_PKEY *key = X509_get0_pubkey(leaf);

	for (size_t i = 0; key && i < sizeof(table) / sizeof(table[0]); i++)
		if (EVP_PKEY_get_base_id(key) == table[i].type)
			return table[i].list;
	return NULL;
}

void trial_init(struct trial *t, const struct tls_sites *sites)
{
	*t = (struct trial){ .sites = sites };
	session_env_init(&t->env, true);
}

void trial_done(struct trial *t)
{
	session_env_done(&t->env);
	SSL_CTX_free(t->client);
}

/* Building the chain costs as much as the rest of a handshake. */
static int believe(X509_STORE_CTX *chain, void *arg)
{
	(void)chain, (void)arg;
	return 1;
}

/* With the options of the table, which all its contexts have. */
static SSL_CTX *client_context(struct trial *t, const struct tls_options *o, struct err *e)
{
	if (t->client)
		return t->client;
	t->client = SSL_CTX_new(TLS_client_method());
	if (!t->client)
		return NULL;
	SSL_CTX_set_security_level(t->client, 0);
	SSL_CTX_set_cert_verify_callback(t->client, believe, NULL);
	if (profile_apply(t->client, o, e) == 0)
		return t->client;
	SSL_CTX_free(t->client);
	return t->client = NULL;
}

/* NULL: `e`. */
static SSL *new_client(struct trial *t, const struct attachment *a, const X509 *leaf,
	const char *name, struct err *e)
{
	const char *signatures = a->nleaves > 1 ? signatures_of(leaf) : NULL;
	SSL_CTX *ctx = client_context(t, &a->options, e);
	SSL *ssl = ctx ? SSL_new(ctx) : NULL;

	if (ssl && ((signatures && SSL_set1_sigalgs_list(ssl, signatures) != 1) ||
			   (*name && SSL_set_tlsext_host_name(ssl, name) != 1))) {
		SSL_free(ssl);
		ssl = NULL;
	}
	if (!ssl)
		tls_reason_err(e, ERR_SYSTEM, "no client for a trial handshake");
	return ssl;
}

static bool goes_on(enum io_status s)
{
	return s == IO_WANT_READ || s == IO_WANT_WRITE;
}

/* Our client has no certificate: that it was asked for one is enough. */
static int server_failed(const struct session *server, struct err *e)
{
	struct tls_reason reason;

	tls_reason_take(server->ssl, &reason);
	if (strcmp(reason.word, "client_certificate_missing") == 0)
		return 0;
	return err_set(e, ERR_CONFIG, "%s", reason.sentence);
}

/* What one side wrote may be on its way still. */
static bool comes_something(const struct session *server, const SSL *client)
{
	struct pollfd ends[] = {
		{ .fd = server->fd, .events = POLLIN },
		{ .fd = SSL_get_fd(client), .events = POLLIN },
	};

	return poll(ends, 2, PATIENCE_MS) > 0;
}

/* The client's part of a turn: 1: done, 0: not yet, -1: `e`. */
static int shake_client(SSL *client, struct err *e)
{
	struct tls_reason reason;

	ERR_clear_error();
	int rc = SSL_do_handshake(client);
	if (rc == 1)
		return 1;
	int error = SSL_get_error(client, rc);
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
		return 0;
	tls_reason_take(client, &reason);
	return err_set(e, ERR_CONFIG, "%s", reason.sentence);
}

int trial_shake(struct session *server, struct ssl_st *client, struct err *e)
{
	enum io_status s = IO_WANT_READ;
	int c = 0;

	for (int i = 0; i < TURNS_MAX && !(s == IO_OK && c == 1); i++) {
		if (i > 0 && !comes_something(server, client))
			break;
		if (c != 1)
			c = shake_client(client, e);
		if (c < 0)
			return -1;
		if (goes_on(s)) {
			s = session_handshake(server);
			if (s == IO_OK)
				session_flush(server);
		}
		if (!goes_on(s) && s != IO_OK)
			return server_failed(server, e);
	}
	ERR_clear_error();
	return s == IO_OK && c == 1 ? 0 : err_set(e, ERR_CONFIG, "it does not come to an end");
}

static int try_leaf(struct trial *t, const struct attachment *a, X509 *leaf, const char *name,
	const void *site, struct err *e)
{
	struct session server = { .fd = -1 };
	SSL *client = new_client(t, a, leaf, name, e);
	int fd[2] = { -1, -1 }, rc = -1;

	if (!client)
		goto out;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd) < 0) {
		err_errno(e, ERR_SYSTEM, errno, "cannot make sockets");
		goto out;
	}
	if (session_open(&server, &t->env, fd[0], tls_sites_context(t->sites), true) < 0 ||
		SSL_set_fd(client, fd[1]) != 1) {
		err_set(e, ERR_SYSTEM, "out of memory");
		goto out;
	}
	SSL_set_connect_state(client);
	rc = trial_shake(&server, client, e);
	if (rc == 0 && server.site != site)
		rc = err_set(e, ERR_CONFIG, "the name \"%.100s\" leads to another site", name);
	if (rc == 0 && X509_cmp(SSL_get0_peer_certificate(client), leaf) != 0)
		rc = err_set(e, ERR_CONFIG, "another certificate is served");
out:
	session_close(&server, false);
	SSL_free(client);
	for (int i = 0; i < 2; i++)
		if (fd[i] >= 0)
			close(fd[i]);
	ERR_clear_error();
	return rc;
}

int trial_handshakes(
	struct trial *t, struct ssl_ctx_st *ctx, const char *name, const void *site, struct err *e)
{
	const struct attachment *a = attach_get(ctx);

	for (size_t i = 0; i < a->nleaves; i++)
		if (try_leaf(t, a, a->leaf[i], name, site, e) < 0)
			return -1;
	return 0;
}

const char *trial_kind(struct ssl_ctx_st *ctx, char *dst, size_t size)
{
	const struct attachment *a = attach_get(ctx);
	size_t len = 0;

	*dst = '\0';
	for (size_t i = 0; i < a->nleaves && len < size; i++) {
		const EVP_PKEY *key = X509_get0_pubkey(a->leaf[i]);
		char group[32] = "";

		if (key)
			EVP_PKEY_get_group_name(key, group, sizeof(group), NULL);
		len += (size_t)snprintf(dst + len, size - len, "%d %d %s %d;",
			key ? EVP_PKEY_get_base_id(key) : 0, key ? EVP_PKEY_get_bits(key) : 0,
			group, X509_get_signature_nid(a->leaf[i]));
	}
	ERR_clear_error();
	return dst;
}

static bool signs(EVP_PKEY *key, EVP_PKEY *public_key)
{
	static const unsigned char text[] = "latchd";
	unsigned char signature[2048];
	size_t n = sizeof(signature);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool pure = EVP_PKEY_is_a(key, "ED25519") || EVP_PKEY_is_a(key, "ED448");
	const EVP_MD *md = pure ? NULL : EVP_sha256();
	bool ok = ctx && EVP_DigestSignInit(ctx, NULL, md, NULL, key) == 1 &&
		  EVP_DigestSign(ctx, signature, &n, text, sizeof(text)) == 1 &&
		  EVP_MD_CTX_reset(ctx) == 1 &&
		  EVP_DigestVerifyInit(ctx, NULL, md, NULL, public_key) == 1 &&
		  EVP_DigestVerify(ctx, signature, n, text, sizeof(text)) == 1;

	EVP_MD_CTX_free(ctx);
	return ok;
}

int trial_prove(struct ssl_ctx_st *ctx, struct err *e)
{
	ERR_clear_error();
	for (long op = SSL_CERT_SET_FIRST; SSL_CTX_set_current_cert(ctx, op) == 1;
		op = SSL_CERT_SET_NEXT)
		if (!signs(SSL_CTX_get0_privatekey(ctx),
			    X509_get0_pubkey(SSL_CTX_get0_certificate(ctx)))) {
			ERR_clear_error();
			return err_set(e, ERR_CONFIG,
				"the private key signs nothing that its certificate verifies");
		}
	ERR_clear_error();
	return 0;
}

/* Did the server ask for a certificate of ours (TLS 1.2), and show us its own before? */
static bool wants_certificate(SSL *client)
{
	const uint8_t *types;

	return SSL_get0_peer_certificate(client) && SSL_get0_certificate_types(client, &types) > 0;
}

int trial_client(int fd, struct ssl_ctx_st *ctx, const char *name, struct err *e)
{
	const struct attachment *a = attach_get(ctx);
	struct tls_reason reason;
	struct trial t;
	SSL *client;
	int rc = -1;

	trial_init(&t, NULL);
	client = new_client(&t, a, a->leaf[0], name, e);
	if (!client)
		goto out;
	ERR_clear_error();
	if (SSL_set_fd(client, fd) != 1) {
		err_set(e, ERR_SYSTEM, "out of memory");
	} else if (SSL_connect(client) != 1 && !wants_certificate(client)) {
		tls_reason_take(client, &reason);
		err_set(e, ERR_INTERNAL, "%s", reason.sentence);
	} else if (X509_cmp(SSL_get0_peer_certificate(client), a->leaf[0]) != 0) {
		err_set(e, ERR_INTERNAL, "another certificate is served");
	} else {
		rc = 0;
	}
	SSL_free(client);
	ERR_clear_error();
out:
	trial_done(&t);
	return rc;
}
