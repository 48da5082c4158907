/* What the TLS options mean: versions, cipher suites, groups. The only place that decides what a
 * profile is. Lists that are given pass through to OpenSSL as they are. */
#ifndef LATCH_TLS_PROFILE_H
#define LATCH_TLS_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct ssl_ctx_st;

enum tls_profile { TLS_PROFILE_INTERMEDIATE, TLS_PROFILE_MODERN };
enum tls_ktls { TLS_KTLS_OFF, TLS_KTLS_AUTO };

/* "", NULL or 0: what the profile says. */
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
	int64_t session_cache; /* bytes; 0: none */
	enum tls_ktls ktls;
	bool offload; /* it is wanted, and ktls_probe() said that it works */
};

/* Checks the options alone (versions, lists that OpenSSL does not know); the text names the key. */
int tls_options_check(const struct tls_options *o, struct err *e);

/* Would they make the same contexts? */
bool tls_options_are_same(const struct tls_options *a, const struct tls_options *b);

/* Versions, lists and groups into a context. */
int profile_apply(struct ssl_ctx_st *ctx, const struct tls_options *o, struct err *e);
/* NULL or "": left as it is. */
int profile_set_versions(struct ssl_ctx_st *ctx, const char *min, const char *max, struct err *e);
/* A deep copy; -1: out of memory, what was copied is for profile_free_options(). */
int profile_copy_options(struct tls_options *ret, const struct tls_options *o);
void profile_free_options(struct tls_options *o); /* the strings, not `o` */

#endif
