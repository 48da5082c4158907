/* One connection's byte stream, TLS or plain, on a non-blocking socket. Every OpenSSL outcome
 * becomes an io_status here, and the error queue is empty whenever OpenSSL is called. It refuses to
 * let OpenSSL start a write that the output buffer could not take whole: such a write would have to
 * be repeated with the same bytes, and no owner has to remember any. */
#include "tls/session.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "tls/bio.h"
#include "tls/ktls.h"
#include "tls/peer.h"
#include "tls/session_cache.h"

enum {
	RECVS_READ = 8,       /* a call's budget of recv(), see session.recvs_left */
	RECVS_HANDSHAKE = 1,  /* the next event brings the rest: asking again is mostly in vain */
	HELLO_MAX = 4096,     /* of a ClientHello that is kept */
	DROPPED_MAX = 32,     /* records that OpenSSL drops after our close_notify, a call */
	RECORD_OVERHEAD = 64, /* of one record, at most: header, nonce, tag */
	ALERT_MAX = 128,      /* a close_notify as a record */
};

void session_env_init(struct session_env *env, bool nosignal)
{
	*env = (struct session_env){ .nosignal = nosignal };
	buf_init(&env->out, SESSION_OUT_MAX);
}

void session_env_done(struct session_env *env)
{
	if (!env)
		return;
	buf_done(&env->out);
	env->owner = NULL;
}

/* Keeps the ClientHello for the report of a failure, and looks at no other message. */
static void on_message(int is_written, int version, int type, const void *p, size_t n,
	struct ssl_st *ssl, void *arg)
{
	struct session *s = arg;

	(void)version;
	if (is_written || type != SSL3_RT_HANDSHAKE || n < SSL3_HM_HEADER_LENGTH ||
		*(const unsigned char *)p != SSL3_MT_CLIENT_HELLO)
		return;
	buf_append(&s->hello, (const char *)p + SSL3_HM_HEADER_LENGTH, n - SSL3_HM_HEADER_LENGTH);
	SSL_set_msg_callback(ssl, NULL);
}

int session_open(
	struct session *s, struct session_env *env, int fd, struct ssl_ctx_st *ctx, bool is_server)
{
	*s = (struct session){ .fd = fd, .env = env, .is_server = is_server, .alert_sent = -1 };
	buf_init(&s->pending, SESSION_OUT_MAX);
	buf_init(&s->hello, HELLO_MAX);
	if (!ctx)
		return 0;
	s->ssl = SSL_new(ctx);
	BIO *bio = s->ssl ? bio_new(s) : NULL;
	if (!bio) {
		ERR_clear_error();
		session_close(s, false);
		return -1;
	}
	SSL_set_bio(s->ssl, bio, bio);
	if (is_server) {
		SSL_set_accept_state(s->ssl);
		SSL_set_msg_callback(s->ssl, on_message);
		SSL_set_msg_callback_arg(s->ssl, s);
	} else {
		SSL_set_connect_state(s->ssl);
	}
	return 0;
}

static void drop_output(struct session *s)
{
	if (s->env && s->env->owner == s) {
		buf_clear(&s->env->out);
		s->env->owner = NULL;
	}
	buf_done(&s->pending);
}

void session_close(struct session *s, bool forget)
{
	if (!s)
		return;
	drop_output(s);
	buf_done(&s->hello);
	tls_peer_free(s->peer);
	s->peer = NULL;
	if (s->env && s->env->named == s)
		s->env->named = NULL;
	if (!s->ssl)
		return;
	if ((forget || s->failed) && s->env && s->env->cache)
		session_cache_forget(s->env->cache, s->ssl);
	SSL_free(s->ssl);
	s->ssl = NULL;
}

/* SSL_get_error() believes a stale error of somebody else to be its own. */
static inline void clear_errors(void)
{
	if (ERR_peek_error() != 0)
		ERR_clear_error();
}

static enum io_status fail(struct session *s)
{
	if (s->reset) {
		ERR_clear_error();
		return IO_RESET;
	}
	s->failed = true;
	session_flush(s);
	return IO_FAIL;
}

