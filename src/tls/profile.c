/* What a profile means, and the overrides. A list that names something OpenSSL does not know is
 * refused with that name, although OpenSSL would silently leave it out. */
#include "tls/profile.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

/* Only forward secrecy and AEAD; AES-128 first, for it is the cheapest that is strong enough. */
static const struct {
	const char *min, *max, *ciphers, *ciphersuites, *groups;
} profiles[] = {
	[TLS_PROFILE_INTERMEDIATE] = {
		.min = "1.2",
		.max = "1.3",
		.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
			"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
			"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305",
		.ciphersuites = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
			"TLS_CHACHA20_POLY1305_SHA256",
		.groups = "X25519:P-256:P-384",
	},
	[TLS_PROFILE_MODERN] = {
		.min = "1.3",
		.max = "1.3",
		.ciphers = "",
		.ciphersuites = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
			"TLS_CHACHA20_POLY1305_SHA256",
		.groups = "X25519:P-256:P-384",
	},
};

static const struct {
	const char *text;
	int version;
} versions[] = { { "1.2", TLS1_2_VERSION }, { "1.3", TLS1_3_VERSION } };

static bool is_set(const char *s)
{
	return s && *s;
}

static const char *either(const char *given, const char *otherwise)
{
	return is_set(given) ? given : otherwise;
}

/* 0: no such version. */
static int parse_version(const char *text)
{
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
		if (strcmp(versions[i].text, text) == 0)
			return versions[i].version;
	return 0;
}

int profile_set_versions(struct ssl_ctx_st *ctx, const char *min, const char *max, struct err *e)
{
	int low = is_set(min) ? parse_version(min) : 0;
	int high = is_set(max) ? parse_version(max) : 0;

	if (is_set(min) && low == 0)
		return err_set(
			e, ERR_CONFIG, "tls.min_version: \"%s\" is neither 1.2 nor 1.3", min);
	if (is_set(max) && high == 0)
		return err_set(
			e, ERR_CONFIG, "tls.max_version: \"%s\" is neither 1.2 nor 1.3", max);
	if (low && high && low > high)
		return err_set(
			e, ERR_CONFIG, "tls.min_version %s is above tls.max_version %s", min, max);
	if ((low && SSL_CTX_set_min_proto_version(ctx, low) != 1) ||
		(high && SSL_CTX_set_max_proto_version(ctx, high) != 1)) {
		ERR_clear_error();
		return err_set(e, ERR_CONFIG, "tls.min_version: not in this OpenSSL");
	}
	return 0;
}

typedef bool (*knows_fn)(SSL_CTX *ctx, const char *word);

static bool knows_cipher(SSL_CTX *ctx, const char *word)
{
	/* What is only taken out, moved or a command does no harm when it names nothing. */
	return strchr("!-+@", word[0]) || SSL_CTX_set_cipher_list(ctx, word) == 1;
}

static bool knows_suite(SSL_CTX *ctx, const char *word)
{
	if (SSL_CTX_set_ciphersuites(ctx, word) != 1)
		return false;
	struct stack_st_SSL_CIPHER *list = SSL_CTX_get_ciphers(ctx);
	for (int i = 0; i < sk_SSL_CIPHER_num(list); i++) {
		const char *name = SSL_CIPHER_standard_name(sk_SSL_CIPHER_value(list, i));
		if (name && strcmp(name, word) == 0)
			return true;
	}
	return false;
}

static bool knows_group(SSL_CTX *ctx, const char *word)
{
	return SSL_CTX_set1_groups_list(ctx, word) == 1;
}

/* Finds the first word of the list that OpenSSL does not know. The words are tried on a context of
 * their own. */
static int check_words(const char *key, const char *list, knows_fn knows, struct err *e)
{
	SSL_CTX *scratch = SSL_CTX_new(TLS_server_method());
	char *copy = strdup(list), *save = NULL;
	int rc = 0;

	if (!scratch || !copy) {
		rc = err_set(e, ERR_SYSTEM, "out of memory");
		goto out;
	}
	for (char *w = strtok_r(copy, ": ,;", &save); w && rc == 0;
		w = strtok_r(NULL, ": ,;", &save))
		if (!knows(scratch, w))
			rc = err_set(e, ERR_CONFIG, "%s: OpenSSL does not know \"%s\"", key, w);
out:
	ERR_clear_error();
	free(copy);
	SSL_CTX_free(scratch);
	return rc;
}

