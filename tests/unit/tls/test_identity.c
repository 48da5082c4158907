/* identity: reference identities of RFC 9525, and chain failures kept apart from them. */
#include <criterion/criterion.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "pair_of_peers.h"
#include "tls/facts.h"
#include "tls/identity.h"

static void visit_start(
	struct visit *v, const char *server, const struct tls_client_options *o, const char *host)
{
	struct err e;

	visit_open(v, server, o);
	cr_assert_eq(tls_identity_expect(v->client.ssl, host, NULL, &e), 0, "%s", e.text);
	visit_handshake(v);
}

static struct tls_client_options trusting(void)
{
	return (struct tls_client_options){ .ca = cert("ca.pem") };
}

Test(identity, names_and_addresses)
{
	static const struct {
		const char *host;
		bool good;
	} rows[] = {
		{ "localhost", true },
		{ "LOCALHOST", true },
		{ "localhost.", true },
		{ "example.org", true },
		{ "www.example.org", true },
		{ "a.b.example.org", false }, /* one label only */
		{ ".example.org", false },
		{ "xexample.org", false },
		{ "example.com", false },
		{ "127.0.0.1", true },
		{ "127.0.0.2", false },
		{ "::1", true },
		{ "0:0:0:0:0:0:0:1", true },
		{ "::2", false },
		{ "latchd test", false },
		{ "", false },
	};
	struct tls_client_options o = trusting();
	struct visit v;

	visit_start(&v, "ecdsa", &o, "localhost");
	cr_assert_eq(v.status, IO_OK);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err e = { 0 };
		int rc = tls_identity_check(v.client.ssl, rows[i].host, false, &e);
		cr_expect_eq(rc, rows[i].good ? 0 : -1, "%s", rows[i].host);
	}
	cr_expect_eq(ERR_peek_error(), 0);
	visit_stop(&v);
}

Test(identity, the_common_name_is_nobody)
{
	struct tls_client_options o = trusting();
	struct visit v;
	struct err e = { 0 };

	visit_start(&v, "cn", &o, "localhost");
	cr_assert_eq(v.status, IO_OK); /* the chain is fine */
	cr_expect_eq(tls_identity_check(v.client.ssl, "localhost", false, &e), -1);
	cr_expect_not_null(strstr(e.text, "no name at all"), "%s", e.text);
	visit_stop(&v);
}

Test(identity, a_mismatch_names_both_sides)
{
	struct tls_client_options o = trusting();
	struct visit v;
	struct err e = { 0 };

	visit_start(&v, "wrong", &o, "localhost");
	cr_assert_eq(v.status, IO_OK);
	cr_expect_eq(tls_identity_check(v.client.ssl, "localhost", false, &e), -1);
	cr_expect_str_eq(e.text, "the certificate is not for localhost, but for other.example");
	visit_stop(&v);
}

Test(identity, sni_is_sent_for_names_only)
{
	static const struct {
		const char *host, *sni;
	} rows[] = { { "localhost", "localhost" }, { "www.example.org.", "www.example.org" },
		{ "127.0.0.1", "" }, { "::1", "" } };
	struct tls_client_options o = trusting();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct visit v;
		visit_start(&v, "ecdsa", &o, rows[i].host);
		cr_expect_eq(v.status, IO_OK);
		cr_expect_str_eq(session_sni(&v.p.s), rows[i].sni);
		visit_stop(&v);
	}
}

Test(identity, another_sni_and_impossible_names)
{
	SSL_CTX *ctx = tls_context_new_client(
		&(struct tls_client_options){ .verify = TLS_VERIFY_NONE }, NULL);
	SSL *ssl = SSL_new(ctx);
	struct err e = { 0 };
	char long_name[400];

	cr_expect_eq(tls_identity_expect(ssl, "127.0.0.1", "front.example", &e), 0);
	cr_expect_str_eq(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name), "front.example");
	memset(long_name, 'a', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = '\0';
	cr_expect_eq(tls_identity_expect(ssl, long_name, NULL, &e), -1);
	cr_expect_eq(tls_identity_expect(ssl, "", NULL, &e), -1);
	cr_expect_eq(tls_identity_check(ssl, "localhost", false, &e), -1); /* no certificate yet */
	SSL_free(ssl);
	tls_context_free(ctx);
}

