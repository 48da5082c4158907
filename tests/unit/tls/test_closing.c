/* closing: each row of the table of endings, in both modes. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pair_of_peers.h"
#include "tls/closing.h"

static const struct closing_policy strict = { CLOSING_STRICT, 2000 };
static const struct closing_policy lenient = { CLOSING_LENIENT, 2000 };
static const struct closing_policy *const policies[] = { &lenient, &strict };

#define FOR_BOTH_MODES(i) for (size_t i = 0; i < 2; i++)

/* Fills the socket until the kernel takes no more. */
static void fill_socket(struct peers *p)
{
	char *body = calloc(1, SESSION_OUT_MAX);
	size_t n;

	do
		cr_assert_eq(session_write(&p->s, body, SESSION_READ_MAX, &n), IO_OK);
	while (session_flush(&p->s) == IO_OK);
	free(body);
}

static bool peer_sees_fin(struct peers *p)
{
	char c;

	return read(p->fd[1], &c, 1) == 0;
}

Test(closing, every_closure_has_a_name)
{
	static const char *const names[CLOSURE_COUNT] = { "none", "clean", "truncated", "reset",
		"timeout", "local" };

	for (int i = 0; i < CLOSURE_COUNT; i++)
		cr_expect_str_eq(closure_name((enum closure)i), names[i]);
	cr_expect_str_eq(closure_name(CLOSURE_COUNT), "none");
}

Test(closing, peer_answers_with_close_notify)
{
	FOR_BOTH_MODES(i)
	{
		struct peers p;
		struct closing c = { 0 };
		peers_start(&p, TLS1_3_VERSION);
		cr_expect_eq(closing_start(&c, &p.s, false), CLOSING_WAIT_READ);
		cr_expect_eq(c.state, CLOSING_LINGER);
		cr_expect(peer_sees_close(&p, NULL));
		cr_expect(peer_sees_fin(&p));
		SSL_shutdown(p.peer);
		cr_expect_eq(closing_continue(&c, &p.s), CLOSING_WAIT_NOTHING);
		cr_expect_eq(c.state, CLOSING_DONE);
		cr_expect_eq(c.closure, CLOSURE_CLEAN);
		peers_close(&p);
	}
}

Test(closing, peer_closed_first)
{
	FOR_BOTH_MODES(i)
	{
		struct peers p;
		struct closing c = { 0 };
		char got[8];
		size_t n;
		peers_start(&p, TLS1_2_VERSION);
		SSL_shutdown(p.peer);
		cr_expect_eq(session_read(&p.s, got, sizeof(got), &n), IO_EOF);
		cr_expect_eq(closing_start(&c, &p.s, false), CLOSING_WAIT_NOTHING);
		cr_expect_eq(c.closure, CLOSURE_CLEAN);
		cr_expect(peer_sees_close(&p, NULL)); /* it is answered */
		peers_close(&p);
	}
}

Test(closing, fin_alone_is_truncated)
{
	FOR_BOTH_MODES(i)
	{
		struct peers p;
		struct closing c = { 0 };
		peers_start(&p, TLS1_3_VERSION);
		cr_expect_eq(closing_start(&c, &p.s, false), CLOSING_WAIT_READ);
		peer_shut_write(&p);
		cr_expect_eq(closing_continue(&c, &p.s), CLOSING_WAIT_NOTHING);
		cr_expect_eq(c.closure, CLOSURE_TRUNCATED);
		peers_close(&p);
	}
}

Test(closing, fin_before_ours_is_answered_with_close_notify)
{
	struct peers p;
	struct closing c = { 0 };
	char got[8];
	size_t n;

	peers_start(&p, TLS1_3_VERSION);
	peer_shut_write(&p);
	cr_expect_eq(session_read(&p.s, got, sizeof(got), &n), IO_TRUNCATED);
	cr_expect_eq(closing_start(&c, &p.s, false), CLOSING_WAIT_NOTHING);
	cr_expect_eq(c.closure, CLOSURE_TRUNCATED);
	cr_expect(peer_sees_close(&p, NULL));
	peers_close(&p);
}

