/* session: every outcome of a connection as a status, and the system calls of the hot path. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pair_of_peers.h"
#include "tls/reason.h"
#include "tls/sites.h"

/* The library's calls come here; the peer uses read() and write(). */
static unsigned recvs, sends;

#undef recv
#undef send
ssize_t recv(int fd, void *p, size_t n, int flags)
{
	recvs++;
	return syscall(SYS_recvfrom, fd, p, n, flags, NULL, NULL);
}

ssize_t send(int fd, const void *p, size_t n, int flags)
{
	sends++;
	return syscall(SYS_sendto, fd, p, n, flags, NULL, 0);
}

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

#define FOR_BOTH_VERSIONS(i) for (size_t i = 0; i < 2; i++)

static enum io_status read_status(struct peers *p)
{
	char got[256];
	size_t n = 7;
	enum io_status st = session_read(&p->s, got, sizeof(got), &n);

	cr_assert(st == IO_OK || n == 0);
	return st;
}

Test(session, handshake_tells_version_and_cipher)
{
	static const char *const names[] = { "TLSv1.2", "TLSv1.3" };
	static const char *const ciphers[] = { "ECDHE-ECDSA-AES128-GCM-SHA256",
		"TLS_AES_128_GCM_SHA256" };

	FOR_BOTH_VERSIONS(i)
	{
		struct peers p;
		size_t n = 1;
		peers_start(&p, versions[i]);
		cr_expect(p.s.handshaken);
		cr_expect_str_eq(session_version(&p.s), names[i]);
		cr_expect_str_eq(session_cipher(&p.s), ciphers[i]);
		cr_expect_not(session_resumed(&p.s));
		cr_expect_str_eq(session_sni(&p.s), "");
		session_alpn(&p.s, &n);
		cr_expect_eq(n, 0);
		cr_expect_gt(p.s.bytes_in, 100);
		cr_expect_gt(p.s.bytes_out, 500);
		peers_close(&p);
	}
}

Test(session, a_small_exchange_is_one_recv_and_one_send)
{
	FOR_BOTH_VERSIONS(i)
	{
		struct peers p;
		char got[64];
		int error;
		peers_start(&p, versions[i]);
		for (int round = 0; round < 3; round++) {
			peer_send(&p, "a request");
			recvs = sends = 0;
			expect_read(&p, "a request");
			cr_expect_not(session_has_input(&p.s));
			write_all(&p, "an answer");
			cr_expect_eq(recvs, 1);
			cr_expect_eq(sends, 1);
			cr_expect_eq(peer_receive(&p, got, sizeof(got), &error), 9);
		}
		peers_close(&p);
	}
}

Test(session, answer_and_close_notify_share_a_send)
{
	struct peers p;
	size_t n, total;

	peers_start(&p, TLS1_3_VERSION);
	cr_assert_eq(session_write(&p.s, "bye", 3, &n), IO_OK);
	sends = 0;
	session_send_close(&p.s);
	cr_expect(p.s.sent_close);
	cr_expect_eq(sends, 1);
	cr_expect(peer_sees_close(&p, &total));
	cr_expect_eq(total, 3);
	cr_expect_eq(session_write(&p.s, "more", 4, &n), IO_FAIL);
	session_send_close(&p.s); /* once only */
	cr_expect_eq(sends, 1);
	peers_close(&p);
}

Test(session, nothing_to_read_is_want_read)
{
	struct peers p;

	peers_start(&p, TLS1_3_VERSION);
	cr_expect_eq(read_status(&p), IO_WANT_READ);
	cr_expect_not(session_has_input(&p.s));
	peers_close(&p);
}

Test(session, fin_without_close_notify_is_truncated_and_can_be_answered)
{
	FOR_BOTH_VERSIONS(i)
	{
		struct peers p;
		size_t total;
		peers_start(&p, versions[i]);
		peer_send(&p, "last words");
		peer_shut_write(&p);
		expect_read(&p, "last words");
		cr_expect_eq(read_status(&p), IO_TRUNCATED);
		cr_expect_eq(read_status(&p), IO_TRUNCATED);
		cr_expect(p.s.peer_fin && !p.s.peer_closed && !p.s.failed);
		write_all(&p, "the answer");
		session_send_close(&p.s);
		cr_expect(peer_sees_close(&p, &total));
		cr_expect_eq(total, 10);
		peers_close(&p);
	}
}