Test(chain, an_untrusted_one_fails_the_handshake)
{
	static const struct {
		const char *server, *word, *words;
	} rows[] = { { "expired", "certificate_expired", "expired" },
		{ "selfsigned", "certificate_self_signed", "self-signed" } };
	struct tls_client_options o = trusting();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct visit v;
		visit_start(&v, rows[i].server, &o, "localhost");
		cr_expect_eq(v.status, IO_FAIL);
		cr_expect(v.reason.is_chain);
		cr_expect_str_eq(v.reason.word, rows[i].word);
		cr_expect_not_null(
			strstr(v.reason.sentence, rows[i].words), "%s", v.reason.sentence);
		cr_expect_geq(v.reason.alert, 42); /* we told the server why */
		visit_stop(&v);
	}
}

Test(chain, an_intermediate_is_followed)
{
	struct tls_client_options o = trusting();
	struct visit v;

	visit_start(&v, "inter", &o, "localhost");
	cr_expect_eq(v.status, IO_OK);
	visit_stop(&v);
}

Test(chain, not_verified_when_told_so)
{
	struct tls_client_options o = { .verify = TLS_VERIFY_NONE };
	struct visit v;
	struct err e;

	visit_start(&v, "selfsigned", &o, "localhost");
	cr_expect_eq(v.status, IO_OK);
	cr_expect_eq(tls_identity_check(v.client.ssl, "localhost", false, &e), 0);
	visit_stop(&v);
}

Test(chain, the_server_is_told_by_an_alert)
{
	struct tls_client_options o = trusting();
	struct visit v;
	struct tls_reason r = { 0 };
	char got[8];
	size_t n;

	visit_start(&v, "selfsigned", &o, "localhost");
	/* The alert came while the server was still in the handshake. */
	cr_expect_eq(session_handshake(&v.p.s), IO_FAIL);
	cr_expect_eq(session_read(&v.p.s, got, sizeof(got), &n), IO_FAIL);
	tls_reason_take(v.p.s.ssl, &r);
	visit_stop(&v);
}

Test(facts, not_after_is_the_soonest)
{
	struct tls_pair pairs[] = {
		{ cert("rsa.pem"), cert("rsa.key"), 0, 0, 0, 0 },
		{ cert("expired.pem"), cert("expired.key"), 0, 0, 0, 0 },
	};
	struct tls_options o = { 0 };
	SSL_CTX *ctx = tls_context_new_server(&o, pairs, 2, "", 0, NULL, NULL);

	cr_expect_eq(tls_facts_not_after(ctx), 1580515200); /* 2020-02-01 */
	tls_context_free(ctx);
	ctx = tls_context_new_server(&o, pairs, 1, "", 0, NULL, NULL);
	cr_expect_eq(tls_facts_not_after(ctx), 2524607999); /* 2049-12-31 23:59:59 */
	tls_context_free(ctx);
	ctx = peer_context(0);
	cr_expect_eq(tls_facts_not_after(ctx), 0);
	cr_expect_not(tls_facts_covers(ctx, "localhost"));
	SSL_CTX_free(ctx);
}

Test(facts, covers)
{
	SSL_CTX *ctx = server_context("ecdsa", NULL, NULL),
		*wrong = server_context("wrong", NULL, NULL);

	cr_expect(tls_facts_covers(ctx, "example.org"));
	cr_expect(tls_facts_covers(ctx, "*.example.org"));
	cr_expect(tls_facts_covers(ctx, "127.0.0.1"));
	cr_expect_not(tls_facts_covers(ctx, "*.org"));
	cr_expect_not(tls_facts_covers(ctx, "*"));
	cr_expect_not(tls_facts_covers(ctx, "example.com"));
	cr_expect_not(tls_facts_covers(wrong, "*.other.example"));
	cr_expect(tls_facts_covers(wrong, "other.example"));
	SSL_CTX_free(ctx);
	SSL_CTX_free(wrong);
}

