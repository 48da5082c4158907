/* A certificate chain and its private key, from files or memory into a context. */
#ifndef LATCH_TLS_PAIR_H
#define LATCH_TLS_PAIR_H

#include "base/err.h"

struct decode;
struct digest_list;
struct ssl_ctx_st;
struct x509_st;

/* One certificate with its key, as files or (for --serve) as PEM in memory. */
struct tls_pair {
	const char *certificate;     /* path of a PEM chain, leaf first */
	const char *private_key;     /* path; NULL or "": in the certificate's file */
	const char *passphrase_file; /* NULL or "": none. Its first line, without the line end */
	const char *pem;             /* chain and key in memory instead; NULL: use the paths */
	struct digest_list *digests; /* gets every file that is read; NULL: not wanted */
	struct decode *decode;       /* shared by many; NULL: it is not worth it */
};

/* Adds the pair to the context; on failure the error's file is the file at fault. `ret_leaf` gets a
 * reference of the caller's. */
int pair_load(
	struct ssl_ctx_st *ctx, const struct tls_pair *p, struct x509_st **ret_leaf, struct err *e);

/* Asks a person for the pass phrase of an encrypted key: its bytes into dst[0..size), how many; -1:
 * none was given. */
typedef int (*pair_ask_fn)(char *dst, int size);
/* The same; `ask` is called when the key is encrypted and no file has the pass phrase. */
int pair_load_asking(struct ssl_ctx_st *ctx, const struct tls_pair *p, pair_ask_fn ask,
	struct x509_st **ret_leaf, struct err *e);
/* Chains and keys of another context, which are shared. */
int pair_copy_all(struct ssl_ctx_st *ctx, const struct ssl_ctx_st *from, struct err *e);

#endif