/* What a call of OpenSSL that did not succeed means. */
static enum io_status outcome(struct session *s, int rc)
{
	switch (SSL_get_error(s->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		/* a handshake that close_notify ended says no more than this */
		if (SSL_get_shutdown(s->ssl) & SSL_RECEIVED_SHUTDOWN)
			s->peer_closed = true;
		if (!s->peer_fin && !s->peer_closed)
			return IO_WANT_READ;
		return s->peer_closed ? IO_EOF : IO_TRUNCATED;
	case SSL_ERROR_WANT_WRITE:
		return IO_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		s->peer_closed = true;
		return IO_EOF;
	default:
		return fail(s);
	}
}

enum io_status session_handshake(struct session *s)
{
	if (!s->ssl || s->handshaken) {
		s->handshaken = true;
		return IO_OK;
	}
	if (s->failed)
		return IO_FAIL;
	s->recvs_left = RECVS_HANDSHAKE;
	for (;;) {
		enum io_status flushed = session_flush(s);
		if (flushed != IO_OK)
			return flushed;
		clear_errors();
		int rc = SSL_do_handshake(s->ssl);
		if (rc == 1)
			break;
		enum io_status st = outcome(s, rc);
		if (st == IO_WANT_WRITE)
			continue;
		flushed = session_flush(s);
		return st == IO_WANT_READ && flushed != IO_OK ? flushed : st;
	}
	s->handshaken = true;
	buf_done(&s->hello);
	if (s->is_server && SSL_get0_peer_certificate(s->ssl))
		s->peer = tls_peer_new(SSL_get0_peer_certificate(s->ssl));
	if (session_has_input(s))
		return IO_OK;
	return session_flush(s) == IO_RESET ? IO_RESET : IO_OK;
}

static enum io_status read_plain(struct session *s, void *p, size_t n, size_t *ret_n)
{
	enum io_status st = bio_recv(s, p, n, ret_n);

	return st == IO_WANT_READ && s->peer_fin ? IO_EOF : st;
}

/* After our close_notify OpenSSL drops records other than content and says neither yes nor no. */
static bool has_dropped(const struct session *s, int rc)
{
	return s->sent_close && !s->reset && ERR_peek_error() == 0 &&
	       SSL_get_error(s->ssl, rc) == SSL_ERROR_SYSCALL;
}

enum io_status session_read(struct session *s, void *p, size_t n, size_t *ret_n)
{
	*ret_n = 0;
	if (s->reset)
		return IO_RESET;
	s->recvs_left = s->hold ? 0 : RECVS_READ;
	if (!s->ssl)
		return read_plain(s, p, n, ret_n);
	if (s->failed)
		return IO_FAIL;
	if (s->peer_closed)
		return IO_EOF;
	for (int dropped = 0; dropped < DROPPED_MAX; dropped++) {
		clear_errors();
		int rc = SSL_read_ex(s->ssl, p, n, ret_n);
		if (rc == 1)
			return IO_OK;
		if (!has_dropped(s, rc))
			return outcome(s, rc);
	}
	return IO_WANT_READ;
}

bool session_has_input(const struct session *s)
{
	if (!s->ssl || s->failed || s->reset || s->peer_closed)
		return false;
	return s->dry ? SSL_pending(s->ssl) > 0 : SSL_has_pending(s->ssl) == 1;
}

/* How many of n bytes of content fit into the output buffer, as whole records unless all fit. */
static size_t fitting(const struct session *s, size_t n)
{
	size_t room = SESSION_OUT_MAX - buf_len(&s->env->out);
	size_t records = n / SESSION_READ_MAX + 1;

	if (n <= SESSION_OUT_MAX && n + records * RECORD_OVERHEAD + ALERT_MAX <= room)
		return n;
	if (room < ALERT_MAX)
		return 0;
	return (room - ALERT_MAX) / (SESSION_READ_MAX + RECORD_OVERHEAD) * SESSION_READ_MAX;
}

static enum io_status write_plain(struct session *s, const void *p, size_t n, size_t *ret_n)
{
	size_t room = SESSION_OUT_MAX - buf_len(&s->env->out);

	if (n > room)
		n = room;
	if (n == 0)
		return IO_WANT_WRITE;
	enum io_status st = bio_gather(s, p, n);
	if (st == IO_OK)
		*ret_n = n;
	return st;
}

/* SSL_MODE_ENABLE_PARTIAL_WRITE makes a call end after one record: go on until all is taken. */
static enum io_status write_records(struct session *s, const char *p, size_t n, size_t *ret_n)
{
	while (*ret_n < n) {
		size_t took = 0;
		clear_errors();
		int rc = SSL_write_ex(s->ssl, p + *ret_n, n - *ret_n, &took);
		if (rc != 1)
			return *ret_n > 0 && !s->reset ? IO_OK : outcome(s, rc);
		*ret_n += took;
	}
	return IO_OK;
}

enum io_status session_write(struct session *s, const void *p, size_t n, size_t *ret_n)
{
	assert(n > 0);
	*ret_n = 0;
	if (s->reset)
		return IO_RESET;
	if (s->failed || s->sent_close)
		return IO_FAIL;
	if (buf_len(&s->pending) > 0)
		return IO_WANT_WRITE;
	if (!s->ssl)
		return write_plain(s, p, n, ret_n);
	n = fitting(s, n);
	return n > 0 ? write_records(s, p, n, ret_n) : IO_WANT_WRITE;
}

/* Errors of the socket; others are the file's. */
static bool is_reset(int error)
{
	return error == EPIPE || error == ECONNRESET || error == ETIMEDOUT || error == ENOTCONN ||
	       error == EHOSTUNREACH || error == ENETUNREACH;
}

enum io_status session_sendfile(struct session *s, int fd, uint64_t offset, size_t n, size_t *ret_n)
{
	enum io_status st = session_flush(s);