Test(facts, describes_the_peer)
{
	struct tls_client_options o = trusting();
	struct visit v;
	struct buf text;

	visit_start(&v, "inter", &o, "localhost");
	buf_init(&text, 0);
	tls_facts_describe_peer(v.client.ssl, &text);
	const char *got = buf_cstring(&text);
	cr_expect_not_null(strstr(got, "subject: CN=localhost,O=latchd test\n"), "%s", got);
	cr_expect_not_null(strstr(got, "issuer: CN=latchd test intermediate,O=latchd test\n"));
	cr_expect_not_null(
		strstr(got, "names: localhost, example.org, *.example.org, 127.0.0.1, ::1\n"));
	cr_expect_not_null(strstr(got, "to Fri, 31 Dec 2049 23:59:59 GMT\n"));
	cr_expect_not_null(strstr(got, "chain: CN=latchd test intermediate,O=latchd test\n"));
	buf_done(&text);
	visit_stop(&v);
}

Test(throwaway, is_trusted_for_the_loopback)
{
	static const char *const hosts[] = { "localhost", "127.0.0.1", "::1" };
	struct buf ca, pem;
	struct err e = { 0 };
	struct tls_options o = { 0 };

	buf_init(&ca, 0);
	buf_init(&pem, 0);
	cr_assert_eq(tls_throwaway_make(7, &ca, &pem, &e), 0, "%s", e.text);
	cr_expect_null(strstr(buf_cstring(&ca), "PRIVATE"), "the CA's key stays here");
	struct tls_pair pair = { .pem = buf_cstring(&pem) };
	SSL_CTX *theirs = tls_context_new_server(&o, &pair, 1, "", 0, NULL, &e);
	cr_assert_not_null(theirs, "%s", e.text);
	time_t left = tls_facts_not_after(theirs) - time(NULL);
	cr_expect(left > 7 * 86400 - 60 && left <= 7 * 86400);

	SSL_CTX *peer = peer_context(0);
	BIO *b = BIO_new_mem_buf(buf_cstring(&ca), -1);
	X509 *root = PEM_read_bio_X509(b, NULL, NULL, NULL);
	X509_STORE_add_cert(SSL_CTX_get_cert_store(peer), root);
	SSL_CTX_set_verify(peer, SSL_VERIFY_PEER, NULL);
	struct peers p;
	peers_open(&p, theirs, peer);
	cr_expect_eq(peers_handshake(&p), IO_OK, "%s", p.reason.sentence);
	X509 *leaf = SSL_get0_peer_certificate(p.peer);
	for (size_t i = 0; i < 3; i++)
		cr_expect(tls_identity_carries(leaf, hosts[i]));
	cr_expect_not(tls_identity_carries(leaf, "example.org"));
	time_t an_hour_ago = time(NULL) - 3500;
	cr_expect_lt(X509_cmp_time(X509_get0_notBefore(leaf), &an_hour_ago), 0);
	peers_close(&p);
	X509_free(root);
	BIO_free(b);
	SSL_CTX_free(peer);
	SSL_CTX_free(theirs);
	buf_done(&ca);
	buf_done(&pem);
}

Test(throwaway, two_are_different)
{
	struct buf ca[2], pem[2];

	for (int i = 0; i < 2; i++) {
		buf_init(&ca[i], 0);
		buf_init(&pem[i], 0);
		cr_assert_eq(tls_throwaway_make(1, &ca[i], &pem[i], NULL), 0);
	}
	cr_expect_str_neq(buf_cstring(&ca[0]), buf_cstring(&ca[1]));
	cr_expect_str_neq(buf_cstring(&pem[0]), buf_cstring(&pem[1]));
	for (int i = 0; i < 2; i++) {
		buf_done(&ca[i]);
		buf_done(&pem[i]);
	}
}
