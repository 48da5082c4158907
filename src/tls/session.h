/* One TLS (or plain) connection's byte stream on a non-blocking socket.
 *
 * Reading and writing go through a BIO of our own: what OpenSSL writes gathers in the process's
 * output buffer and leaves in one send() when the owner flushes, so that a ticket, a response and a
 * close_notify share a system call (records of 8 KiB and more are sent at once instead of copied);
 * a FIN without close_notify never reaches OpenSSL (it would kill the connection with an alert), it
 * sets `peer_fin` instead and the session can still answer.
 *
 * Where the context allows it the kernel seals what is written (tls/ktls): `offloaded`. What
 * gathers and is pending is content then, and so is what bytes_out counts.
 *
 * A plain session (no context) has the same interface. */
#ifndef LATCH_TLS_SESSION_H
#define LATCH_TLS_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

struct ssl_st;
struct session_cache;
struct ssl_ctx_st;
struct tls_peer;

enum io_status {
	IO_OK,
	IO_WANT_READ,  /* again when the socket is readable */
	IO_WANT_WRITE, /* again when it is writable and session_flush() said IO_OK */
	IO_EOF,        /* the peer's close_notify, or FIN on a plain session: a clean end */
	IO_TRUNCATED,  /* the peer's FIN without close_notify */
	IO_RESET,      /* RST, or EPIPE */
	IO_FAIL,       /* a TLS failure: tls_reason_take() says which; an alert due was sent */
};

enum {
	SESSION_OUT_MAX = 72 * 1024,  /* ciphertext that gathers before a flush */
	SESSION_READ_MAX = 16 * 1024, /* one record's worth */
};

/* What all sessions of a process share. */
struct session_env {
	struct buf out;        /* of the session that is running; empty between turns of sessions */
	struct session *owner; /* whose bytes are in `out`; NULL: it is empty */
	struct session *named; /* the last one that said hello with a server name, and that name */
	char name[256];
	struct session_cache *cache; /* borrowed; NULL: none */
	bool nosignal;               /* MSG_NOSIGNAL on send(): the sigpipe policy "ignore" */
};
void session_env_init(struct session_env *env, bool nosignal);
void session_env_done(struct session_env *env);

struct session {
	int fd;             /* borrowed; who owns the session closes it */
	struct ssl_st *ssl; /* NULL: plain */
	struct session_env *env;
	struct buf pending; /* ciphertext that the kernel did not take; empty when all is well */
	/* A server's: the first ClientHello, without its head, until the handshake is done. */
	struct buf hello;
	bool is_server;
	bool handshaken;
	bool peer_fin;        /* read() gave 0 */
	bool peer_closed;     /* the peer's close_notify came */
	bool sent_close;      /* our close_notify is written */
	bool reset;           /* the socket is dead */
	bool failed;          /* fatal TLS error: nothing more can be sent, not even close_notify */
	bool dry;             /* the last read from the socket came back empty-handed */
	bool hold;            /* session_read() takes only what is inside already */
	bool offloaded;       /* the kernel seals */
	uint8_t record_type;  /* offloaded: of the next write; 0: content */
	uint8_t pending_type; /* and of what is pending */
	uint8_t recvs_left;   /* of the running call, so that no peer keeps it for itself */
	uint8_t offered_versions;     /* of the ClientHello, see tls/hello */
	int16_t alert_sent;           /* the fatal alert that we sent, -1: none */
	bool has_site;                /* tls/sites chose */
	bool offers_h2;               /* and HTTP/2 may be chosen */
	uint16_t offered_groups;      /* of the ClientHello, see tls/hello */
	void *site;                   /* what it chose; borrowed */
	struct tls_peer *peer;        /* a server's: the client's certificate; NULL: it gave none */
	uint64_t bytes_in, bytes_out; /* of the socket */
};

/* `ctx` NULL: plain. 0, or -1: out of memory. The session must not move while open. */
int session_open(
	struct session *s, struct session_env *env, int fd, struct ssl_ctx_st *ctx, bool is_server);
/* Frees what it holds, sends nothing, does not close the descriptor. Drops the TLS session from any
 * cache if `forget`. Idempotent. */
void session_close(struct session *s, bool forget);

/* Goes on with the handshake until IO_OK. Flushes by itself, but for one case: with IO_OK and
 * session_has_input() the last flight (a ticket) waits for the answer that is about to be written;
 * the owner's session_flush() at the end of its turn sends both. */
enum io_status session_handshake(struct session *s);
/* At most n bytes of content. IO_OK: *ret_n > 0. */
enum io_status session_read(struct session *s, void *p, size_t n, size_t *ret_n);
/* Is decrypted or received data waiting inside, which no poll on the descriptor would tell? */
bool session_has_input(const struct session *s);
/* Content into records, into the output buffer. IO_OK: *ret_n > 0 bytes taken (all of them unless
 * the buffer is full); IO_WANT_WRITE: flush first. */
enum io_status session_write(struct session *s, const void *p, size_t n, size_t *ret_n);
/* At most n bytes of a file from `offset` on, which never come here, on an offloaded session; sends
 * what gathered first. IO_OK: *ret_n bytes are taken, 0: this file gives none in this way, read it
 * instead; IO_WANT_WRITE: again when the socket is writable. */
enum io_status session_sendfile(
	struct session *s, int fd, uint64_t offset, size_t n, size_t *ret_n);
/* Bytes outside of TLS: on a session whose handshake failed before we had said anything. What there
 * is no room for is dropped. */
void session_write_bare(struct session *s, const void *p, size_t n);
/* Sends what gathered. IO_OK: all gone; IO_WANT_WRITE: the kernel's buffer is full, the rest is
 * kept in `pending`. Must be called before another session runs. */
enum io_status session_flush(struct session *s);
/* Writes our close_notify (once; nothing on a plain session, a failed one or during the handshake),
 * then flushes, with the status of that. While what is before it does not leave nothing can be
 * written: call again when the socket is writable, or it was IO_OK and sent_close is not set. */
enum io_status session_send_close(struct session *s);

/* Facts, valid after the handshake; static or session-lived text, "" on a plain session. */
const char *session_version(const struct session *s); /* "TLSv1.3" */
const char *session_cipher(const struct session *s);  /* "TLS_AES_128_GCM_SHA256" */
bool session_resumed(const struct session *s);
const char *session_alpn(const struct session *s, size_t *ret_n); /* not terminated; n 0: none */
/* "ok": the client's certificate is verified; "none": it was asked for one; NULL: it was not. */
const char *session_client_verdict(const struct session *s);
const char *session_sni(const struct session *s); /* "" if none; usable during the handshake too */

#endif