Test(session, close_notify_is_eof_and_can_be_answered)
{
	FOR_BOTH_VERSIONS(i)
	{
		struct peers p;
		char got[64];
		int error;
		peers_start(&p, versions[i]);
		peer_send(&p, "question");
		cr_assert_eq(SSL_shutdown(p.peer), 0);
		expect_read(&p, "question");
		cr_expect_eq(read_status(&p), IO_EOF);
		cr_expect(p.s.peer_closed && !p.s.peer_fin);
		cr_expect_not(session_has_input(&p.s));
		write_all(&p, "first ");
		write_all(&p, "second");
		session_send_close(&p.s);
		cr_expect_eq(peer_receive(&p, got, sizeof(got), &error), 6);
		cr_expect_eq(peer_receive(&p, got, sizeof(got), &error), 6);
		cr_expect(peer_sees_close(&p, NULL));
		peers_close(&p);
	}
}

Test(session, reset_while_reading)
{
	struct peers p;
	size_t n;

	peers_start(&p, TLS1_3_VERSION);
	peer_reset(&p);
	cr_expect_eq(read_status(&p), IO_RESET);
	cr_expect(p.s.reset);
	cr_expect_eq(session_write(&p.s, "x", 1, &n), IO_RESET);
	cr_expect_eq(session_flush(&p.s), IO_RESET);
	session_send_close(&p.s);
	cr_expect_not(p.s.sent_close);
	peers_close(&p);
}

Test(session, reset_while_writing)
{
	struct peers p;
	size_t n;

	peers_start(&p, TLS1_3_VERSION);
	cr_assert_eq(session_write(&p.s, "x", 1, &n), IO_OK);
	peer_reset(&p);
	cr_expect_eq(session_flush(&p.s), IO_RESET);
	cr_expect_eq(buf_len(&p.env.out), 0);
	cr_expect_null(p.env.owner);
	cr_expect_eq(read_status(&p), IO_RESET);
	peers_close(&p);
}

Test(session, a_write_makes_full_records)
{
	const size_t whole = 4 * (SESSION_READ_MAX + 5 + 1 + 16);
	struct peers p;
	size_t n = 0;
	char *body = calloc(1, 4 * SESSION_READ_MAX);

	peers_start(&p, TLS1_3_VERSION);
	uint64_t before = p.s.bytes_out;
	cr_expect_eq(session_write(&p.s, body, 4 * SESSION_READ_MAX, &n), IO_OK);
	cr_expect_eq(n, 4 * SESSION_READ_MAX);
	/* They go at once, without gathering; what the kernel has no room for is pending. */
	cr_expect_eq(buf_len(&p.env.out), 0);
	cr_expect_gt(p.s.bytes_out, before);
	cr_expect_eq(p.s.bytes_out - before + buf_len(&p.s.pending), whole);
	free(body);
	peers_close(&p);
}

Test(session, a_long_write_is_cut_at_a_record)
{
	struct peers p;
	size_t n = 0;
	char *body = calloc(1, 1 << 20);

	peers_start(&p, TLS1_2_VERSION);
	cr_expect_eq(session_write(&p.s, body, 1 << 20, &n), IO_OK);
	cr_expect_eq(n, 4 * SESSION_READ_MAX);
	free(body);
	peers_close(&p);
}

/* Sends `total` numbered bytes while the peer reads slower than we write. */
static void push_through(struct peers *p, size_t total)
{
	size_t sent = 0, seen = 0;
	bool waited = false;
	char chunk[40000], got[3000];
	int error;

	while (seen < total) {
		size_t n = total - sent < sizeof(chunk) ? total - sent : sizeof(chunk), took = 0;
		for (size_t i = 0; i < n; i++)
			chunk[i] = (char)((sent + i) % 251);
		if (n > 0 && session_write(&p->s, chunk, n, &took) == IO_OK)
			sent += took;
		waited |= session_flush(&p->s) == IO_WANT_WRITE;
		int m = peer_receive(p, got, sizeof(got), &error);
		for (int i = 0; i < m; i++)
			cr_assert_eq(got[i], (char)((seen + (size_t)i) % 251));
		seen += m > 0 ? (size_t)m : 0;
	}
	cr_expect_eq(sent, total);
	cr_expect(waited);
}

