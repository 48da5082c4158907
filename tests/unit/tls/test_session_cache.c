/* session_cache: sessions by id through shared memory, and what a worker that dies, or writes what
 * it should not, can do to it. The room is included, for the memory is to be tampered with. */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../src/tls/session_cache.c"
#include "pair_of_peers.h"

struct cached {
	struct session_cache *cache;
	SSL_CTX *ours, *peer;
	SSL_SESSION *session; /* of the peer, from a first connection */
};

static bool visit(struct cached *c, SSL_SESSION *from, SSL_SESSION **ret)
{
	struct peers p;
	bool resumed;

	peers_open(&p, c->ours, c->peer);
	p.env.cache = c->cache;
	if (from)
		SSL_set_session(p.peer, from);
	cr_assert_eq(peers_handshake(&p), IO_OK, "%s", p.reason.sentence);
	resumed = session_resumed(&p.s);
	session_send_close(&p.s);
	SSL_shutdown(p.peer);
	if (ret)
		*ret = SSL_get1_session(p.peer);
	peers_close(&p);
	return resumed;
}

static void start(struct cached *c)
{
	struct tls_pair pair = { .certificate = cert("ecdsa.pem"),
		.private_key = cert("ecdsa.key") };
	struct tls_options o = {
		.tickets_rotate_ms = 3600000, .tickets_keep = 2, .session_cache = 1
	};

	c->cache = session_cache_new(SESSION_CACHE_MIN, NULL);
	c->ours = tls_context_new_server(&o, &pair, 1, "policy", 6, NULL, NULL);
	c->peer = peer_context(TLS1_2_VERSION);
	cr_assert(c->cache && c->ours);
	cr_assert_not(visit(c, NULL, &c->session));
	cr_assert(visit(c, c->session, NULL));
}

static void stop(struct cached *c)
{
	SSL_SESSION_free(c->session);
	SSL_CTX_free(c->ours);
	SSL_CTX_free(c->peer);
	session_cache_free(c->cache);
}

static struct bucket *home(const struct cached *c, const SSL_SESSION *s)
{
	unsigned n;
	const unsigned char *id = SSL_SESSION_get_id(s, &n);

	return bucket_of(c->cache, id, n);
}

Test(session_cache, another_process_has_it)
{
	struct cached c;
	int status = -1;

	start(&c);
	pid_t pid = fork();
	if (pid == 0)
		_exit(visit(&c, c.session, NULL) ? 0 : 1);
	waitpid(pid, &status, 0);
	cr_expect_eq(status, 0);
	stop(&c);
}

Test(session_cache, what_is_forgotten_is_gone)
{
	struct cached c;
	struct peers p;

	start(&c);
	peers_open(&p, c.ours, c.peer);
	p.env.cache = c.cache;
	SSL_set_session(p.peer, c.session);
	cr_assert_eq(peers_handshake(&p), IO_OK);
	session_close(&p.s, true);
	peers_close(&p);
	cr_expect_not(visit(&c, c.session, NULL));
	stop(&c);
}

Test(session_cache, the_lock_of_a_dead_worker_is_taken_away)
{
	struct cached c;
	SSL_SESSION *next;

	start(&c);
	struct bucket *b = home(&c, c.session);
	atomic_fetch_add(&b->sequence, 1);
	b->locked_ms = clock_ms();
	cr_expect_not(visit(&c, c.session, NULL)); /* somebody writes: a miss */
	b->locked_ms = clock_ms() - 2 * LOCK_MS;
	for (int i = 0; i < 10000; i++) { /* until one has that bucket */
		cr_assert_not(visit(&c, NULL, &next));
		if (home(&c, next) == b)
			break;
		SSL_SESSION_free(next);
	}
	cr_expect_not(visit(&c, c.session, NULL)); /* what was half written is not believed */
	cr_expect(visit(&c, next, NULL));
	cr_expect_eq(b->sequence & 1, 0u);
	SSL_SESSION_free(next);
	stop(&c);
}

Test(session_cache, no_byte_of_it_is_believed)
{
	struct cached c;

	start(&c);
	struct bucket *b = home(&c, c.session);
	unsigned n;
	const unsigned char *id = SSL_SESSION_get_id(c.session, &n);
	for (size_t i = 0; i < b->used / 8; i++) {
		b->words[i] ^= 1u << (i % 32);
		cr_expect_null(find(c.cache, id, n), "word %zu", i);
		b->words[i] ^= 1u << (i % 32);
	}
	SSL_SESSION *whole = find(c.cache, id, n);
	cr_expect_not_null(whole);
	SSL_SESSION_free(whole);
	stop(&c);
}

Test(session_cache, garbage_is_harmless)
{
	struct cached c;
	unsigned seed = 1;

	start(&c);
	struct bucket *b = home(&c, c.session);
	for (int round = 0; round < 200; round++) {
		for (size_t i = 0; i < WORDS; i++)
			b->words[i] = (uint64_t)rand_r(&seed) << 32 | (unsigned)rand_r(&seed);
		b->used = (uint32_t)rand_r(&seed);
		visit(&c, c.session, NULL);
		struct copy copy;
		uint32_t ticket;
		unsigned n;
		const unsigned char *id = SSL_SESSION_get_id(c.session, &n);
		cr_assert(lock(b, &copy, &ticket));
		make_room(&copy, id, n, 1000);
		cr_assert_leq(copy.used, ROOM - 1000);
		unlock(b, &copy, ticket);
	}
	stop(&c);
}

Test(session_cache, many_writers_lose_nothing_but_the_oldest)
{
	enum { WRITERS = 4, EACH = 50 };
	struct cached c;
	int status, failed = 0;

	start(&c);
	session_cache_free(c.cache);
	c.cache = session_cache_new(1024 * 1024, NULL);
	for (int w = 0; w < WRITERS; w++) {
		if (fork() != 0)
			continue;
		SSL_SESSION *mine[EACH];
		for (int i = 0; i < EACH; i++)
			visit(&c, NULL, &mine[i]);
		for (int i = 0; i < EACH; i++)
			failed += !visit(&c, mine[i], NULL);
		_exit(failed);
	}
	for (int w = 0; w < WRITERS; w++) {
		cr_assert_gt(wait(&status), 0);
		cr_expect_eq(status, 0);
	}
	stop(&c);
}
