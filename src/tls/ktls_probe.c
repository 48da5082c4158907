/* The probe of tls.ktls: a server with a throw-away certificate and a client, in one process, at
 * the two ends of a TCP connection. Ciphers are tried one by one, for kernels have some of them. It
 * refuses all of kTLS when one thing arrives that was not sent. */
#include "tls/ktls_probe.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "tls/context.h"
#include "tls/session.h"
#include "tls/throwaway.h"
#include "tls/trial.h"

enum {
	TEXT_SIZE = 100,
	FILE_SIZE = 20000, /* more than a record, less than any buffer of the kernel */
	PATIENCE_MS = 1000,
};

static const struct {
	const char *name, *suite, *cipher;
} ciphers[] = {
	{ "AES-128-GCM", "TLS_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256" },
	{ "AES-256-GCM", "TLS_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384" },
	{ "ChaCha20-Poly1305", "TLS_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305" },
};

enum outcome {
	SEALED,  /* by the kernel, and what was sent arrived */
	REFUSED, /* OpenSSL sealed it */
	UNKNOWN, /* there is no such cipher, or no connection */
	CORRUPT, /* something else arrived */
};

/* What is sent: text from memory, then the file. */
struct material {
	SSL_CTX *server;
	int file;
	unsigned char bytes[TEXT_SIZE + FILE_SIZE];
};

/* A socket that never blocks: where packets of ours are dropped, the whole master would wait. */
static int open_socket(void)
{
	return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* -1 with errno. */
static int await_connection(int listener)
{
	struct pollfd wait = { .fd = listener, .events = POLLIN };
	int n = poll(&wait, 1, PATIENCE_MS);

	if (n == 0)
		errno = ETIMEDOUT;
	return n <= 0 ? -1 : accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/* The two ends of a connection over the loopback. 0 or -1 with errno. */
static int connect_pair(int fd[2])
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int listener = open_socket(), error;
	socklen_t size = sizeof(a);

	fd[0] = -1;
	fd[1] = open_socket();
	if (listener >= 0 && fd[1] >= 0 && bind(listener, (struct sockaddr *)&a, size) == 0 &&
		listen(listener, 1) == 0 &&
		getsockname(listener, (struct sockaddr *)&a, &size) == 0 &&
		(connect(fd[1], (struct sockaddr *)&a, size) == 0 || errno == EINPROGRESS))
		fd[0] = await_connection(listener);
	error = errno;
	if (listener >= 0)
		close(listener);
	if (fd[0] < 0 && fd[1] >= 0)
		close(fd[1]);
	errno = error;
	return fd[0] < 0 ? -1 : 0;
}

/* Has the kernel TLS at all? NULL, or a sentence. */
static const char *find_trouble(char *dst, size_t size)
{
	static const char name[] = "tls";
	int fd[2], error = 0;

	if (connect_pair(fd) < 0) {
		snprintf(dst, size, "no connection over the loopback to try it on: %m");
		return dst;
	}
	if (setsockopt(fd[0], SOL_TCP, TCP_ULP, name, sizeof(name)) < 0)
		error = errno;
	close(fd[0]);
	close(fd[1]);
	if (error == 0)
		return NULL;
	errno = error;
	if (error == ENOENT)
		snprintf(dst, size,
			"the kernel has no TLS: it was built without CONFIG_TLS, or its module "
			"\"tls\" is not loaded");
	else
		snprintf(dst, size, "the kernel refuses TLS: %m");
	return dst;
}

/* What comes until close_notify is exactly what was sent. */
static bool arrives(SSL *client, const struct material *m)
{
	unsigned char got[sizeof(m->bytes) + 1];
	struct pollfd wait = { .fd = SSL_get_fd(client), .events = POLLIN };
	size_t n = 0, more;

	for (;;) {
		int rc = SSL_read_ex(client, got + n, sizeof(got) - n, &more);
		int error = rc == 1 ? SSL_ERROR_NONE : SSL_get_error(client, rc);

		if (error == SSL_ERROR_NONE)
			n += more;
		else if (error == SSL_ERROR_ZERO_RETURN)
			return n == sizeof(m->bytes) && memcmp(got, m->bytes, n) == 0;
		else if (error != SSL_ERROR_WANT_READ || poll(&wait, 1, PATIENCE_MS) <= 0)
			return false;
		if (n == sizeof(got))
			return false;
	}
}

static bool send_all(struct session *s, const struct material *m)
{
	size_t n;

	return session_write(s, m->bytes, TEXT_SIZE, &n) == IO_OK && n == TEXT_SIZE &&
	       session_sendfile(s, m->file, 0, FILE_SIZE, &n) == IO_OK && n == FILE_SIZE &&
	       session_send_close(s) == IO_OK && s->sent_close;
}

static enum outcome exchange(struct session *server, SSL *client, const struct material *m)
{
	struct err e = { 0 };

	if (trial_shake(server, client, &e) < 0)
		return UNKNOWN;
	if (!server->offloaded)
		return REFUSED;
	return send_all(server, m) && arrives(client, m) ? SEALED : CORRUPT;
}

static SSL_CTX *client_context(size_t cipher, int version)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx && (SSL_CTX_set_min_proto_version(ctx, version) != 1 ||
			   SSL_CTX_set_max_proto_version(ctx, version) != 1 ||
			   SSL_CTX_set_ciphersuites(ctx, ciphers[cipher].suite) != 1 ||
			   SSL_CTX_set_cipher_list(ctx, ciphers[cipher].cipher) != 1)) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

