/* --ca, --crl, --depth, --cert and their kin become a client context. */
#include "client/trust.h"

#include "client/prompt.h"

struct ssl_ctx_st *trust_context(const struct options *o, enum tls_verify verify, const char *alpn,
	struct resume *resume, struct err *e)
{
	const struct tls_pair pair = {
		.certificate = o->cert,
		.private_key = o->key,
		.passphrase_file = o->pass_file,
	};
	const struct tls_client_options co = {
		.ca = o->ca,
		.crl = o->crl,
		.has_depth = o->depth != OPTIONS_NO_DEPTH,
		.depth = o->depth,
		.verify = verify,
		.min_version = o->tls_min,
		.max_version = o->tls_max,
		.alpn = alpn,
		.pair = o->cert ? &pair : NULL,
		.ask = prompt_passphrase,
		.resume = resume,
	};

	return tls_context_new_client(&co, e);
}