Test(closing, silence_is_timeout_in_strict_and_local_in_lenient)
{
	static const enum closure expected[] = { CLOSURE_LOCAL, CLOSURE_TIMEOUT };

	FOR_BOTH_MODES(i)
	{
		struct peers p;
		struct closing c = { 0 };
		peers_start(&p, TLS1_3_VERSION);
		cr_expect_eq(closing_start(&c, &p.s, false), CLOSING_WAIT_READ);
		cr_expect_eq(closing_continue(&c, &p.s), CLOSING_WAIT_READ);
		closing_expire(&c, &p.s, policies[i]);
		cr_expect_eq(c.state, CLOSING_DONE);
		cr_expect_eq(c.closure, expected[i]);
		closing_expire(&c, &p.s, policies[1 - i]); /* done is done */
		cr_expect_eq(c.closure, expected[i]);
		peers_close(&p);
	}
}

Test(closing, reset_while_lingering)
{
	FOR_BOTH_MODES(i)
	{
		struct peers p;
		struct closing c = { 0 };
		peers_start(&p, TLS1_3_VERSION);
		cr_expect_eq(closing_start(&c, &p.s, false), CLOSING_WAIT_READ);
		close(p.fd[1]); /* with our close_notify unread */
		p.fd[1] = -1;
		cr_expect_eq(closing_continue(&c, &p.s), CLOSING_WAIT_NOTHING);
		cr_expect_eq(c.closure, CLOSURE_RESET);
		peers_close(&p);
	}
}

Test(closing, reset_before_anything_is_sent)
{
	struct peers p;
	struct closing c = { 0 };

	peers_start(&p, TLS1_3_VERSION);
	peer_reset(&p);
	cr_expect_eq(closing_start(&c, &p.s, false), CLOSING_WAIT_NOTHING);
	cr_expect_eq(c.closure, CLOSURE_RESET);
	peers_close(&p);
}

Test(closing, content_after_our_close_notify_is_dropped)
{
	FOR_BOTH_MODES(i)
	{
		struct peers p;
		struct closing c = { 0 };
		peers_start(&p, TLS1_3_VERSION);
		cr_expect_eq(closing_start(&c, &p.s, false), CLOSING_WAIT_READ);
		for (int k = 0; k < 50; k++)
			peer_send(&p, "still talking");
		cr_expect_eq(closing_continue(&c, &p.s), CLOSING_WAIT_READ);
		SSL_shutdown(p.peer);
		cr_expect_eq(closing_continue(&c, &p.s), CLOSING_WAIT_NOTHING);
		cr_expect_eq(c.closure, CLOSURE_CLEAN);
		peers_close(&p);
	}
}

/* More than one call drains, with close_notify at the very end and the peer's FIN never. */
Test(closing, a_flood_is_drained_in_turns)
{
	struct peers p;
	struct closing c = { 0 };
	char *body = calloc(1, SESSION_READ_MAX);
	bool closed = false;
	int turns = 0;

	peers_start(&p, TLS1_3_VERSION);
	SSL_set_mode(p.peer, SSL_MODE_ENABLE_PARTIAL_WRITE);
	cr_expect_eq(closing_start(&c, &p.s, false), CLOSING_WAIT_READ);
	for (int sent = 0; c.state != CLOSING_DONE && turns < 1000; turns++) {
		while (sent < 100 && SSL_write(p.peer, body, SESSION_READ_MAX) > 0)
			sent++;
		if (sent == 100 && !closed)
			closed = SSL_shutdown(p.peer) >= 0;
		closing_continue(&c, &p.s);
	}
	cr_expect_eq(c.closure, CLOSURE_CLEAN);
	free(body);
	peers_close(&p);
}

/* All of it is on the socket before one call: what is left must not sit inside unseen. */
Test(closing, many_small_records_and_close_notify_at_once)
{
	struct peers p;
	struct closing c = { 0 };

	peers_start(&p, TLS1_3_VERSION);
	cr_expect_eq(closing_start(&c, &p.s, false), CLOSING_WAIT_READ);
	BIO *aside = BIO_new(BIO_s_mem());
	SSL_set0_wbio(p.peer, aside);
	for (int i = 0; i < 200; i++)
		peer_send(&p, "x");
	SSL_shutdown(p.peer);
	char *wire;
	long n = BIO_get_mem_data(aside, &wire);
	cr_assert_lt(n, 16000);
	cr_assert_eq(write(p.fd[1], wire, (size_t)n), n);
	cr_expect_eq(closing_continue(&c, &p.s), CLOSING_WAIT_NOTHING);
	cr_expect_eq(c.closure, CLOSURE_CLEAN);
	peers_close(&p);
}

