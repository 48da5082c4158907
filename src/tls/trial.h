/* A handshake of a server with itself, in memory: whether what is configured could serve at all. */
#ifndef LATCH_TLS_TRIAL_H
#define LATCH_TLS_TRIAL_H

#include "base/err.h"
#include "tls/session.h"

struct ssl_ctx_st;
struct ssl_st;
struct tls_sites;

/* What all handshakes with one table share. */
struct trial {
	const struct tls_sites *sites;
	struct ssl_ctx_st *client; /* made when it is needed first */
	struct session_env env;
};

void trial_init(struct trial *t, const struct tls_sites *sites);
void trial_done(struct trial *t);

/* One full handshake for each certificate of `ctx`, on the way that a connection takes: through the
 * table's entry, asking for `name` ("": no server name). It must lead to `site` and to that
 * certificate. The client trusts everything and offers what the options of the server name. -1:
 * `e`, without a place. */
int trial_handshakes(
	struct trial *t, struct ssl_ctx_st *ctx, const char *name, const void *site, struct err *e);

/* Both sides of one connection on non-blocking sockets, turn by turn, until both are done. -1: `e`.
 */
int trial_shake(struct session *server, struct ssl_st *client, struct err *e);

/* What decides, under given options, whether a handshake with certificates of this kind can
 * succeed, as text: types and sizes of keys, signatures of leaves. Returns dst. */
const char *trial_kind(struct ssl_ctx_st *ctx, char *dst, size_t size);
/* Much cheaper than a handshake: does each key of `ctx` sign what its certificate verifies? */
int trial_prove(struct ssl_ctx_st *ctx, struct err *e);
/* The client's part alone, on a connected, blocking socket whose timeouts are set: does a server
 * that has the site of `ctx` shake hands, with its first certificate? One that turns us away
 * because we have none has done its part. 0 or -1. */
int trial_client(int fd, struct ssl_ctx_st *ctx, const char *name, struct err *e);

#endif
