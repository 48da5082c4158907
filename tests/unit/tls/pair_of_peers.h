/* A session of ours on one end of a socketpair, a plain OpenSSL peer on the other; and the files
 * that certs/mkcerts.sh makes, once a run. */
#ifndef LATCH_TESTS_TLS_PAIR_OF_PEERS_H
#define LATCH_TESTS_TLS_PAIR_OF_PEERS_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/ssl.h>

#include "tls/client.h"
#include "tls/context.h"
#include "tls/reason.h"
#include "tls/session.h"
#include "tls/ticket.h"

struct peers {
	struct session_env env;
	struct session s;         /* ours */
	int fd[2];                /* of ours, of the peer (-1: closed) */
	SSL *peer;                /* NULL: bytes by hand */
	struct tls_reason reason; /* of peers_handshake() when ours failed */
};

/* Path of a file of mkcerts.sh; a few live at a time. */
const char *cert(const char *name);

/* A server context with NAME.pem and NAME.key; `version` 0 or one that is the only one. */
SSL_CTX *server_context(const char *name, const char *version, struct ticket_ring *ring);
/* The peer's context: no verification, tickets in memory. */
SSL_CTX *peer_context(int version);

/* Opens both sides; ours is the server. `peer` NULL: the peer is a bare descriptor. */
void peers_open(struct peers *p, SSL_CTX *ours, SSL_CTX *peer);
void peers_close(struct peers *p);
/* Both sides until done or one fails; the last status of ours. */
enum io_status peers_handshake(struct peers *p);
/* peers_open() and peers_handshake(), asserted, with contexts of its own of that version. */
void peers_start(struct peers *p, int version);
void peer_send(struct peers *p, const char *text);
/* What the peer can read now, at most n; -1: the error is ret_error. */
int peer_receive(struct peers *p, char *dst, int n, int *ret_error);
/* The peer reads until it has close_notify; true if it came. `ret_total` content on the way. */
bool peer_sees_close(struct peers *p, size_t *ret_total);
void peer_shut_write(struct peers *p); /* FIN, without close_notify */
void peer_reset(struct peers *p);      /* our next system call sees a reset */
/* One read of ours that must give this text. */
void expect_read(struct peers *p, const char *text);
void write_all(struct peers *p, const char *text); /* and flush */

/* Two sessions of ours: a client as `latch` has it, at a server with NAME.pem and NAME.key. */
struct visit {
	struct peers p; /* the server */
	struct session client;
	struct session_env env;
	SSL_CTX *ours, *theirs;
	enum io_status status;    /* of the client's handshake */
	struct tls_reason reason; /* when it failed */
};

void visit_open(struct visit *v, const char *server, const struct tls_client_options *o);
void visit_handshake(struct visit *v);
void visit_stop(struct visit *v);

#endif
