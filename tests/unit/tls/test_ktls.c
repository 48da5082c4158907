/* Sessions where kTLS is allowed but the socket cannot have it, and the answer to KeyUpdate. What a
 * kernel with TLS does is for `make check-ktls`. */
#include "pair_of_peers.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/tls.h>
#include <openssl/err.h>

#include "tls/ktls.h"

static SSL_CTX *offloading(const char *version)
{
	SSL_CTX *ctx = server_context("ecdsa", version, NULL);

	SSL_CTX_set_options(ctx, SSL_OP_ENABLE_KTLS);
	return ctx;
}

static void expect_served(const char *version)
{
	static const char text[] = "sealed by OpenSSL";
	SSL_CTX *ours = offloading(version), *theirs = peer_context(0);
	char got[64] = "";
	struct peers p;
	int error;

	peers_open(&p, ours, theirs);
	cr_assert_eq(peers_handshake(&p), IO_OK);
	cr_expect_not(p.s.offloaded, "%s: not on a unix socket", version);
	write_all(&p, text);
	cr_expect_eq(peer_receive(&p, got, sizeof(got) - 1, &error), (int)strlen(text));
	cr_expect_str_eq(got, text);
	cr_expect_eq(session_send_close(&p.s), IO_OK);
	cr_expect(p.s.sent_close);
	peers_close(&p);
	SSL_CTX_free(ours);
	SSL_CTX_free(theirs);
}

Test(ktls, a_socket_that_cannot_is_served_as_ever)
{
	expect_served("1.2");
	expect_served("1.3");
}

Test(ktls, a_cipher_that_is_not_known_is_left_to_openssl)
{
	const struct tls_crypto_info keys = { .version = TLS_1_3_VERSION, .cipher_type = 9999 };
	struct peers p;

	peers_start(&p, TLS1_3_VERSION);
	cr_expect_not(ktls_start(&p.s, &keys));
	cr_expect_not(p.s.offloaded);
	peers_close(&p);
}

/* ---- records that are no content: of a session whose bytes can be read as they leave ------------
 */

static const uint8_t ticket[] = { SSL3_MT_NEWSESSION_TICKET, 0, 0, 0 };

static void open_plain(struct peers *p)
{
	peers_open(p, NULL, NULL);
	p->s.offloaded = true;
}

static size_t receive(struct peers *p, char *dst, size_t size)
{
	ssize_t n = recv(p->fd[1], dst, size, 0);

	return n > 0 ? (size_t)n : 0;
}

Test(ktls, other_records_go_behind_the_content_at_once)
{
	char got[64];
	struct peers p;
	size_t n;

	open_plain(&p);
	cr_assert_eq(session_write(&p.s, "content", 7, &n), IO_OK);
	cr_assert_eq(ktls_write_control(&p.s, SSL3_RT_HANDSHAKE, ticket, sizeof(ticket)), IO_OK);
	cr_assert_eq(receive(&p, got, sizeof(got)), 7 + sizeof(ticket));
	cr_expect_arr_eq(got, "content", 7);
	cr_expect_arr_eq(got + 7, ticket, sizeof(ticket));
	cr_expect_eq(p.s.pending_type, 0);
	peers_close(&p);
}

Test(ktls, they_wait_for_content_that_does_not_leave)
{
	char *chunk = calloc(1, SESSION_READ_MAX);
	struct peers p;
	size_t n;

	open_plain(&p);
	do
		cr_assert_eq(session_write(&p.s, chunk, SESSION_READ_MAX, &n), IO_OK);
	while (session_flush(&p.s) == IO_OK);
	cr_expect_eq(
		ktls_write_control(&p.s, SSL3_RT_HANDSHAKE, ticket, sizeof(ticket)), IO_WANT_WRITE);
	while (session_flush(&p.s) != IO_OK)
		cr_assert_gt(receive(&p, chunk, SESSION_READ_MAX), 0);
	while (receive(&p, chunk, SESSION_READ_MAX) > 0)
		;
	cr_expect_eq(ktls_write_control(&p.s, SSL3_RT_HANDSHAKE, ticket, sizeof(ticket)), IO_OK);
	cr_expect_eq(receive(&p, chunk, SESSION_READ_MAX), sizeof(ticket));
	free(chunk);
	peers_close(&p);
}

Test(ktls, new_keys_are_refused_with_an_alert)
{
	static const uint8_t update[] = { SSL3_MT_KEY_UPDATE, 0, 0, 1, 0 };
	static const uint8_t alert[] = { SSL3_AL_FATAL, SSL_AD_INTERNAL_ERROR };
	struct tls_reason reason;
	char got[64];
	struct peers p;

	open_plain(&p);
	cr_expect_eq(ktls_write_control(&p.s, SSL3_RT_HANDSHAKE, update, sizeof(update)), IO_FAIL);
	cr_assert_eq(receive(&p, got, sizeof(got)), sizeof(alert));
	cr_expect_arr_eq(got, alert, sizeof(alert));
	cr_expect_eq(p.s.alert_sent, SSL_AD_INTERNAL_ERROR);
	tls_reason_take(NULL, &reason);
	cr_expect_str_eq(reason.word, "key_update_refused");
	peers_close(&p);
}
