/* TLS options -> contexts. Loads chains, keys, pass phrases and trust; the only place that decides
 * what a profile means. */
#ifndef LATCH_TLS_CONTEXT_H
#define LATCH_TLS_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct ssl_ctx_st;
struct ssl_st;
struct ticket_ring;

enum tls_profile { TLS_PROFILE_INTERMEDIATE, TLS_PROFILE_MODERN };

/* "" or 0: what the profile says. */
struct tls_options {
	enum tls_profile profile;
	char *min_version; /* "1.2", "1.3" */
	char *max_version;
	char *ciphers;      /* TLS 1.2, OpenSSL's list syntax */
	char *ciphersuites; /* TLS 1.3 */
	char *groups;
	bool tickets_enabled;
	int64_t tickets_rotate_ms;
	unsigned tickets_keep;
};

/* One certificate with its key, as files or (for --serve) as PEM in memory. */
struct tls_pair {
	const char *certificate; /* path of a PEM chain, leaf first */
	const char *private_key; /* path; NULL or "": in the certificate's file */
	const char *passphrase_file; /* NULL or "": none. Its first line, without the line end */
	const char *pem; /* chain and key in memory instead; NULL: use the paths */
};

/* A server context: chain(s), key(s), profile, ALPN is tls/sites' business. `pairs`: 1 or more, one
 * a key type. `policy`, `policy_len`: what resumption is bound to (session-id context is their hash),
 * see DESIGN section 5. `ring` NULL: no tickets. On failure NULL, and the error's file is the file at
 * fault (line 0); key that does not match, encrypted key without pass phrase or with a wrong one,
 * expired is no error, no certificate in the file, unreadable. */
struct ssl_ctx_st *tls_context_new_server(const struct tls_options *o, const struct tls_pair *pairs,
	size_t npairs, const void *policy, size_t policy_len, struct ticket_ring *ring, struct err *e);
void tls_context_free(struct ssl_ctx_st *ctx); /* NULL is fine */

/* Checks the options alone (versions, lists that OpenSSL does not know); the text names the key. */
int tls_options_check(const struct tls_options *o, struct err *e);

enum tls_verify { TLS_VERIFY_HANDSHAKE, TLS_VERIFY_NONE };

struct tls_client_options {
	const char *ca; /* file or directory; NULL: the system's */
	enum tls_verify verify;
	const char *min_version, *max_version; /* NULL: library's */
};
struct ssl_ctx_st *tls_context_new_client(const struct tls_client_options *o, struct err *e);

/* Does the build write key logs when $SSLKEYLOGFILE says so (configure --enable-keylog)? */
bool tls_keylog_is_built_in(void);

#endif