Test(session, a_slow_reader_gets_every_byte)
{
	FOR_BOTH_VERSIONS(i)
	{
		struct peers p;
		peers_start(&p, versions[i]);
		push_through(&p, 3 << 20);
		cr_expect_eq(session_flush(&p.s), IO_OK);
		cr_expect_null(p.s.pending.data); /* given back */
		peers_close(&p);
	}
}

Test(session, nothing_is_written_behind_pending_bytes)
{
	struct peers p;
	size_t n = 0, total = 0;
	char *body = calloc(1, SESSION_OUT_MAX);

	peers_start(&p, TLS1_3_VERSION);
	do
		cr_assert_eq(session_write(&p.s, body, SESSION_READ_MAX, &n), IO_OK);
	while (session_flush(&p.s) == IO_OK);
	cr_expect_gt(buf_len(&p.s.pending), 0);
	cr_expect_eq(session_write(&p.s, body, 1, &n), IO_WANT_WRITE);
	session_send_close(&p.s);
	cr_expect_not(p.s.sent_close); /* later */
	cr_expect_not(peer_sees_close(&p, &total));
	session_flush(&p.s);
	session_send_close(&p.s);
	cr_expect(p.s.sent_close);
	cr_expect(peer_sees_close(&p, &total));
	free(body);
	peers_close(&p);
}

Test(session, two_records_in_one_recv_are_input_that_no_poll_tells)
{
	struct peers p;

	peers_start(&p, TLS1_3_VERSION);
	peer_send(&p, "one");
	peer_send(&p, "two");
	expect_read(&p, "one");
	cr_expect(session_has_input(&p.s));
	recvs = 0;
	expect_read(&p, "two");
	cr_expect_eq(recvs, 0);
	cr_expect_not(session_has_input(&p.s));
	peers_close(&p);
}

/* From now on the peer's bytes go into memory, for the test to carry them. */
static BIO *divert_peer(struct peers *p)
{
	BIO *aside = BIO_new(BIO_s_mem());

	SSL_set0_wbio(p->peer, aside);
	return aside;
}

Test(session, part_of_a_record_is_no_input)
{
	struct peers p;
	char wire[256], got[64];
	size_t n;

	peers_start(&p, TLS1_3_VERSION);
	BIO *aside = divert_peer(&p);
	cr_assert_eq(SSL_write(p.peer, "a request", 9), 9);
	int wn = BIO_read(aside, wire, sizeof(wire));
	cr_assert_gt(wn, 20);
	cr_assert_eq(write(p.fd[1], wire, 10), 10);
	cr_expect_eq(session_read(&p.s, got, sizeof(got), &n), IO_WANT_READ);
	cr_expect_not(session_has_input(&p.s));
	cr_assert_eq(write(p.fd[1], wire + 10, (size_t)wn - 10), wn - 10);
	expect_read(&p, "a request");
	peers_close(&p);
}

Test(session, a_short_read_leaves_input)
{
	struct peers p;
	char got[4];
	size_t n;

	peers_start(&p, TLS1_3_VERSION);
	peer_send(&p, "abcdef");
	cr_expect_eq(session_read(&p.s, got, 4, &n), IO_OK);
	cr_expect_eq(n, 4);
	cr_expect(session_has_input(&p.s));
	cr_expect_eq(session_read(&p.s, got, 4, &n), IO_OK);
	cr_expect_eq(n, 2);
	peers_close(&p);
}

Test(session, damaged_record_is_fail_with_an_alert)
{
	static const char junk[] = "\x17\x03\x03\x00\x20"
				   "0123456789abcdef0123456789abcdef";
	struct peers p;
	struct tls_reason r;
	char got[16];
	int error;

	peers_start(&p, TLS1_3_VERSION);
	cr_assert_eq(write(p.fd[1], junk, sizeof(junk) - 1), (ssize_t)sizeof(junk) - 1);
	cr_expect_eq(read_status(&p), IO_FAIL);
	tls_reason_take(p.s.ssl, &r);
	cr_expect_str_eq(r.word, "decryption_failed_or_bad_record_mac");
	cr_expect_eq(r.alert, SSL_AD_BAD_RECORD_MAC);
	cr_expect_not(r.alert_by_peer);
	cr_expect(p.s.failed);
	cr_expect_eq(read_status(&p), IO_FAIL);
	session_send_close(&p.s);
	cr_expect_not(p.s.sent_close);
	cr_expect_eq(peer_receive(&p, got, sizeof(got), &error), -1);
	cr_expect_eq(error, SSL_ERROR_SSL); /* the alert came */
	peers_close(&p);
}

