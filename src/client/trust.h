/* What the command line says about TLS, as a context. */
#ifndef LATCH_CLIENT_TRUST_H
#define LATCH_CLIENT_TRUST_H

#include "client/options.h"
#include "tls/client.h"

/* Asks for a pass phrase if it has to. NULL: a sentence about the file at fault. */
struct ssl_ctx_st *trust_context(const struct options *o, enum tls_verify verify, const char *alpn,
	struct resume *resume, struct err *e);

#endif
