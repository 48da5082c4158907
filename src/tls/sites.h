/* Which site a TLS client means: server name -> context and site, chosen in the ClientHello
 * callback, that is before any session is looked up, and the ALPN answer. One table a listener. */
#ifndef LATCH_TLS_SITES_H
#define LATCH_TLS_SITES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

struct ssl_ctx_st;
struct tls_sites; /* heap */

struct tls_sites *tls_sites_new(void);
void tls_sites_free(struct tls_sites *t); /* not the contexts */
/* `ctx` is one of tls_context_new_server(); all of a table have the same options and ring. `site`
 * is what session.site will be. 0, 1: the name is there already, -1: out of memory. The context
 * gets the callbacks; it may be in several tables. */
int tls_sites_add(struct tls_sites *t, struct str name, struct ssl_ctx_st *ctx, void *site);
/* For names that none has, and for clients without a name. 0, or -1: out of memory. */
int tls_sites_set_default(struct tls_sites *t, struct ssl_ctx_st *ctx, void *site);
/* Makes the context that session_open() takes for a connection on this listener; owned by the
 * table. Call once, after the last add. ALPN: h2, where `http2` is set and the cipher suite is one
 * that RFC 9113 section 9.2.2 allows, else http/1.1; a client that offers only others gets the
 * alert no_application_protocol; a name nobody has and no default: unrecognized_name, and
 * session_sni() tells the name. */
int tls_sites_finish(struct tls_sites *t, bool http2, struct err *e);
struct ssl_ctx_st *tls_sites_context(const struct tls_sites *t);

#endif