/* The whole list was refused: say which word, or that the list is. */
static int explain_list(const char *key, const char *list, knows_fn knows, struct err *e)
{
	ERR_clear_error();
	if (check_words(key, list, knows, e) < 0)
		return -1;
	return err_set(e, ERR_CONFIG, "%s: OpenSSL refuses \"%s\"", key, list);
}

static int set_lists(SSL_CTX *ctx, const struct tls_options *o, struct err *e)
{
	const char *ciphers = either(o->ciphers, profiles[o->profile].ciphers);
	const char *suites = either(o->ciphersuites, profiles[o->profile].ciphersuites);
	const char *groups = either(o->groups, profiles[o->profile].groups);

	if (*ciphers && SSL_CTX_set_cipher_list(ctx, ciphers) != 1)
		return explain_list("tls.ciphers", ciphers, knows_cipher, e);
	if (SSL_CTX_set_ciphersuites(ctx, suites) != 1)
		return explain_list("tls.ciphersuites", suites, knows_suite, e);
	if (SSL_CTX_set1_groups_list(ctx, groups) != 1)
		return explain_list("tls.groups", groups, knows_group, e);
	return 0;
}

int profile_apply(struct ssl_ctx_st *ctx, const struct tls_options *o, struct err *e)
{
	if (profile_set_versions(ctx, either(o->min_version, profiles[o->profile].min),
		    either(o->max_version, profiles[o->profile].max), e) < 0)
		return -1;
	return set_lists(ctx, o, e);
}

int tls_options_check(const struct tls_options *o, struct err *e)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	int rc = -1;

	if (!ctx) {
		ERR_clear_error();
		return err_set(e, ERR_SYSTEM, "out of memory");
	}
	if (profile_apply(ctx, o, e) < 0)
		goto out;
	if (is_set(o->ciphers) && check_words("tls.ciphers", o->ciphers, knows_cipher, e) < 0)
		goto out;
	if (is_set(o->ciphersuites) &&
		check_words("tls.ciphersuites", o->ciphersuites, knows_suite, e) < 0)
		goto out;
	rc = 0;
out:
	SSL_CTX_free(ctx);
	return rc;
}

static bool copy_string(char **ret, const char *s)
{
	*ret = s ? strdup(s) : NULL;
	return !s || *ret;
}

int profile_copy_options(struct tls_options *ret, const struct tls_options *o)
{
	*ret = *o;
	bool ok = copy_string(&ret->min_version, o->min_version);
	ok &= copy_string(&ret->max_version, o->max_version);
	ok &= copy_string(&ret->ciphers, o->ciphers);
	ok &= copy_string(&ret->ciphersuites, o->ciphersuites);
	ok &= copy_string(&ret->groups, o->groups);
	return ok ? 0 : -1;
}

void profile_free_options(struct tls_options *o)
{
	if (!o)
		return;
	free(o->min_version);
	free(o->max_version);
	free(o->ciphers);
	free(o->ciphersuites);
	free(o->groups);
	*o = (struct tls_options){ 0 };
}

static bool is_equal(const char *a, const char *b)
{
	return !strcmp(a ? a : "", b ? b : "");
}

bool tls_options_are_same(const struct tls_options *a, const struct tls_options *b)
{
	return a->profile == b->profile && a->tickets_enabled == b->tickets_enabled &&
	       (a->session_cache > 0) == (b->session_cache > 0) && a->offload == b->offload &&
	       a->tickets_rotate_ms == b->tickets_rotate_ms && a->tickets_keep == b->tickets_keep &&
	       is_equal(a->min_version, b->min_version) &&
	       is_equal(a->max_version, b->max_version) && is_equal(a->ciphers, b->ciphers) &&
	       is_equal(a->ciphersuites, b->ciphersuites) && is_equal(a->groups, b->groups);
}
