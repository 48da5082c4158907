/* The socket BIO under every TLS session: private to tls/. */
#ifndef LATCH_TLS_BIO_H
#define LATCH_TLS_BIO_H

#include "tls/session.h"

struct bio_st;
struct ssl_st;

/* A BIO that reads from s->fd and writes into s->env->out; NULL: out of memory. */
struct bio_st *bio_new(struct session *s);
/* The session on top of which `ssl` runs, or NULL: `ssl` is not one of ours. */
struct session *bio_session(const struct ssl_st *ssl);

/* recv() with its outcome in the session's flags; IO_OK: *ret_n > 0; IO_WANT_READ: nothing there,
 * or the peer's FIN (peer_fin), or the call's budget is used up; IO_RESET. */
enum io_status bio_recv(struct session *s, void *p, size_t n, size_t *ret_n);
/* Takes all n bytes: into the output buffer, or onto the wire if they are a large record's; what
 * the kernel does not take, and what follows it, is pending. IO_WANT_WRITE: no room. */
enum io_status bio_gather(struct session *s, const void *p, size_t n);

#endif
