/* A small store of client sessions, by server. It lives as long as one run of the client, and
 * nothing of it is written to disk. */
#include "tls/resume.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

struct kept {
	SSL_SESSION *session;
	char key[RESUME_KEY_SIZE];
};

struct resume {
	size_t n;
	struct kept kept[RESUME_SESSIONS_MAX]; /* oldest first */
};

/* Where a context has its store and a connection its key. */
static int ctx_index(void)
{
	static int index = -1;

	if (index < 0)
		index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	return index;
}

static int ssl_index(void)
{
	static int index = -1;

	if (index < 0)
		index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	return index;
}

struct resume *resume_new(void)
{
	return calloc(1, sizeof(struct resume));
}

static void remove_at(struct resume *r, size_t i)
{
	SSL_SESSION_free(r->kept[i].session);
	memmove(&r->kept[i], &r->kept[i + 1], (r->n - i - 1) * sizeof(r->kept[0]));
	r->n--;
}

void resume_free(struct resume *r)
{
	while (r && r->n > 0)
		remove_at(r, r->n - 1);
	free(r);
}

/* 1: the reference is ours now. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
	struct resume *r = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), ctx_index());
	const char *key = SSL_get_ex_data(ssl, ssl_index());

	if (!r || !key || strlen(key) >= RESUME_KEY_SIZE || !SSL_SESSION_is_resumable(session))
		return 0;
	if (r->n == RESUME_SESSIONS_MAX)
		remove_at(r, 0);
	r->kept[r->n].session = session;
	snprintf(r->kept[r->n].key, RESUME_KEY_SIZE, "%s", key);
	r->n++;
	return 1;
}

void resume_use(struct resume *r, struct ssl_ctx_st *ctx)
{
	SSL_CTX_set_ex_data(ctx, ctx_index(), r);
	SSL_CTX_set_session_cache_mode(
		ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
	SSL_CTX_sess_set_new_cb(ctx, on_session);
}

void resume_offer(struct ssl_st *ssl, const char *key)
{
	struct resume *r = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), ctx_index());
	size_t i = r ? r->n : 0;

	if (!r)
		return;
	SSL_set_ex_data(ssl, ssl_index(), (void *)(uintptr_t)key);
	while (i > 0 && strcmp(r->kept[i - 1].key, key) != 0)
		i--;
	if (i == 0)
		return;
	i--;
	SSL_set_session(ssl, r->kept[i].session);
	if (SSL_SESSION_get_protocol_version(r->kept[i].session) >= TLS1_3_VERSION ||
		!SSL_SESSION_is_resumable(r->kept[i].session))
		remove_at(r, i);
	ERR_clear_error();
}

size_t resume_count(const struct resume *r, const char *key)
{
	size_t count = 0;

	for (size_t i = 0; i < r->n; i++)
		count += strcmp(r->kept[i].key, key) == 0;
	return count;
}

bool resume_has(const struct ssl_ctx_st *ctx, const char *key)
{
	const struct resume *r = SSL_CTX_get_ex_data(ctx, ctx_index());

	return r && resume_count(r, key) > 0;
}
