/* The client's end of one connection: connect, shake hands, verify, and wait with a deadline around
 * a session that never blocks. */
#ifndef LATCH_CLIENT_LINK_H
#define LATCH_CLIENT_LINK_H

#include "client/outcome.h"
#include "net/dial.h"
#include "net/sock.h"
#include "tls/reason.h"
#include "tls/session.h"

enum link_verify { LINK_VERIFY_HANDSHAKE, LINK_VERIFY_AFTER, LINK_VERIFY_NONE };

/* A proxy to tunnel through (RFC 9110 section 9.3.6). */
struct link_proxy {
	const char *host;
	unsigned port;
	const char *credentials; /* "Basic ...", or NULL */
};

struct link_options {
	const char *host;         /* of the URL: server name and reference identity; no brackets */
	const char *connect_host; /* where to connect: the host, or what --connect says */
	unsigned port;
	int family;                     /* AF_UNSPEC: both */
	const struct link_proxy *proxy; /* connects for us; NULL: none */
	bool tunnel;                    /* the proxy leads to the server, rather than answering */
	struct ssl_ctx_st *ctx;         /* NULL: plain; borrowed */
	enum link_verify verify; /* what the context was made for; NONE: the identity neither */
	const char *sni;         /* NULL: the host */
	bool allow_cn;
	/* Before the handshake, on the SSL; -1: it cannot be made. NULL: nothing to prepare. */
	int (*prepare)(struct ssl_st *ssl, const void *arg, struct err *e);
	const void *prepare_arg;
	const char *resume_key; /* where sessions belong, see tls/resume; outlives the link */
	int timeout_ms;         /* of each phase, and between bytes */
};

struct link {
	int fd;
	bool is_open; /* the session is */
	int timeout_ms;
	struct session_env env;
	struct session session;
	struct tls_reason reason;     /* with IO_FAIL */
	enum io_status ended;         /* IO_OK: not yet. What every later read and write returns */
	char address[SOCK_TEXT_SIZE]; /* connected to, "" before */
	/* Called about ten times a second while the link waits for bytes; may be NULL. */
	void (*tick)(void *);
	void *tick_arg;
};

/* Connects and shakes hands. `l` must not move afterwards; link_close() it after a failure too. */
enum outcome link_open(struct link *l, const struct link_options *o, struct err *e);

/* Reads until the buffer is full or nothing more is there at the moment; waits only for the first
 * byte. IO_OK: *ret_n > 0. IO_WANT_READ: the deadline passed. Else how the connection ended. */
enum io_status link_read(struct link *l, void *p, size_t n, size_t *ret_n);
/* All of it, flushed: IO_OK, IO_WANT_READ (the deadline passed) or how the connection ended. */
enum io_status link_write(struct link *l, const void *p, size_t n);
/* The same, but a peer that answers meanwhile is heard: when bytes come before all is sent, they go
 * into in[0..size), and it is IO_OK with *ret_got > 0 and *ret_sent < n. Waits for both at once, so
 * that two sides that both write do not wait for each other. */
enum io_status link_send(struct link *l, const void *p, size_t n, size_t *ret_sent, void *in,
	size_t size, size_t *ret_got);
/* Sends close_notify and waits at most `wait_ms` in all for the end of the peer's side, dropping
 * what still comes (*ret_dropped bytes). IO_WANT_READ: it did not end in time. */
enum io_status link_finish(struct link *l, int wait_ms, uint64_t *ret_dropped);
/* Sends close_notify if it was not sent, and closes. Idempotent. */
void link_close(struct link *l);

#endif
