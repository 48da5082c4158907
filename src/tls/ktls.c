/* What the kernel has to be told so that it seals records, and what it has to be asked. It refuses
 * to let a session end while the kernel holds records that TCP has not taken: unlike TCP's own
 * queue, these do not survive a shutdown(). Neighbours: tls/bio comes here for sessions that are
 * offloaded, tls/ktls_probe says at start whether there can be any. */
#include "tls/ktls.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/sock_diag.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

/* 0: a cipher that this file does not know. */
static socklen_t size_of_keys(const struct tls_crypto_info *keys)
{
	switch (keys->cipher_type) {
	case TLS_CIPHER_AES_GCM_128:
		return sizeof(struct tls12_crypto_info_aes_gcm_128);
	case TLS_CIPHER_AES_GCM_256:
		return sizeof(struct tls12_crypto_info_aes_gcm_256);
	case TLS_CIPHER_CHACHA20_POLY1305:
		return sizeof(struct tls12_crypto_info_chacha20_poly1305);
	default:
		return 0;
	}
}

bool ktls_start(struct session *s, const void *keys)
{
	static const char name[] = "tls";
	socklen_t size = size_of_keys(keys);

	if (size == 0 || session_flush(s) != IO_OK ||
		setsockopt(s->fd, SOL_TCP, TCP_ULP, name, sizeof(name)) < 0 ||
		setsockopt(s->fd, SOL_TLS, TLS_TX, keys, size) < 0)
		return false;
	s->offloaded = true;
	return true;
}

ssize_t ktls_send(const struct session *s, const void *p, size_t n)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(uint8_t))];
	} control = { .bytes = { 0 } };
	struct iovec iov = { (void *)(uintptr_t)p, n };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (s->pending_type) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		control.head.cmsg_level = SOL_TLS;
		control.head.cmsg_type = TLS_SET_RECORD_TYPE;
		control.head.cmsg_len = CMSG_LEN(sizeof(uint8_t));
		memcpy(CMSG_DATA(&control.head), &s->pending_type, sizeof(uint8_t));
	}
	return sendmsg(s->fd, &msg, s->env->nosignal ? MSG_NOSIGNAL : 0);
}

/* What is pending has one type, and this is another. */
static enum io_status write_record(struct session *s, uint8_t type, const void *p, size_t n)
{
	enum io_status st = session_flush(s);

	if (st != IO_OK)
		return st;
	if (!buf_append(&s->pending, p, n)) {
		s->reset = true; /* a record that is lost cannot be written again */
		return IO_RESET;
	}
	s->pending_type = type;
	return session_flush(s) == IO_RESET ? IO_RESET : IO_OK;
}

enum io_status ktls_write_control(struct session *s, uint8_t type, const void *p, size_t n)
{
	static const uint8_t alert[] = { SSL3_AL_FATAL, SSL_AD_INTERNAL_ERROR };

	if (type != SSL3_RT_HANDSHAKE || n == 0 || *(const uint8_t *)p != SSL3_MT_KEY_UPDATE)
		return write_record(s, type, p, n);
	/* OpenSSL would go on with keys that the kernel does not have. */
	if (write_record(s, SSL3_RT_ALERT, alert, sizeof(alert)) == IO_OK)
		s->alert_sent = SSL_AD_INTERNAL_ERROR;
	ERR_raise(ERR_LIB_SSL, ERR_R_UNSUPPORTED); /* tls/reason has the sentence */
	return IO_FAIL;
}

bool ktls_has_room(const struct session *s)
{
	uint32_t memory[SK_MEMINFO_VARS] = { 0 };
	socklen_t size = sizeof(memory);
	uint32_t queued, most;

	if (getsockopt(s->fd, SOL_SOCKET, SO_MEMINFO, memory, &size) < 0)
		return true; /* nothing else tells */
	queued = memory[SK_MEMINFO_WMEM_QUEUED];
	most = memory[SK_MEMINFO_SNDBUF];
	return queued <= most && most - queued >= queued / 2; /* as the kernel says EPOLLOUT */
}
