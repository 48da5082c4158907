/* Asks the store: all commands go out at once, the replies are judged in their order. It refuses a
 * value of any other length, and to repeat what the store says: an error may quote the command that
 * it is about, and the password with it. */
#include "tls/store.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include "base/clock.h"
#include "net/dial.h"
#include "net/redis.h"
#include "tls/client.h"
#include "tls/context.h"
#include "tls/identity.h"
#include "tls/session.h"

enum { COMMANDS_MAX = 8 * 1024, KEY_MAX = 80, READ_SIZE = 4096, MADE = 2, CODE_MAX = 20 };

struct talk {
	const struct store_query *q;
	int fd;
	int64_t deadline_us;
	struct ssl_ctx_st *ctx; /* NULL: no TLS */
	struct session_env env;
	struct session session;
	struct buf commands;
	struct redis_parser *parser;
};

/* ---- the connection ---------------------------------------------------------------------- */

static int fail_late(const struct talk *t, struct err *e)
{
	return err_set(e, ERR_UNAVAILABLE, "it did not answer within %d ms", t->q->timeout_ms);
}

static int wait_for(struct talk *t, enum io_status status, struct err *e)
{
	struct pollfd p = { .fd = t->fd, .events = status == IO_WANT_WRITE ? POLLOUT : POLLIN };
	int64_t left_us = t->deadline_us - clock_us_now();
	int n = left_us > 0 ? poll(&p, 1, (int)((left_us + 999) / 1000)) : 0;

	return n > 0 || (n < 0 && errno == EINTR) ? 0 : fail_late(t, e);
}

static int flush(struct talk *t, struct err *e)
{
	enum io_status status;

	while ((status = session_flush(&t->session)) == IO_WANT_WRITE)
		if (wait_for(t, status, e) < 0)
			return -1;
	return status == IO_OK ? 0 : err_set(e, ERR_UNAVAILABLE, "it ended the connection");
}

/* After `status`: 0, try again. */
static int go_on(struct talk *t, enum io_status status, struct err *e)
{
	struct tls_reason reason;

	if (status == IO_WANT_READ || status == IO_WANT_WRITE) {
		if (flush(t, e) < 0)
			return -1;
		if (session_has_input(&t->session))
			return clock_us_now() < t->deadline_us ? 0 : fail_late(t, e);
		return status == IO_WANT_READ ? wait_for(t, status, e) : 0;
	}
	if (status != IO_FAIL)
		return err_set(e, ERR_UNAVAILABLE, "it ended the connection");
	tls_reason_take(t->session.ssl, &reason);
	return err_set(e, ERR_UNAVAILABLE, "TLS with it failed: %s", reason.sentence);
}

static int connect_unix(struct talk *t, struct err *e)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	memcpy(a.sun_path, t->q->url->host, sizeof(a.sun_path) - 1); /* as long as one may be */
	t->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* A unix socket connects at once, or says that its queue is full. */
	if (t->fd >= 0 && connect(t->fd, (const struct sockaddr *)&a, sizeof(a)) == 0)
		return 0;
	return err_errno(e, ERR_UNAVAILABLE, errno, "cannot connect");
}

static int connect_to(struct talk *t, struct err *e)
{
	const struct store_url *u = t->q->url;
	const struct dial_target target = {
		.host = u->host, .port = u->port, .timeout_ms = t->q->timeout_ms
	};

	if (u->way == STORE_URL_UNIX)
		return connect_unix(t, e);
	if (dial(&target, &t->fd, e) == DIAL_CONNECTED)
		return 0;
	e->code = ERR_UNAVAILABLE;
	return -1;
}

static int shake_hands(struct talk *t, struct err *e)
{
	const char *host = t->q->url->host;

	if (tls_identity_expect(t->session.ssl, host, NULL, e) < 0)
		return -1;
	while (!t->session.handshaken) {
		enum io_status status = session_handshake(&t->session);

		if (status != IO_OK && go_on(t, status, e) < 0)
			return -1;
	}
	return tls_identity_check(t->session.ssl, host, false, e);
}

