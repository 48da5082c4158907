/* Our facts about a server context, kept in its ex_data and freed with it: the options it was made
 * of, so that another can be made alike, and the leaf certificates. Decides nothing. */
#include "tls/attach.h"

#include <stdlib.h>

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "tls/trust.h"

static int slot = -1;

static void free_attachment(
	void *parent, void *p, CRYPTO_EX_DATA *data, int index, long argl, void *argp)
{
	struct attachment *a = p;

	(void)parent, (void)data, (void)index, (void)argl, (void)argp;
	if (!a)
		return;
	profile_free_options(&a->options);
	tls_trust_free(a->trust);
	for (size_t i = 0; i < a->nleaves; i++)
		X509_free(a->leaf[i]);
	free(a);
}

struct attachment *attach_new(struct ssl_ctx_st *ctx, const struct tls_options *o)
{
	if (slot < 0)
		slot = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_attachment);
	struct attachment *a = slot >= 0 ? calloc(1, sizeof(*a)) : NULL;
	if (!a)
		return NULL;
	if (profile_copy_options(&a->options, o) < 0 || SSL_CTX_set_ex_data(ctx, slot, a) != 1) {
		free_attachment(NULL, a, NULL, 0, 0, NULL);
		return NULL;
	}
	return a;
}

struct attachment *attach_get(const struct ssl_ctx_st *ctx)
{
	return slot >= 0 ? SSL_CTX_get_ex_data(ctx, slot) : NULL;
}
