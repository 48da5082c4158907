/* secret: rings of two machines that share one, their clocks apart. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pair_of_peers.h"
#include "tls/digest.h"
#include "tls/secret.h"

enum { ROTATE = 1000, KEEP = 2 };

static const char good[] = "0123456789abcdefghijklmnopqrstuvwxyz\r\n";

static struct tls_secret *load(const char *text, size_t n, struct err *e)
{
	char path[] = "/tmp/latch-secret-XXXXXX";
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, n), (ssize_t)n);
	close(fd);
	struct tls_secret *s = tls_secret_load(path, NULL, e);
	cr_expect(s || !strcmp(e->file, path));
	unlink(path);
	return s;
}

struct machine {
	struct ticket_ring *ring;
	struct tls_secret *secret;
	SSL_CTX *ctx;
};

static void machine_set(struct machine *m, int64_t now_ms, int64_t rotate_ms)
{
	struct err e = { 0 };

	const struct ticket_era always = { INT64_MIN, m->secret, true };

	cr_assert_eq(ticket_ring_derive(m->ring, &always, 1, now_ms, rotate_ms, KEEP, &e), 0, "%s",
		e.text);
	cr_expect(ticket_ring_is_derived(m->ring));
}

static void machine_start(struct machine *m, const char *text, int64_t now_ms)
{
	m->ring = ticket_ring_new(NULL);
	m->secret = load(text, strlen(text), NULL);
	cr_assert(m->ring && m->secret);
	cr_expect_not(ticket_ring_is_derived(m->ring));
	m->ctx = server_context("ecdsa", NULL, m->ring);
	machine_set(m, now_ms, ROTATE);
}

static void machine_stop(struct machine *m)
{
	SSL_CTX_free(m->ctx);
	tls_secret_free(m->secret);
	ticket_ring_free(m->ring);
}

/* A connection; its session, and whether it was resumed. */
static SSL_SESSION *visit(SSL_CTX *ours, SSL_CTX *peer, SSL_SESSION *from, bool *ret_resumed)
{
	struct peers p;
	char got[8];
	int error;

	peers_open(&p, ours, peer);
	if (from)
		SSL_set_session(p.peer, from);
	cr_assert_eq(peers_handshake(&p), IO_OK);
	write_all(&p, "hello");
	cr_assert_eq(peer_receive(&p, got, sizeof(got), &error), 5);
	*ret_resumed = session_resumed(&p.s);
	session_send_close(&p.s);
	SSL_shutdown(p.peer);
	SSL_SESSION *session = SSL_get1_session(p.peer);
	peers_close(&p);
	return session;
}

/* Is a session of `a` one of `b`? */
static bool is_shared(const struct machine *a, const struct machine *b, int version)
{
	SSL_CTX *peer = peer_context(version);
	bool resumed;
	SSL_SESSION *s = visit(a->ctx, peer, NULL, &resumed);

	cr_expect_not(resumed);
	SSL_SESSION_free(visit(b->ctx, peer, s, &resumed));
	SSL_SESSION_free(s);
	SSL_CTX_free(peer);
	return resumed;
}

Test(secret, machines_resume_each_others_sessions)
{
	static const struct {
		int64_t ours, theirs; /* clocks */
		bool shared;
	} rows[] = {
		{ 5000, 5999, true }, { 5999, 6000, true },   /* the slice began there */
		{ 6000, 5999, true },                         /* there it is not yet */
		{ 5000, 7999, true },                         /* the last of those kept */
		{ 5000, 8000, false }, { 7000, 5999, false }, /* too far ahead */
	};
	struct machine a, b;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		machine_start(&a, good, rows[i].ours);
		machine_start(&b, good, rows[i].theirs);
		cr_expect_eq(is_shared(&a, &b, TLS1_2_VERSION), rows[i].shared, "row %zu", i);
		cr_expect_eq(is_shared(&a, &b, TLS1_3_VERSION), rows[i].shared, "row %zu", i);
		machine_stop(&a);
		machine_stop(&b);
	}
}

Test(secret, line_ends_are_no_part_of_it_and_slices_are)
{
	struct machine a, b;

	machine_start(&a, good, 5000);
	machine_start(&b, "0123456789abcdefghijklmnopqrstuvwxyz", 5000);
	cr_expect(is_shared(&a, &b, TLS1_3_VERSION));
	machine_set(&a, 10000, 2 * ROTATE); /* the same number of a slice */
	cr_expect_not(is_shared(&a, &b, TLS1_3_VERSION));
	machine_stop(&b);
	machine_start(&b, "0123456789abcdefghijklmnopqrstuvwxyZ", 5000);
	machine_set(&a, 5000, ROTATE);
	cr_expect_not(is_shared(&a, &b, TLS1_3_VERSION));
	machine_stop(&a);
	machine_stop(&b);
}

/* However often the keys are made in between, at reloads. */
Test(secret, tickets_from_before_it_last_as_long_as_they_live)
{
	SSL_CTX *peer = peer_context(TLS1_3_VERSION);
	struct machine m = { .ring = ticket_ring_new(NULL) };
	bool resumed;

	m.secret = load(good, strlen(good), NULL);
	m.ctx = server_context("ecdsa", NULL, m.ring);
	SSL_SESSION *old = visit(m.ctx, peer, NULL, &resumed);
	for (int64_t now = 5000; now < 8000; now += 333) {
		machine_set(&m, now, ROTATE);
		SSL_SESSION *copy = SSL_SESSION_dup(old); /* a client uses each once */
		SSL_SESSION_free(visit(m.ctx, peer, copy, &resumed));
		SSL_SESSION_free(copy);
		cr_expect_eq(resumed, now < 5000 + KEEP * ROTATE, "%d", (int)now);
	}
	cr_assert_eq(ticket_ring_rotate(m.ring, KEEP, NULL), 0);
	cr_expect_not(ticket_ring_is_derived(m.ring));
	SSL_SESSION_free(old);
	SSL_CTX_free(peer);
	machine_stop(&m);
}

