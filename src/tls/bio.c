/* The socket BIO: what OpenSSL reads comes straight from recv(); what it writes gathers in the
 * process's output buffer until the session is flushed, but a large record is sent by itself. It
 * refuses two things: to show OpenSSL a FIN (the session is told instead, and can still answer),
 * and to mix the bytes of two sessions. */
#include "tls/bio.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include "tls/ktls.h"

enum { LARGE_RECORD = 8 * 1024 }; /* from here on a copy costs more than a system call */

/* Reserved for kTLS in openssl/bio.h, which names them in a comment alone. */
enum {
	CTRL_SET_KTLS = 72,    /* n: for writing?; p: a structure of linux/tls.h */
	CTRL_RECORD_TYPE = 74, /* n: the type of the next record, which is no content */
	CTRL_RECORD_TYPE_CLEAR = 75,
};

static BIO_METHOD *method; /* made once a process, before or after the fork */
static int method_type;

enum io_status bio_recv(struct session *s, void *p, size_t n, size_t *ret_n)
{
	s->dry = true;
	if (s->peer_fin || s->recvs_left == 0)
		return IO_WANT_READ;
	s->recvs_left--;
	ssize_t got;
	do
		got = recv(s->fd, p, n, 0);
	while (got < 0 && errno == EINTR);
	if (got > 0) {
		s->dry = false;
		s->bytes_in += (uint64_t)got;
		*ret_n = (size_t)got;
		return IO_OK;
	}
	if (got == 0) {
		s->peer_fin = true;
		return IO_WANT_READ;
	}
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return IO_WANT_READ;
	s->reset = true;
	return IO_RESET;
}

/* What the kernel did not take of `p` stays with the session; -1: out of memory. */
static int keep_rest(struct session *s, const char *p, size_t n, size_t sent)
{
	return sent < n && !buf_append(&s->pending, p + sent, n - sent) ? -1 : 0;
}

/* A large record goes at once, behind what gathered, without another copy. */
static enum io_status send_large(struct session *s, const void *p, size_t n)
{
	struct buf *out = &s->env->out;
	size_t gathered = buf_len(out);
	struct iovec iov[2] = { { buf_head(out), gathered }, { (void *)(uintptr_t)p, n } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t got;

	do
		got = sendmsg(s->fd, &msg, s->env->nosignal ? MSG_NOSIGNAL : 0);
	while (got < 0 && errno == EINTR);
	if (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
		s->reset = true;
		return IO_RESET;
	}
	size_t sent = got > 0 ? (size_t)got : 0;
	s->bytes_out += sent;
	if (keep_rest(s, buf_head(out), gathered, sent) ||
		keep_rest(s, p, n, sent > gathered ? sent - gathered : 0))
		s->reset = true; /* the stream has a hole and cannot go on */
	buf_clear(out);
	s->env->owner = NULL;
	return s->reset ? IO_RESET : IO_OK;
}

enum io_status bio_gather(struct session *s, const void *p, size_t n)
{
	struct session_env *env = s->env;

	assert(env->owner == NULL || env->owner == s);
	if (s->reset)
		return IO_RESET;
	if (buf_len(&s->pending) > 0)
		return !s->pending_type && buf_append(&s->pending, p, n) ? IO_OK : IO_WANT_WRITE;
	if (n >= LARGE_RECORD)
		return send_large(s, p, n);
	if (!buf_append(&env->out, p, n))
		return IO_WANT_WRITE;
	env->owner = s;
	return IO_OK;
}

static int on_read(BIO *b, char *p, size_t n, size_t *ret_n)
{
	BIO_clear_retry_flags(b);
	*ret_n = 0;
	switch (bio_recv(BIO_get_data(b), p, n, ret_n)) {
	case IO_OK:
		return 1;
	case IO_WANT_READ:
		BIO_set_retry_read(b);
		return -1;
	default:
		return -1;
	}
}

static enum io_status write_control(struct session *s, const void *p, size_t n)
{
	uint8_t type = s->record_type;

	s->record_type = 0;
	return s->reset ? IO_RESET : ktls_write_control(s, type, p, n);
}

static int on_write(BIO *b, const char *p, size_t n, size_t *ret_n)
{
	struct session *s = BIO_get_data(b);

	BIO_clear_retry_flags(b);
	*ret_n = 0;
	switch (s->record_type ? write_control(s, p, n) : bio_gather(s, p, n)) {
	case IO_OK:
		*ret_n = n;
		return 1;
	case IO_WANT_WRITE:
		BIO_set_retry_write(b);
		return -1;
	default:
		return -1;
	}
}

/* A flush succeeds: the owner of the session says when bytes leave. */
static long on_ctrl(BIO *b, int command, long n, void *p)
{
	struct session *s = BIO_get_data(b);

	switch (command) {
	case BIO_CTRL_FLUSH:
		return 1;
	case BIO_CTRL_GET_KTLS_SEND:
		return s->offloaded;
	case CTRL_SET_KTLS:
		return n && ktls_start(s, p);
	case CTRL_RECORD_TYPE:
		s->record_type = (uint8_t)n;
		return 0;
	case CTRL_RECORD_TYPE_CLEAR:
		s->record_type = 0;
		return 0;
	case BIO_C_GET_FD: /* for SSL_sendfile() */
		*(int *)p = s->fd;
		return s->fd;
	default:
		return 0;
	}
}

static bool make_method(void)
{
	int index = BIO_get_new_index();

	if (index < 0)
		return false;
	method_type = index | BIO_TYPE_SOURCE_SINK | BIO_TYPE_DESCRIPTOR;
	method = BIO_meth_new(method_type, "latch session");
	if (!method)
		return false;
	BIO_meth_set_read_ex(method, on_read);
	BIO_meth_set_write_ex(method, on_write);
	BIO_meth_set_ctrl(method, on_ctrl);
	return true;
}

struct bio_st *bio_new(struct session *s)
{
	if (!method && !make_method())
		return NULL;
	BIO *b = BIO_new(method);
	if (!b)
		return NULL;
	BIO_set_data(b, s);
	BIO_set_init(b, 1);
	return b;
}

struct session *bio_session(const struct ssl_st *ssl)
{
	BIO *b = SSL_get_rbio(ssl);

	if (!b || !method || BIO_method_type(b) != method_type)
		return NULL;
	return BIO_get_data(b);
}
