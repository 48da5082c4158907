/* Sessions of a client: kept by server, and a TLS 1.3 ticket used once. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "pair_of_peers.h"
#include "tls/resume.h"

static struct resume *store;

/* One connection to a server of ours; was it resumed? */
static bool visit(SSL_CTX *theirs, const char *version, const char *key)
{
	const struct tls_client_options o = { .ca = cert("ca.pem"),
		.resume = store,
		.min_version = version,
		.max_version = version };
	enum io_status ours = IO_WANT_READ, their = IO_WANT_READ;
	SSL_CTX *ctx = tls_context_new_client(&o, NULL);
	struct session client;
	struct session_env env;
	struct peers p;
	bool resumed;
	char byte;
	size_t n;

	cr_assert_not_null(ctx);
	peers_open(&p, theirs, NULL);
	session_env_init(&env, true);
	cr_assert_eq(session_open(&client, &env, p.fd[1], ctx, false), 0);
	resume_offer(client.ssl, key);
	for (int i = 0; i < 10 && (ours != IO_OK || their != IO_OK); i++) {
		if (ours != IO_OK)
			ours = session_handshake(&client);
		if (their != IO_OK)
			their = session_handshake(&p.s);
	}
	cr_assert_eq(ours, IO_OK);
	cr_assert_eq(their, IO_OK);
	session_flush(&p.s);
	session_read(&client, &byte, 1, &n); /* the ticket */
	resumed = session_resumed(&client);
	session_send_close(&client);
	session_close(&client, false);
	session_env_done(&env);
	peers_close(&p);
	tls_context_free(ctx);
	return resumed;
}

static void expect_single_use(const char *version, bool single)
{
	struct err e;
	struct ticket_ring *ring = ticket_ring_new(&e);
	SSL_CTX *theirs = server_context("ecdsa", NULL, ring);

	store = resume_new();
	cr_assert_not_null(store);
	cr_expect(!visit(theirs, version, "a"));
	cr_expect_eq(resume_count(store, "a"), 1, "%s", version);
	cr_expect(!visit(theirs, version, "b"), "another server's session is not offered");
	cr_expect(visit(theirs, version, "a"), "%s", version);
	cr_expect(
		visit(theirs, version, "a"), "%s: each resumption brings the next ticket", version);
	if (single)
		cr_expect_eq(resume_count(store, "a"), 1, "a ticket that was used is gone");
	resume_free(store);
	tls_context_free(theirs);
	ticket_ring_free(ring);
}

Test(resume, tickets_are_kept_by_server_and_used_once)
{
	expect_single_use("1.3", true);
	expect_single_use("1.2", false);
}

Test(resume, the_store_is_bounded)
{
	struct err e;
	struct ticket_ring *ring = ticket_ring_new(&e);
	SSL_CTX *theirs = server_context("ecdsa", NULL, ring);
	char key[16];

	store = resume_new();
	for (int i = 0; i < RESUME_SESSIONS_MAX + 2; i++) {
		snprintf(key, sizeof(key), "%d", i);
		visit(theirs, "1.3", key);
	}
	cr_expect_eq(resume_count(store, "0"), 0);
	cr_expect_eq(resume_count(store, "1"), 0);
	cr_expect_eq(resume_count(store, "2"), 1);
	resume_free(store);
	tls_context_free(theirs);
	ticket_ring_free(ring);
}