Test(closing, key_updates_after_our_close_notify_do_no_harm)
{
	struct peers p;
	struct closing c = { 0 };

	peers_start(&p, TLS1_3_VERSION);
	cr_expect_eq(closing_start(&c, &p.s, false), CLOSING_WAIT_READ);
	cr_assert_eq(SSL_key_update(p.peer, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
	cr_assert_eq(SSL_do_handshake(p.peer), 1);
	cr_expect_eq(closing_continue(&c, &p.s), CLOSING_WAIT_READ);
	cr_expect_not(p.s.reset);
	peer_shut_write(&p);
	cr_expect_eq(closing_continue(&c, &p.s), CLOSING_WAIT_NOTHING);
	cr_expect_eq(c.closure, CLOSURE_TRUNCATED);
	peers_close(&p);
}

Test(closing, junk_after_our_close_notify_ends_with_the_fin)
{
	struct peers p;
	struct closing c = { 0 };
	static const char junk[] = "\x17\x03\x03\x00\x01!";

	peers_start(&p, TLS1_3_VERSION);
	cr_expect_eq(closing_start(&c, &p.s, false), CLOSING_WAIT_READ);
	cr_assert_eq(write(p.fd[1], junk, sizeof(junk) - 1), (ssize_t)sizeof(junk) - 1);
	cr_expect_eq(closing_continue(&c, &p.s), CLOSING_WAIT_READ);
	cr_expect(p.s.failed);
	cr_assert_eq(write(p.fd[1], junk, sizeof(junk) - 1), (ssize_t)sizeof(junk) - 1);
	cr_expect_eq(closing_continue(&c, &p.s), CLOSING_WAIT_READ);
	peer_shut_write(&p);
	cr_expect_eq(closing_continue(&c, &p.s), CLOSING_WAIT_NOTHING);
	cr_expect_eq(c.closure, CLOSURE_TRUNCATED);
	peers_close(&p);
}

Test(closing, close_notify_goes_behind_pending_data)
{
	FOR_BOTH_MODES(i)
	{
		struct peers p;
		struct closing c = { 0 };
		size_t total = 0, more = 0;
		bool closed = false;
		peers_start(&p, TLS1_3_VERSION);
		fill_socket(&p);
		cr_expect_eq(closing_start(&c, &p.s, false), CLOSING_WAIT_WRITE);
		cr_expect_eq(c.state, CLOSING_FLUSH);
		cr_expect_eq(closing_continue(&c, &p.s), CLOSING_WAIT_WRITE);
		for (int k = 0; k < 10 && !closed; k++) {
			closed = peer_sees_close(&p, &more);
			total += more;
			closing_continue(&c, &p.s);
		}
		cr_expect(closed);
		cr_expect_eq(total % SESSION_READ_MAX, 0); /* whole, in full records */
		cr_expect_eq(c.state, CLOSING_LINGER);
		peers_close(&p);
	}
}

Test(closing, reader_that_stops_is_timeout)
{
	struct peers p;
	struct closing c = { 0 };

	peers_start(&p, TLS1_3_VERSION);
	fill_socket(&p);
	cr_expect_eq(closing_start(&c, &p.s, false), CLOSING_WAIT_WRITE);
	closing_expire(&c, &p.s, &lenient);
	cr_expect_eq(c.closure, CLOSURE_TIMEOUT);
	cr_expect_not(p.s.sent_close);
	peers_close(&p);
}

Test(closing, write_deadline_does_not_wait_again)
{
	struct peers p;
	struct closing c = { 0 };

	peers_start(&p, TLS1_3_VERSION);
	fill_socket(&p);
	cr_expect_eq(closing_start(&c, &p.s, true), CLOSING_WAIT_NOTHING);
	cr_expect_eq(c.closure, CLOSURE_TIMEOUT);
	peers_close(&p);
}

Test(closing, our_deadline_is_timeout_whatever_comes)
{
	FOR_BOTH_MODES(i)
	{
		struct peers p;
		struct closing c = { 0 };
		peers_start(&p, TLS1_3_VERSION);
		cr_expect_eq(closing_start(&c, &p.s, true), CLOSING_WAIT_READ);
		cr_expect(peer_sees_close(&p, NULL)); /* told properly all the same */
		SSL_shutdown(p.peer);
		cr_expect_eq(closing_continue(&c, &p.s), CLOSING_WAIT_NOTHING);
		cr_expect_eq(c.closure, CLOSURE_TIMEOUT);
		peers_close(&p);
	}
}

Test(closing, handshake_deadline_sends_no_close_notify)
{
	SSL_CTX *ctx = server_context("ecdsa", NULL, NULL);
	struct peers p;
	struct closing c = { 0 };

	peers_open(&p, ctx, NULL);
	cr_assert_eq(session_handshake(&p.s), IO_WANT_READ);
	cr_expect_eq(closing_start(&c, &p.s, true), CLOSING_WAIT_NOTHING);
	cr_expect_eq(c.closure, CLOSURE_TIMEOUT);
	cr_expect_eq(p.s.bytes_out, 0);
	cr_expect(peer_sees_fin(&p));
	peers_close(&p);
	SSL_CTX_free(ctx);
}

Test(closing, alert_of_a_failed_handshake_survives)
{
	SSL_CTX *ctx = server_context("ecdsa", NULL, NULL);
	struct peers p;
	struct closing c = { 0 };
	unsigned char got[64];

	peers_open(&p, ctx, NULL);
	peer_send(&p, "\x16\x03\x01 nonsense that goes on and on and on and on");
	enum io_status st = session_handshake(&p.s);
	for (int i = 0; i < 300 && st == IO_WANT_READ; i++) {
		peer_send(&p, "nonsense that goes on and on and on and on and on and on and on ");
		st = session_handshake(&p.s);
	}
	cr_assert_eq(st, IO_FAIL);
	cr_expect_eq(closing_start(&c, &p.s, false), CLOSING_WAIT_READ);
	cr_expect_eq(read(p.fd[1], got, sizeof(got)), 7);
	cr_expect_eq(got[0], 21); /* an alert record, fatal */
	cr_expect_eq(got[5], 2);
	cr_expect(peer_sees_fin(&p));
	closing_expire(&c, &p.s, &lenient);
	cr_expect_eq(c.closure, CLOSURE_LOCAL);
	peers_close(&p);
	SSL_CTX_free(ctx);
}

Test(closing, abort_tells_what_was_seen)
{
	static const struct {
		enum io_status status;
		enum closure closure;
	} rows[] = {
		{ IO_EOF, CLOSURE_CLEAN },
		{ IO_TRUNCATED, CLOSURE_TRUNCATED },
		{ IO_RESET, CLOSURE_RESET },
		{ IO_FAIL, CLOSURE_LOCAL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct session s = { .fd = -1 };
		struct closing c = { 0 };
		closing_abort(&c, &s, rows[i].status);
		cr_expect_eq(c.state, CLOSING_DONE);
		cr_expect_eq(c.closure, rows[i].closure);
		closing_abort(&c, &s, IO_RESET);
		cr_expect_eq(c.closure, rows[i].closure);
	}
}

Test(closing, start_twice_goes_on)
{
	struct peers p;
	struct closing c = { 0 };

	peers_start(&p, TLS1_3_VERSION);
	cr_expect_eq(closing_start(&c, &p.s, false), CLOSING_WAIT_READ);
	cr_expect_eq(closing_start(&c, &p.s, true), CLOSING_WAIT_READ);
	cr_expect_not(c.early_timeout);
	closing_expire(&c, &p.s, &lenient);
	cr_expect_eq(closing_start(&c, &p.s, false), CLOSING_WAIT_NOTHING);
	cr_expect_eq(c.closure, CLOSURE_LOCAL);
	peers_close(&p);
}

Test(closing, plain_session_ends_with_the_peers_fin)
{
	FOR_BOTH_MODES(i)
	{
		struct peers p;
		struct closing c = { 0 };
		size_t n;
		peers_open(&p, NULL, NULL);
		cr_assert_eq(session_write(&p.s, "bye", 3, &n), IO_OK);
		cr_expect_eq(closing_start(&c, &p.s, false), CLOSING_WAIT_READ);
		peer_send(&p, "too late");
		cr_expect_eq(closing_continue(&c, &p.s), CLOSING_WAIT_READ);
		peer_shut_write(&p);
		cr_expect_eq(closing_continue(&c, &p.s), CLOSING_WAIT_NOTHING);
		cr_expect_eq(c.closure, CLOSURE_CLEAN);
		peers_close(&p);
	}
}

Test(closing, plain_silence_is_local)
{
	FOR_BOTH_MODES(i)
	{
		struct peers p;
		struct closing c = { 0 };
		peers_open(&p, NULL, NULL);
		session_handshake(&p.s);
		cr_expect_eq(closing_start(&c, &p.s, false), CLOSING_WAIT_READ);
		closing_expire(&c, &p.s, policies[i]);
		cr_expect_eq(c.closure, CLOSURE_LOCAL);
		peers_close(&p);
	}
}