static enum outcome try_cipher(const struct material *m, size_t cipher, int version)
{
	SSL_CTX *ctx = client_context(cipher, version);
	SSL *client = ctx ? SSL_new(ctx) : NULL;
	enum outcome outcome = UNKNOWN;
	struct session_env env;
	struct session server;
	int fd[2];

	session_env_init(&env, true);
	if (client && connect_pair(fd) == 0) {
		if (session_open(&server, &env, fd[0], m->server, true) == 0 &&
			SSL_set_fd(client, fd[1]) == 1) {
			SSL_set_connect_state(client);
			outcome = exchange(&server, client, m);
		}
		session_close(&server, false);
		close(fd[0]);
		close(fd[1]);
	}
	session_env_done(&env);
	SSL_free(client);
	SSL_CTX_free(ctx);
	ERR_clear_error();
	return outcome;
}

static void append(char *dst, size_t size, const char *text)
{
	size_t n = strlen(dst);

	snprintf(dst + n, size - n, "%s%s", n > 0 ? ", " : "", text);
}

static void try_all(struct ktls_probe *p, const struct material *m)
{
	char left[80] = "";

	for (size_t i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++) {
		enum outcome old = try_cipher(m, i, TLS1_2_VERSION);
		enum outcome new = try_cipher(m, i, TLS1_3_VERSION);

		if (old == CORRUPT || new == CORRUPT) {
			snprintf(p->trouble, sizeof(p->trouble),
				"with %s something else arrives than was sent", ciphers[i].name);
			return;
		}
		if (old == SEALED && new == SEALED)
			append(p->ciphers, sizeof(p->ciphers), ciphers[i].name);
		else if (old != UNKNOWN || new != UNKNOWN)
			append(left, sizeof(left), ciphers[i].name);
	}
	p->works = p->ciphers[0] != '\0';
	if (!p->works)
		snprintf(p->trouble, sizeof(p->trouble),
			"OpenSSL was built without kTLS, or the kernel takes none of its ciphers");
	else if (left[0])
		snprintf(p->trouble, sizeof(p->trouble), "OpenSSL seals %s itself", left);
}

static int make_file(struct material *m, struct err *e)
{
	for (size_t i = 0; i < sizeof(m->bytes); i++)
		m->bytes[i] = (unsigned char)(i * 7 + i / 251);
	m->file = memfd_create("latchd-ktls", MFD_CLOEXEC);
	if (m->file >= 0 && write(m->file, m->bytes + TEXT_SIZE, FILE_SIZE) == FILE_SIZE)
		return 0;
	return err_errno(e, ERR_SYSTEM, errno, "no file to try it with");
}

static int make_server(struct material *m, struct err *e)
{
	static const struct tls_options options = { .offload = true };
	struct tls_pair pair = { 0 };
	struct buf ca, pem;
	int rc;

	buf_init(&ca, 16 * 1024);
	buf_init(&pem, 16 * 1024);
	rc = tls_throwaway_make(1, &ca, &pem, e);
	if (rc == 0 && !buf_append(&pem, "", 1))
		rc = err_set(e, ERR_SYSTEM, "out of memory");
	if (rc == 0) {
		pair.pem = buf_head(&pem);
		m->server = tls_context_new_server(&options, &pair, 1, "", 0, NULL, e);
		explicit_bzero(buf_head(&pem), buf_len(&pem));
	}
	buf_done(&ca);
	buf_done(&pem);
	return m->server ? 0 : -1;
}

void ktls_probe(struct ktls_probe *ret)
{
	struct material m = { .file = -1 };
	struct err e = { 0 };

	*ret = (struct ktls_probe){ 0 };
	if (find_trouble(ret->trouble, sizeof(ret->trouble)))
		return;
	if (make_file(&m, &e) == 0 && make_server(&m, &e) == 0)
		try_all(ret, &m);
	else
		snprintf(ret->trouble, sizeof(ret->trouble), "it could not be tried: %.160s",
			e.text);
	tls_context_free(m.server);
	if (m.file >= 0)
		close(m.file);
}

const char *ktls_probe_describe(const struct ktls_probe *p, char *dst, size_t size)
{
	snprintf(dst, size, "%s%s%s%s", p->works ? "the kernel seals " : "not used: ", p->ciphers,
		p->works && p->trouble[0] ? "; " : "", p->trouble);
	return dst;
}