	assert(s->offloaded);
	*ret_n = 0;
	if (st != IO_OK)
		return st;
	if (s->failed || s->sent_close)
		return IO_FAIL;
	clear_errors();
	ossl_ssize_t sent = SSL_sendfile(s->ssl, fd, (off_t)offset, n, 0);
	int error = errno;
	if (sent >= 0) {
		s->bytes_out += (uint64_t)sent;
		*ret_n = (size_t)sent;
		return IO_OK;
	}
	ERR_clear_error();
	if (error == EAGAIN || error == EINTR || error == EBUSY)
		return IO_WANT_WRITE;
	s->reset = is_reset(error);
	return s->reset ? IO_RESET : IO_OK;
}

void session_write_bare(struct session *s, const void *p, size_t n)
{
	if (s->failed && !s->handshaken && s->bytes_out == 0 && s->alert_sent < 0)
		bio_gather(s, p, n);
}

/* One send(). What is sent is consumed; IO_WANT_WRITE: not all of it was. */
static enum io_status send_some(struct session *s, struct buf *b)
{
	ssize_t sent;

	do
		sent = s->pending_type ? ktls_send(s, buf_head(b), buf_len(b))
				       : send(s->fd, buf_head(b), buf_len(b),
						 s->env->nosignal ? MSG_NOSIGNAL : 0);
	while (sent < 0 && errno == EINTR);
	if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
		return IO_RESET;
	if (sent > 0) {
		s->bytes_out += (uint64_t)sent;
		buf_consume(b, (size_t)sent);
	}
	return buf_len(b) == 0 ? IO_OK : IO_WANT_WRITE;
}

static enum io_status flush_out(struct session *s)
{
	struct buf *out = &s->env->out;
	enum io_status st = send_some(s, out);

	if (st == IO_WANT_WRITE && !buf_append(&s->pending, buf_head(out), buf_len(out)))
		st = IO_RESET; /* no memory for the rest: the stream has a hole and cannot go on */
	buf_clear(out);
	s->env->owner = NULL;
	return st;
}

enum io_status session_flush(struct session *s)
{
	enum io_status st = IO_OK;

	if (s->reset) {
		drop_output(s);
		return IO_RESET;
	}
	if (buf_len(&s->pending) > 0) {
		st = send_some(s, &s->pending);
		if (st == IO_OK) {
			buf_done(&s->pending);
			s->pending_type = 0;
		}
	} else if (s->env->owner == s) {
		st = flush_out(s);
	}
	if (st == IO_RESET) {
		s->reset = true;
		drop_output(s);
	}
	return st;
}

static bool may_send_close(const struct session *s)
{
	return s->ssl && s->handshaken && !s->sent_close && !s->failed && !s->reset;
}

/* Behind it comes shutdown(): nothing may be left in front of TCP. */
static bool must_wait(struct session *s)
{
	return s->offloaded && may_send_close(s) &&
	       (session_flush(s) == IO_WANT_WRITE || !ktls_has_room(s));
}

enum io_status session_send_close(struct session *s)
{
	if (must_wait(s))
		return IO_WANT_WRITE;
	if (may_send_close(s) && SESSION_OUT_MAX - buf_len(&s->env->out) < ALERT_MAX)
		session_flush(s);
	if (may_send_close(s) && buf_len(&s->pending) == 0) {
		clear_errors();
		if (SSL_shutdown(s->ssl) < 0)
			ERR_clear_error();
		s->sent_close = (SSL_get_shutdown(s->ssl) & SSL_SENT_SHUTDOWN) != 0;
	}
	return session_flush(s);
}

const char *session_version(const struct session *s)
{
	return s->ssl ? SSL_get_version(s->ssl) : "";
}

const char *session_cipher(const struct session *s)
{
	return s->ssl ? SSL_get_cipher_name(s->ssl) : "";
}

bool session_resumed(const struct session *s)
{
	return s->ssl && SSL_session_reused(s->ssl);
}

const char *session_alpn(const struct session *s, size_t *ret_n)
{
	const unsigned char *p = NULL;
	unsigned n = 0;

	if (s->ssl)
		SSL_get0_alpn_selected(s->ssl, &p, &n);
	*ret_n = n;
	return n > 0 ? (const char *)p : "";
}

const char *session_client_verdict(const struct session *s)
{
	if (!s->ssl || !s->handshaken || !(SSL_get_verify_mode(s->ssl) & SSL_VERIFY_PEER))
		return NULL;
	return SSL_get0_peer_certificate(s->ssl) ? "ok" : "none";
}

const char *session_sni(const struct session *s)
{
	const char *name = s->ssl ? SSL_get_servername(s->ssl, TLSEXT_NAMETYPE_host_name) : NULL;

	if (name)
		return name;
	return s->env->named == s ? s->env->name : "";
}