static int open_talk(struct talk *t, struct err *e)
{
	const struct tls_client_options o = { .verify = TLS_VERIFY_HANDSHAKE };
	bool tls = t->q->url->way == STORE_URL_TLS;

	if (connect_to(t, e) < 0)
		return -1;
	if (tls && !(t->ctx = tls_context_new_client(&o, e)))
		return -1;
	if (t->q->connected)
		t->q->connected(t->q->data);
	t->parser = redis_parser_new();
	if (!t->parser || session_open(&t->session, &t->env, t->fd, t->ctx, false) < 0)
		return err_set(e, ERR_SYSTEM, "out of memory");
	return tls ? shake_hands(t, e) : 0;
}

static void close_talk(struct talk *t)
{
	session_close(&t->session, false);
	session_env_done(&t->env);
	tls_context_free(t->ctx);
	redis_parser_free(t->parser);
	if (t->commands.data)
		OPENSSL_cleanse(t->commands.data, t->commands.cap);
	buf_done(&t->commands);
	if (t->fd >= 0)
		close(t->fd);
}

static int send_all(struct talk *t, struct err *e)
{
	struct str s = buf_str(&t->commands);

	while (s.n) {
		size_t n = 0;
		enum io_status status = session_write(&t->session, s.p, s.n, &n);

		if (status != IO_OK && go_on(t, status, e) < 0)
			return -1;
		s = (struct str){ s.p + n, s.n - n };
	}
	return flush(t, e);
}

static int next_reply(struct talk *t, struct redis_reply *ret, struct err *e)
{
	char bytes[READ_SIZE];

	for (;;) {
		enum redis_result result = redis_next(t->parser, ret);
		enum io_status status;
		size_t n = 0;

		if (result == REDIS_COMPLETE)
			return 0;
		if (result == REDIS_MORE) {
			status = session_read(&t->session, bytes, sizeof(bytes), &n);
			if (status != IO_OK && go_on(t, status, e) < 0)
				return -1;
			if (redis_feed(t->parser, bytes, n))
				continue;
		}
		return err_set(e, ERR_UNAVAILABLE, "what it says is not the protocol of Redis");
	}
}

/* ---- the conversation -------------------------------------------------------------------- */

