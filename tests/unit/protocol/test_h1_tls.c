/* HTTP/1.1 on TLS connections: what a peer can do below HTTP. Its records go over a socket pair by
 * hand, so that it can write without ever reading; time is set by hand. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "rig.h"
#include "tls/context.h"
#include "tls/throwaway.h"

struct peer {
	int fd;
	SSL *ssl;
	BIO *out; /* what it has not sent yet */
};

static SSL_CTX *client;

static void make_contexts(void)
{
	struct tls_options o = { .profile = TLS_PROFILE_INTERMEDIATE };
	struct tls_pair pair = { 0 };
	struct buf ca, pem;
	struct err e;

	buf_init(&ca, 0);
	buf_init(&pem, 0);
	cr_assert_eq(tls_throwaway_make(1, &ca, &pem, &e), 0);
	pair.pem = buf_cstring(&pem);
	listener.context = tls_context_new_server(&o, &pair, 1, "policy", 6, NULL, &e);
	cr_assert_not_null(listener.context);
	buf_done(&ca);
	buf_done(&pem);
	client = SSL_CTX_new(TLS_client_method());
	cr_assert_not_null(client);
}

static void setup(void)
{
	make_contexts();
	rig_set_up(rig_route);
}

static void teardown(void)
{
	rig_tear_down();
	tls_context_free(listener.context);
	SSL_CTX_free(client);
}

TestSuite(h1_tls, .init = setup, .fini = teardown);

/* Turns of the loop until nothing is ready; never waits. */
static void run(void)
{
	turns_run(&loop, 20);
}

static void pass(int64_t ms)
{
	rig_pass(ms);
	run();
}

/* Everything that the peer has to send, in turns with the server. */
static void flush(struct peer *p)
{
	const char *at;
	long left = BIO_get_mem_data(p->out, &at);

	while (left > 0) {
		ssize_t n = write(p->fd, at, (size_t)left);

		if (n > 0) {
			at += n;
			left -= n;
		}
		run();
		if (n < 0)
			break; /* the server does not take more */
	}
	(void)BIO_reset(p->out);
	run();
}

static void begin_peer(struct peer *p)
{
	*p = (struct peer){ .fd = rig_connect() };
	p->ssl = SSL_new(client);
	p->out = BIO_new(BIO_s_mem());
	SSL_set_bio(p->ssl, BIO_new_socket(p->fd, BIO_NOCLOSE), p->out);
	SSL_set_connect_state(p->ssl);
}

static void open_peer(struct peer *p)
{
	begin_peer(p);
	for (int i = 0; i < 10 && SSL_do_handshake(p->ssl) != 1; i++)
		flush(p);
	flush(p);
	cr_assert(SSL_is_init_finished(p->ssl));
}

static void close_peer(struct peer *p)
{
	SSL_free(p->ssl);
	close(p->fd);
}

static void update_keys(struct peer *p, int kind, unsigned n)
{
	while (n-- > 0) {
		cr_assert_eq(SSL_key_update(p->ssl, kind), 1);
		cr_assert_eq(SSL_do_handshake(p->ssl), 1);
	}
}

static void expect_answer(struct peer *p)
{
	static const char request[] = "GET /text HTTP/1.1\r\nHost: x\r\n\r\n";
	char answer[1000];
	int n;

	cr_assert_gt(SSL_write(p->ssl, request, sizeof(request) - 1), 0);
	flush(p);
	n = SSL_read(p->ssl, answer, sizeof(answer) - 1);
	cr_assert_gt(n, 0);
	answer[n] = '\0';
	cr_expect_not_null(strstr(answer, "\r\n\r\nhello"));
}

/* Each KeyUpdate wants an answer; more of them than the output buffer holds come at once. */
Test(h1_tls, answers_that_do_not_fit_do_no_harm_to_other_connections)
{
	struct peer flooder, other;

	open_peer(&flooder);
	open_peer(&other);
	update_keys(&flooder, SSL_KEY_UPDATE_REQUESTED, 40000);
	flush(&flooder);
	expect_answer(&other);
	pass(timeouts.write_ms + 100);
	close_peer(&flooder);
	close_peer(&other);
}

Test(h1_tls, key_updates_are_answered)
{
	struct peer p;

	open_peer(&p);
	update_keys(&p, SSL_KEY_UPDATE_REQUESTED, 3);
	expect_answer(&p);
	expect_answer(&p);
	close_peer(&p);
}

Test(h1_tls, records_without_content_do_not_keep_an_idle_connection)
{
	struct peer p;

	open_peer(&p);
	for (int i = 0; i < 4; i++) {
		update_keys(&p, SSL_KEY_UPDATE_NOT_REQUESTED, 1);
		flush(&p);
		pass(timeouts.idle_ms / 4 + 50);
	}
	run();
	pass(policy.linger_ms + 100);
	cr_expect_eq(board->slot[0].closures[CLOSURE_TIMEOUT], 1);
	cr_expect_eq(board->slot[0].live, 0);
	close_peer(&p);
}

Test(h1_tls, a_response_starts_the_idle_time_anew)
{
	struct peer p;

	open_peer(&p);
	for (int i = 0; i < 4; i++) {
		pass(timeouts.idle_ms / 2);
		expect_answer(&p);
	}
	cr_expect_eq(board->slot[0].live, 1);
	close_peer(&p);
}

Test(h1_tls, close_notify_within_the_handshake_is_clean)
{
	static const unsigned char alert[] = { 21, 3, 3, 0, 2, 1, 0 };
	struct peer p;

	SSL_CTX_set_max_proto_version(client, TLS1_2_VERSION);
	begin_peer(&p);
	cr_assert_lt(SSL_do_handshake(p.ssl), 1);
	flush(&p);
	cr_assert_eq(write(p.fd, alert, sizeof(alert)), (ssize_t)sizeof(alert));
	run();
	cr_expect_eq(board->slot[0].closures[CLOSURE_CLEAN], 1);
	cr_expect_eq(board->slot[0].handshakes_failed, 1);
	close_peer(&p);
}

Test(h1_tls, fin_instead_of_a_client_hello_is_truncated)
{
	struct peer p;

	p = (struct peer){ .fd = rig_connect() };
	close(p.fd);
	run();
	cr_expect_eq(board->slot[0].closures[CLOSURE_TRUNCATED], 1);
}