static struct tls_secret *secret_of(char c)
{
	char bytes[TLS_SECRET_MIN];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(c + (char)i);
	return tls_secret_new(bytes, sizeof(bytes), NULL);
}

struct knowledge {
	const struct ticket_era *eras;
	size_t n;
	int64_t now_ms;
};

/* Are sessions of who knows this resumed by who knows that? */
static bool is_known(struct knowledge ours, struct knowledge theirs)
{
	struct machine a, b;
	struct err e;

	machine_start(&a, good, 1000);
	machine_start(&b, good, 2000000);
	cr_assert_eq(
		ticket_ring_derive(a.ring, ours.eras, ours.n, ours.now_ms, ROTATE, KEEP, &e), 0);
	cr_assert_eq(
		ticket_ring_derive(b.ring, theirs.eras, theirs.n, theirs.now_ms, ROTATE, KEEP, &e),
		0);
	bool shared = is_shared(&a, &b, TLS1_3_VERSION);
	machine_stop(&a);
	machine_stop(&b);
	return shared;
}

/* Machines that know the secrets of different slices. */
Test(secret, eras_follow_one_another)
{
	struct tls_secret *first = secret_of('a'), *second = secret_of('k');
	const struct ticket_era both[] = { { 5, first, true }, { 7, second, true } };
	/* The second may be known to us alone. */
	const struct ticket_era doubted[] = { { 5, first, true }, { 7, second, false } };
	static const struct {
		size_t from, n; /* what the other knows of them */
		int64_t ours, theirs;
		bool shared, doubted; /* if it is doubted */
	} rows[] = {
		{ 0, 2, 5000, 5000, true, true },
		{ 0, 1, 5000, 5000, true, true },
		{ 0, 1, 6000, 6000, true, true },  /* slice 6 follows from the secret of 5 */
		{ 0, 1, 7000, 7000, false, true }, /* one has not heard of the second */
		{ 0, 1, 8000, 8000, false, true },
		{ 1, 1, 7000, 7000, true, false },
		{ 1, 1, 6000, 7000, false, false }, /* nobody knows what was before what it knows */
		{ 0, 2, 5000, 7000, true, true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct knowledge theirs = { both + rows[i].from, rows[i].n, rows[i].theirs };
		struct knowledge sure = { both, 2, rows[i].ours };
		struct knowledge doubt = { doubted, 2, rows[i].ours };

		cr_expect_eq(is_known(sure, theirs), rows[i].shared, "row %zu", i);
		cr_expect_eq(is_known(doubt, theirs), rows[i].doubted, "row %zu", i);
		if (rows[i].from || rows[i].ours != rows[i].theirs)
			continue;
		cr_expect(is_known(theirs, sure), "row %zu: who knows more takes both", i);
		cr_expect(is_known(theirs, doubt), "row %zu", i);
	}
	tls_secret_free(first);
	tls_secret_free(second);
}

Test(secret, this_slice_must_follow_from_something)
{
	struct ticket_ring *ring = ticket_ring_new(NULL);
	struct tls_secret *secret = secret_of('a');
	const struct ticket_era era = { 5, secret, true };
	struct err e;

	cr_expect_eq(ticket_ring_derive(ring, &era, 1, 4999, ROTATE, KEEP, &e), -1);
	cr_expect_eq(ticket_ring_derive(ring, &era, 0, 5000, ROTATE, KEEP, &e), -1);
	cr_expect_not(ticket_ring_is_derived(ring), "and it is as it was");
	cr_expect(tls_secret_is_same(secret, secret));
	struct tls_secret *other = secret_of('b');
	cr_expect_not(tls_secret_is_same(secret, other));
	ticket_ring_free(ring);
	tls_secret_free(secret);
	tls_secret_free(other);
}

Test(secret, what_is_none)
{
	static const struct {
		const char *text, *words;
	} rows[] = {
		{ "", "has 0 bytes; expected at least 32" },
		{ "0123456789abcdefghijklmnopqrstu\n\n", "has 31 bytes" },
		{ "abcabcabcabcabcabcabcabcabcabcabcabcabcabc", "too regular" },
	};
	struct err e = { 0 };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_expect_null(load(rows[i].text, strlen(rows[i].text), &e));
		cr_expect_not_null(strstr(e.text, rows[i].words), "%s", e.text);
	}
	cr_expect_null(tls_secret_load("/nonexistent", NULL, &e));
	cr_expect_not_null(strstr(e.text, "cannot be read"));
}

Test(secret, a_child_does_not_have_it)
{
	struct tls_secret *s = load(good, strlen(good), NULL);
	unsigned char key[80];
	int status = -1;

	cr_assert_eq(tls_secret_derive(s, ROTATE, 5, key, sizeof(key)), 0);
	pid_t pid = fork();
	if (pid == 0)
		_exit(tls_secret_derive(s, ROTATE, 5, key, sizeof(key)) == -1 ? 0 : 1);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(status, 0);
	tls_secret_free(s);
}