/* The code that an error begins with, if it looks like one. */
static int fail_with(const struct redis_reply *r, const char *what, struct err *e)
{
	static const char upper[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	char code[CODE_MAX + 1] = "";
	size_t n = 0, size = r->n < sizeof(r->text) ? r->n : sizeof(r->text);

	while (n < size && n < CODE_MAX && strchr(upper, r->text[n]) && r->text[n])
		n++;
	if (r->kind == REDIS_ERROR && n > 0 && (n == size || r->text[n] == ' '))
		memcpy(code, r->text, n);
	return err_set(e, ERR_UNAVAILABLE, "it refuses %s%s%s%s", what, code[0] ? " (" : "", code,
		code[0] ? ")" : "");
}

static int expect_ok(struct talk *t, const char *what, struct err *e)
{
	struct redis_reply r;

	if (next_reply(t, &r, e) < 0)
		return -1;
	return r.kind == REDIS_STATUS ? 0 : fail_with(&r, what, e);
}

static bool put(struct talk *t, const struct str *words, size_t n)
{
	return redis_format(&t->commands, words, n);
}

static bool put_login(struct talk *t)
{
	const struct store_url *u = t->q->url;
	struct str with[] = { STR("AUTH"), str_of(u->user), str_of(u->password) };
	struct str without[] = { STR("AUTH"), str_of(u->password) };
	char db[16];

	snprintf(db, sizeof(db), "%u", u->db);
	return (!u->password[0] || (u->user[0] ? put(t, with, 3) : put(t, without, 2))) &&
	       (!u->db || put(t, (struct str[]){ STR("SELECT"), str_of(db) }, 2));
}

static const char *key_of(const struct talk *t, int64_t slice, char dst[KEY_MAX])
{
	snprintf(dst, KEY_MAX, "latchd:tickets:%lld:%lld", (long long)t->q->rotate_ms,
		(long long)slice);
	return dst;
}

/* It lives until its tickets do not, for the largest `keep`. */
static bool put_slice(struct talk *t, int64_t slice)
{
	int64_t ttl_s = t->q->rotate_ms * (TICKET_KEEP_MAX + 2) / 1000 + 1;
	unsigned char fresh[STORE_SECRET_SIZE];
	char key[KEY_MAX], ttl[24];
	bool ok = true;

	key_of(t, slice, key);
	snprintf(ttl, sizeof(ttl), "%lld", (long long)ttl_s);
	if (slice >= t->q->slice) {
		struct str words[] = { STR("SET"), str_of(key), { (char *)fresh, sizeof(fresh) },
			STR("NX"), STR("EX"), str_of(ttl) };

		ok = RAND_priv_bytes(fresh, sizeof(fresh)) == 1 && put(t, words, 6);
		OPENSSL_cleanse(fresh, sizeof(fresh));
	}
	return ok && put(t, (struct str[]){ STR("GET"), str_of(key) }, 2);
}

static int take_value(struct talk *t, int64_t slice, const struct redis_reply *r,
	struct store_answer *ret, struct err *e)
{
	char key[KEY_MAX];

	if (r->kind == REDIS_NIL && slice < t->q->slice)
		return 0; /* nobody made one, or it is forgotten */
	if (r->kind == REDIS_NIL)
		return err_set(e, ERR_UNAVAILABLE, "it does not keep what it is given");
	if (r->kind != REDIS_BYTES)
		return fail_with(r, "GET", e);
	if (r->n != STORE_SECRET_SIZE)
		return err_set(e, ERR_UNAVAILABLE,
			"%s there has %zu bytes; expected %d: who else writes it?",
			key_of(t, slice, key), r->n, STORE_SECRET_SIZE);
	assert(ret->n < STORE_SLOTS_MAX);
	ret->slot[ret->n].slice = slice;
	memcpy(ret->slot[ret->n++].secret, r->text, STORE_SECRET_SIZE);
	return 0;
}

/* A replica that refuses to SET may still have what others made. */
static int take_slice(struct talk *t, int64_t slice, struct store_answer *ret, struct err *e)
{
	struct redis_reply set = { .kind = REDIS_STATUS }, get;
	int rc;

	if (slice >= t->q->slice && next_reply(t, &set, e) < 0)
		return -1;
	if (next_reply(t, &get, e) < 0)
		return -1;
	if (set.kind == REDIS_ERROR && get.kind != REDIS_BYTES)
		return fail_with(&set, "SET", e);
	rc = take_value(t, slice, &get, ret, e);
	OPENSSL_cleanse(&get, sizeof(get));
	return rc;
}

static int converse(struct talk *t, struct store_answer *ret, struct err *e)
{
	int64_t from = t->q->slice - t->q->keep, to = t->q->slice + MADE - 1;
	const struct store_url *u = t->q->url;
	bool ok = put_login(t);

	for (int64_t slice = from; slice <= to; slice++)
		ok = ok && put_slice(t, slice);
	if (!ok)
		return err_set(e, ERR_SYSTEM, "out of memory, or of random bytes");
	if (send_all(t, e) < 0)
		return -1;
	if (u->password[0] && expect_ok(t, "the user or the password", e) < 0)
		return -1;
	if (u->db && expect_ok(t, "the number of the database", e) < 0)
		return -1;
	for (int64_t slice = from; slice <= to; slice++)
		if (take_slice(t, slice, ret, e) < 0)
			return -1;
	return 0;
}

int store_ask(const struct store_query *q, struct store_answer *ret, struct err *e)
{
	struct talk t = {
		.q = q, .fd = -1, .deadline_us = clock_us_now() + (int64_t)q->timeout_ms * 1000
	};
	int rc;

	assert(q->keep < TICKET_KEEP_MAX && q->rotate_ms > 0);
	ret->n = 0;
	session_env_init(&t.env, true);
	buf_init(&t.commands, COMMANDS_MAX);
	rc = open_talk(&t, e);
	if (rc == 0)
		rc = converse(&t, ret, e);
	if (rc < 0)
		OPENSSL_cleanse(ret, sizeof(*ret));
	close_talk(&t);
	ERR_clear_error();
	return rc;
}