Test(session, failure_of_one_does_not_touch_another)
{
	static const char junk[] = "\x17\x03\x03\x00\x01!";
	struct peers p, q;

	peers_start(&p, TLS1_3_VERSION);
	peers_start(&q, TLS1_3_VERSION);
	cr_assert_eq(write(p.fd[1], junk, sizeof(junk) - 1), (ssize_t)sizeof(junk) - 1);
	cr_expect_eq(read_status(&p), IO_FAIL); /* and nobody takes the reason */
	cr_expect_eq(read_status(&q), IO_WANT_READ);
	peer_send(&q, "fine");
	expect_read(&q, "fine");
	peers_close(&p);
	peers_close(&q);
}

Test(session, plain_http_to_tls_is_named)
{
	SSL_CTX *ctx = server_context("ecdsa", NULL, NULL);
	struct peers p;
	struct tls_reason r;

	peers_open(&p, ctx, NULL);
	peer_send(&p, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
	cr_expect_eq(session_handshake(&p.s), IO_FAIL);
	tls_reason_take(p.s.ssl, &r);
	cr_expect_str_eq(r.word, "http_request");
	cr_expect_str_eq(r.sentence, "the peer speaks plain HTTP");
	cr_expect_eq(session_handshake(&p.s), IO_FAIL);
	peers_close(&p);
	SSL_CTX_free(ctx);
}

Test(session, fin_during_the_handshake)
{
	SSL_CTX *ctx = server_context("ecdsa", NULL, NULL);
	struct peers p;

	peers_open(&p, ctx, NULL);
	cr_expect_eq(session_handshake(&p.s), IO_WANT_READ);
	session_send_close(&p.s);
	cr_expect_not(p.s.sent_close);
	cr_expect_eq(p.s.bytes_out, 0);
	peer_shut_write(&p);
	cr_expect_eq(session_handshake(&p.s), IO_TRUNCATED);
	peers_close(&p);
	SSL_CTX_free(ctx);
}

Test(session, reset_during_the_handshake)
{
	SSL_CTX *ctx = server_context("ecdsa", NULL, NULL);
	struct peers p;

	peers_open(&p, ctx, NULL);
	peer_reset(&p);
	cr_expect_eq(session_handshake(&p.s), IO_RESET);
	peers_close(&p);
	SSL_CTX_free(ctx);
}

Test(session, old_version_gets_protocol_version)
{
	SSL_CTX *ours = server_context("ecdsa", "1.3", NULL), *peer = peer_context(TLS1_2_VERSION);
	struct peers p;

	peers_open(&p, ours, peer);
	cr_expect_eq(peers_handshake(&p), IO_FAIL);
	cr_expect_str_eq(p.reason.word, "unsupported_protocol");
	cr_expect_eq(p.reason.alert, SSL_AD_PROTOCOL_VERSION);
	peers_close(&p);
	SSL_CTX_free(ours);
	SSL_CTX_free(peer);
}

Test(session, renegotiation_is_refused)
{
	struct peers p;
	char got[16];
	int error;

	peers_start(&p, TLS1_2_VERSION);
	cr_assert_eq(SSL_renegotiate(p.peer), 1);
	cr_expect_leq(SSL_do_handshake(p.peer), 0);
	cr_expect_eq(read_status(&p), IO_WANT_READ);
	session_flush(&p.s);
	cr_expect_eq(peer_receive(&p, got, sizeof(got), &error), -1);
	cr_expect_eq(error, SSL_ERROR_SSL); /* no_renegotiation */
	cr_expect_not(p.s.failed);
	peers_close(&p);
}

Test(session, key_update_is_answered)
{
	struct peers p;
	char got[16];
	int error;

	peers_start(&p, TLS1_3_VERSION);
	cr_assert_eq(SSL_key_update(p.peer, SSL_KEY_UPDATE_REQUESTED), 1);
	peer_send(&p, "after");
	expect_read(&p, "after");
	write_all(&p, "answer");
	cr_expect_eq(peer_receive(&p, got, sizeof(got), &error), 6);
	peers_close(&p);
}

Test(session, one_peer_cannot_keep_a_call_busy)
{
	struct peers p;
	enum { WIRE = 180000 };
	char *wire = malloc(WIRE);

	peers_start(&p, TLS1_3_VERSION);
	BIO *aside = divert_peer(&p);
	while (BIO_pending(aside) < WIRE) {
		cr_assert_eq(SSL_key_update(p.peer, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
		cr_assert_eq(SSL_do_handshake(p.peer), 1);
	}
	cr_assert_eq(BIO_read(aside, wire, WIRE), WIRE);
	cr_assert_eq(write(p.fd[1], wire, WIRE), WIRE);
	recvs = 0;
	cr_expect_eq(read_status(&p), IO_WANT_READ);
	cr_expect_gt(recvs, 1);
	cr_expect_leq(recvs, 8);
	cr_expect_eq(read(p.fd[0], wire, 1), 1); /* there was more */
	free(wire);
	peers_close(&p);
}

Test(session, close_drops_what_was_gathered)
{
	struct peers p;
	size_t n;

	peers_start(&p, TLS1_3_VERSION);
	cr_assert_eq(session_write(&p.s, "lost", 4, &n), IO_OK);
	session_close(&p.s, true);
	cr_expect_eq(buf_len(&p.env.out), 0);
	cr_expect_null(p.env.owner);
	cr_expect_null(p.s.ssl);
	session_close(&p.s, true);
	peers_close(&p);
}

Test(session, forget_drops_only_this_session)
{
	struct peers p;

	peers_start(&p, TLS1_2_VERSION);
	session_close(&p.s, true);
	session_close(NULL, false);
	session_env_done(NULL);
	peers_close(&p);
}

Test(session, an_early_request_waits_for_no_flush)
{
	struct ticket_ring *ring = ticket_ring_new(NULL);
	SSL_CTX *ours = server_context("ecdsa", "1.3", ring), *peer = peer_context(TLS1_3_VERSION);
	struct peers p;

	peers_open(&p, ours, peer);
	SSL_do_handshake(p.peer);
	cr_assert_eq(session_handshake(&p.s), IO_WANT_READ);
	cr_assert_eq(SSL_do_handshake(p.peer), 1);
	peer_send(&p, "at once");
	sends = 0;
	cr_expect_eq(session_handshake(&p.s), IO_OK);
	cr_expect(session_has_input(&p.s));
	cr_expect_eq(sends, 0); /* the ticket waits for the answer */
	expect_read(&p, "at once");
	write_all(&p, "answer");
	cr_expect_eq(sends, 1);
	peers_close(&p);
	SSL_CTX_free(ours);
	SSL_CTX_free(peer);
	ticket_ring_free(ring);
}

Test(plain_session, reads_writes_and_ends)
{
	struct peers p;
	char got[16];
	size_t n = 1;

	peers_open(&p, NULL, NULL);
	cr_expect_eq(session_handshake(&p.s), IO_OK);
	cr_expect_eq(session_read(&p.s, got, sizeof(got), &n), IO_WANT_READ);
	peer_send(&p, "hello");
	expect_read(&p, "hello");
	cr_expect_not(session_has_input(&p.s));
	write_all(&p, "world");
	cr_expect_eq(read(p.fd[1], got, sizeof(got)), 5);
	session_send_close(&p.s);
	cr_expect_not(p.s.sent_close);
	cr_expect_eq(p.s.bytes_out, 5);
	peer_shut_write(&p);
	cr_expect_eq(read_status(&p), IO_EOF);
	cr_expect_eq(read_status(&p), IO_EOF);
	write_all(&p, "late");
	cr_expect_str_eq(session_version(&p.s), "");
	cr_expect_str_eq(session_cipher(&p.s), "");
	cr_expect_str_eq(session_sni(&p.s), "");
	session_alpn(&p.s, &n);
	cr_expect_eq(n, 0);
	cr_expect_not(session_resumed(&p.s));
	peers_close(&p);
}

Test(plain_session, full_buffer_and_slow_reader)
{
	struct peers p;
	size_t n = 0;
	char *body = calloc(1, 1 << 20);

	peers_open(&p, NULL, NULL);
	while (session_flush(&p.s) == IO_OK) {
		cr_assert_eq(session_write(&p.s, body, 1 << 20, &n), IO_OK);
		cr_assert_eq(n, SESSION_OUT_MAX);
	}
	cr_expect_eq(session_write(&p.s, body, 1, &n), IO_WANT_WRITE);
	free(body);
	peers_close(&p);
}

Test(plain_session, reset)
{
	struct peers p;

	peers_open(&p, NULL, NULL);
	peer_reset(&p);
	cr_expect_eq(read_status(&p), IO_RESET);
	peers_close(&p);
}
