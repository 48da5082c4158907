/* sites: which site a ClientHello gets, and what it is refused for. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pair_of_peers.h"
#include "tls/sites.h"

static int a_site, b_site; /* only their addresses matter */

struct table {
	struct tls_sites *sites;
	SSL_CTX *a, *b; /* ECDSA, RSA: the cipher tells which context was chosen */
	bool http2;
};

static void table_start(struct table *t, struct ticket_ring *ring)
{
	t->a = server_context("ecdsa", NULL, ring);
	t->b = server_context("rsa", NULL, ring);
	t->http2 = false;
	t->sites = tls_sites_new();
	cr_assert_not_null(t->sites);
	cr_assert_eq(tls_sites_add(t->sites, STR("a.example"), t->a, &a_site), 0);
	cr_assert_eq(tls_sites_add(t->sites, STR("b.example"), t->b, &b_site), 0);
	cr_assert_eq(tls_sites_add(t->sites, STR("*.b.example"), t->b, &b_site), 0);
}

static void table_finish(struct table *t)
{
	struct err e;

	cr_assert_eq(tls_sites_finish(t->sites, t->http2, &e), 0);
	cr_assert_not_null(tls_sites_context(t->sites));
}

static void table_stop(struct table *t)
{
	tls_sites_free(t->sites);
	tls_context_free(t->a);
	tls_context_free(t->b);
}

struct outcome {
	enum io_status status;
	void *site;
	bool rsa;
	char sni[64];
	char alpn[16];
	struct tls_reason reason;
};

/* A TLS 1.2 handshake, for its cipher names the certificate's key. */
static struct outcome visit(struct table *t, const char *name, const char *alpn, int version)
{
	SSL_CTX *peer = peer_context(version);
	struct peers p;
	struct outcome o = { 0 };
	size_t n;

	peers_open(&p, tls_sites_context(t->sites), peer);
	if (name)
		SSL_set_tlsext_host_name(p.peer, name);
	if (alpn)
		SSL_set_alpn_protos(p.peer, (const unsigned char *)alpn, (unsigned)strlen(alpn));
	o.status = peers_handshake(&p);
	o.site = p.s.site;
	o.reason = p.reason;
	snprintf(o.sni, sizeof(o.sni), "%s", session_sni(&p.s));
	if (o.status == IO_OK) {
		X509 *cert = SSL_get0_peer_certificate(p.peer);
		o.rsa = EVP_PKEY_get_base_id(X509_get0_pubkey(cert)) == EVP_PKEY_RSA;
		const char *chosen = session_alpn(&p.s, &n);
		snprintf(o.alpn, sizeof(o.alpn), "%.*s", (int)n, chosen);
	}
	peers_close(&p);
	SSL_CTX_free(peer);
	return o;
}

Test(sites, the_name_chooses)
{
	static const struct {
		const char *name;
		void *site;
		bool rsa;
	} rows[] = {
		{ "a.example", &a_site, false },
		{ "A.Example", &a_site, false },
		{ "b.example", &b_site, true },
		{ "x.b.example", &b_site, true },
	};
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct table t;

	table_start(&t, NULL);
	table_finish(&t);
	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		struct outcome o = visit(&t, rows[i / 2].name, NULL, versions[i % 2]);
		cr_expect_eq(o.status, IO_OK);
		cr_expect_eq(o.site, rows[i / 2].site);
		cr_expect_eq(o.rsa, rows[i / 2].rsa);
		cr_expect_str_eq(o.sni, rows[i / 2].name);
	}
	table_stop(&t);
}

Test(sites, a_name_nobody_has_is_refused_and_told)
{
	static const char *const names[] = { "c.example", "x.y.b.example", "a.example.c" };
	struct table t;

	table_start(&t, NULL);
	table_finish(&t);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct outcome o = visit(&t, names[i], NULL, TLS1_3_VERSION);
		cr_expect_eq(o.status, IO_FAIL);
		cr_expect_null(o.site);
		cr_expect_eq(o.reason.alert, SSL_AD_UNRECOGNIZED_NAME);
		cr_expect_not(o.reason.alert_by_peer);
		cr_expect_str_eq(o.sni, names[i]);
	}
	struct outcome o = visit(&t, NULL, NULL, TLS1_3_VERSION);
	cr_expect_eq(o.status, IO_FAIL);
	cr_expect_eq(o.reason.alert, SSL_AD_UNRECOGNIZED_NAME);
	cr_expect_str_eq(o.sni, "");
	table_stop(&t);
}

Test(sites, the_default_takes_the_others)
{
	struct table t;

	table_start(&t, NULL);
	cr_assert_eq(tls_sites_set_default(t.sites, t.b, &b_site), 0);
	table_finish(&t);
	cr_expect_eq(visit(&t, "c.example", NULL, 0).site, &b_site);
	cr_expect_eq(visit(&t, NULL, NULL, 0).site, &b_site);
	cr_expect_eq(visit(&t, "a.example", NULL, 0).site, &a_site);
	table_stop(&t);
}

Test(sites, one_site_alone_still_checks_names)
{
	struct table t = { .sites = tls_sites_new() };

	t.a = server_context("ecdsa", NULL, NULL);
	cr_assert_eq(tls_sites_add(t.sites, STR("a.example"), t.a, &a_site), 0);
	table_finish(&t);
	cr_expect_eq(tls_sites_context(t.sites), t.a); /* nothing to switch */
	cr_expect_eq(visit(&t, "a.example", NULL, 0).site, &a_site);
	cr_expect_eq(visit(&t, "b.example", NULL, 0).status, IO_FAIL);
	table_stop(&t);
}

Test(sites, a_name_is_added_once)
{
	struct table t;

	table_start(&t, NULL);
	cr_expect_eq(tls_sites_add(t.sites, STR("a.example"), t.b, &b_site), 1);
	cr_expect_eq(tls_sites_add(t.sites, STR("A.EXAMPLE"), t.b, &b_site), 1);
	table_finish(&t);
	cr_expect_eq(visit(&t, "a.example", NULL, 0).site, &a_site);
	table_stop(&t);
}

Test(sites, an_empty_table_is_an_error)
{
	struct tls_sites *t = tls_sites_new();
	struct err e = { 0 };

	cr_expect_eq(tls_sites_finish(t, true, &e), -1);
	cr_expect_eq(e.code, ERR_CONFIG);
	tls_sites_free(t);
	tls_sites_free(NULL);
}

Test(sites, alpn)
{
	struct table t;

	table_start(&t, NULL);
	table_finish(&t);
	struct outcome o = visit(&t, "b.example", "\x02h2\x08http/1.1", TLS1_3_VERSION);
	cr_expect_eq(o.status, IO_OK);
	cr_expect_str_eq(o.alpn, "http/1.1");
	o = visit(&t, "a.example", NULL, TLS1_3_VERSION);
	cr_expect_eq(o.status, IO_OK);
	cr_expect_str_eq(o.alpn, "");
	o = visit(&t, "a.example",
		"\x02h2\x03"
		"dot",
		TLS1_3_VERSION);
	cr_expect_eq(o.status, IO_FAIL);
	cr_expect_eq(o.reason.alert, SSL_AD_NO_APPLICATION_PROTOCOL);
	table_stop(&t);
}

/* RFC 9113 section 9.2. */
Test(sites, alpn_with_http2)
{
	struct table t;

	table_start(&t, NULL);
	t.http2 = true;
	table_finish(&t);
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		struct outcome o = visit(&t, "a.example", "\x08http/1.1\x02h2", version);

		cr_expect_eq(o.status, IO_OK);
		cr_expect_str_eq(o.alpn, "h2", "ours is preferred");
		o = visit(&t, "a.example", "\x08http/1.1", version);
		cr_expect_str_eq(o.alpn, "http/1.1");
	}
	table_stop(&t);
}

/* A cipher suite of RFC 9113's list of prohibited ones. */
Test(sites, no_http2_on_a_weak_cipher_suite)
{
	struct table t = { .http2 = true, .a = server_context("ecdsa", "1.2", NULL) };

	cr_assert_eq(SSL_CTX_set_cipher_list(t.a, "ECDHE-ECDSA-AES128-SHA256"), 1);
	t.sites = tls_sites_new();
	cr_assert_eq(tls_sites_add(t.sites, STR("a.example"), t.a, &a_site), 0);
	table_finish(&t);
	struct outcome o = visit(&t, "a.example", "\x02h2\x08http/1.1", TLS1_2_VERSION);
	cr_expect_eq(o.status, IO_OK);
	cr_expect_str_eq(o.alpn, "http/1.1");
	o = visit(&t, "a.example", "\x02h2", TLS1_2_VERSION);
	cr_expect_eq(o.status, IO_FAIL);
	cr_expect_eq(o.reason.alert, SSL_AD_NO_APPLICATION_PROTOCOL);
	tls_sites_free(t.sites);
	tls_context_free(t.a);
}

/* Two listeners, the same contexts, but the names mean different sites. */
Test(sites, a_context_in_two_tables)
{
	struct table t, u = { .http2 = false };

	table_start(&t, NULL);
	u.a = t.a;
	u.b = t.b;
	u.sites = tls_sites_new();
	cr_assert_eq(tls_sites_add(u.sites, STR("only-u.example"), t.b, &a_site), 0);
	table_finish(&t);
	table_finish(&u);
	cr_expect_neq(tls_sites_context(t.sites), tls_sites_context(u.sites));
	cr_expect_eq(visit(&u, "only-u.example", NULL, 0).site, &a_site);
	cr_expect(visit(&u, "only-u.example", NULL, 0).rsa);
	cr_expect_eq(visit(&u, "a.example", NULL, 0).status, IO_FAIL);
	cr_expect_eq(visit(&t, "only-u.example", NULL, 0).status, IO_FAIL);
	cr_expect_eq(visit(&t, "a.example", NULL, 0).site, &a_site);
	tls_sites_free(t.sites);
	cr_expect_eq(visit(&u, "only-u.example", NULL, 0).site, &a_site);
	tls_sites_free(u.sites);
	tls_context_free(t.a);
	tls_context_free(t.b);
}

/* The entry of the second table has its own context, and must still speak as the sites do. */
Test(sites, a_context_in_three_tables)
{
	struct tls_sites *sites[3];
	struct table t = { .a = server_context("ecdsa", "1.2", NULL) };

	for (int i = 0; i < 3; i++) {
		sites[i] = tls_sites_new();
		cr_assert_eq(tls_sites_add(sites[i], STR("a.example"), t.a, &a_site), 0);
		cr_assert_eq(tls_sites_finish(sites[i], false, NULL), 0);
	}
	for (int i = 0; i < 3; i++) {
		t.sites = sites[i];
		cr_expect_eq(visit(&t, "a.example", NULL, 0).site, &a_site);
		cr_expect_eq(visit(&t, "a.example", NULL, TLS1_3_VERSION).status, IO_FAIL);
		cr_expect_eq(visit(&t, "b.example", NULL, 0).status, IO_FAIL);
	}
	for (int i = 0; i < 3; i++)
		tls_sites_free(sites[i]);
	tls_context_free(t.a);
}

/* A second ClientHello, after a HelloRetryRequest, comes to the same table. */
Test(sites, hello_retry_keeps_the_choice)
{
	struct table t, u = { .http2 = false };
	SSL_CTX *peer = peer_context(TLS1_3_VERSION);
	struct peers p;

	table_start(&t, NULL);
	table_finish(&t); /* claims one of the two contexts */
	for (int i = 0; i < 2; i++) {
		u.sites = tls_sites_new();
		cr_assert_eq(tls_sites_add(u.sites, STR("u.example"), i ? t.a : t.b, &b_site), 0);
		table_finish(&u);
		peers_open(&p, tls_sites_context(u.sites), peer);
		SSL_set_tlsext_host_name(p.peer, "u.example");
		cr_assert_eq(SSL_set1_groups_list(p.peer, "P-521:P-384"), 1);
		cr_expect_eq(peers_handshake(&p), IO_OK);
		cr_expect_eq(p.s.site, &b_site);
		peers_close(&p);
		tls_sites_free(u.sites);
	}
	table_stop(&t);
	SSL_CTX_free(peer);
}

/* With a session of the first connection, to another name. */
static bool resumes_at(struct table *t, const char *first, const char *then, int version)
{
	const char *const names[] = { first, then };
	SSL_CTX *peer = peer_context(version);
	SSL_SESSION *session = NULL;
	struct peers p;
	char got[8];
	int error;
	bool resumed = false;

	for (int i = 0; i < 2; i++) {
		peers_open(&p, tls_sites_context(t->sites), peer);
		char name[32];
		snprintf(name, sizeof(name), "%s", names[i]);
		SSL_set_tlsext_host_name(p.peer, name);
		if (session)
			SSL_set_session(p.peer, session);
		cr_assert_eq(peers_handshake(&p), IO_OK);
		write_all(&p, "x");
		cr_assert_eq(peer_receive(&p, got, sizeof(got), &error), 1);
		resumed = session_resumed(&p.s);
		cr_expect_eq(p.s.site, (names[i][0] | 0x20) == 'a' ? &a_site : &b_site);
		SSL_shutdown(p.peer);
		SSL_SESSION_free(session);
		session = SSL_get1_session(p.peer);
		peers_close(&p);
	}
	SSL_SESSION_free(session);
	SSL_CTX_free(peer);
	return resumed;
}

static SSL_CTX *context_with_policy(const char *name, const char *policy, struct ticket_ring *ring)
{
	char pem[64], key[64];
	struct err e = { 0 };

	snprintf(pem, sizeof(pem), "%s.pem", name);
	snprintf(key, sizeof(key), "%s.key", name);
	struct tls_pair pair = { .certificate = cert(pem), .private_key = cert(key) };
	struct tls_options o = { .tickets_enabled = true };
	SSL_CTX *ctx = tls_context_new_server(&o, &pair, 1, policy, strlen(policy), ring, &e);
	cr_assert_not_null(ctx, "%s", e.text);
	return ctx;
}

/* CVE-2025-23419: the ticket of a site that asks for less must not open one that asks for more. */
Test(sites, a_ticket_stays_under_its_policy)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct ticket_ring *ring = ticket_ring_new(NULL);
	struct table t = { .sites = tls_sites_new() };

	t.a = context_with_policy("ecdsa", "open", ring);
	t.b = context_with_policy("other", "guarded", ring);
	cr_assert_eq(tls_sites_add(t.sites, STR("a.example"), t.a, &a_site), 0);
	cr_assert_eq(tls_sites_add(t.sites, STR("b.example"), t.b, &b_site), 0);
	table_finish(&t);
	for (int i = 0; i < 2; i++) {
		cr_expect(resumes_at(&t, "a.example", "a.example", versions[i]));
		cr_expect(resumes_at(&t, "b.example", "b.example", versions[i]));
		cr_expect_not(resumes_at(&t, "a.example", "b.example", versions[i]));
		cr_expect_not(resumes_at(&t, "b.example", "a.example", versions[i]));
	}
	table_stop(&t);
	ticket_ring_free(ring);
}

/* RFC 6066 section 3, for TLS 1.2; names of one site, so that nothing else is in the way. */
Test(sites, a_session_of_tls_1_2_keeps_its_name)
{
	struct ticket_ring *ring = ticket_ring_new(NULL);
	struct table t = { .sites = tls_sites_new() };

	t.a = context_with_policy("ecdsa", "open", ring);
	t.b = context_with_policy("other", "open", ring);
	cr_assert_eq(tls_sites_add(t.sites, STR("*.a.example"), t.a, &a_site), 0);
	cr_assert_eq(tls_sites_add(t.sites, STR("a.example"), t.a, &a_site), 0);
	table_finish(&t);
	cr_expect(resumes_at(&t, "a.example", "A.example", TLS1_2_VERSION));
	cr_expect_not(resumes_at(&t, "a.example", "a.a.example", TLS1_2_VERSION));
	cr_expect_not(resumes_at(&t, "a.a.example", "a.example", TLS1_2_VERSION));
	cr_expect(resumes_at(&t, "a.example", "a.a.example", TLS1_3_VERSION));
	table_stop(&t);
	ticket_ring_free(ring);
}

/* Bytes of a ClientHello whose server_name extension lies about its length. */
Test(sites, malformed_server_name_is_refused)
{
	struct table t;
	SSL_CTX *peer = peer_context(TLS1_2_VERSION);
	struct peers p;
	unsigned char wire[1024];

	table_start(&t, NULL);
	cr_assert_eq(tls_sites_set_default(t.sites, t.a, &a_site), 0);
	table_finish(&t);
	peers_open(&p, tls_sites_context(t.sites), peer);
	BIO *aside = BIO_new(BIO_s_mem());
	SSL_set0_wbio(p.peer, aside);
	SSL_set_tlsext_host_name(p.peer, "a.example");
	SSL_do_handshake(p.peer);
	int n = BIO_read(aside, wire, sizeof(wire));
	unsigned char *name = memmem(wire, (size_t)n, "a.example", 9);
	cr_assert_not_null(name);
	name[-1] = 200;
	cr_assert_eq(write(p.fd[1], wire, (size_t)n), n);
	cr_expect_eq(session_handshake(&p.s), IO_FAIL);
	cr_expect_eq(p.s.alert_sent, SSL_AD_DECODE_ERROR);
	peers_close(&p);
	table_stop(&t);
	SSL_CTX_free(peer);
}

Test(sites, a_name_that_could_forge_a_log_line_is_malformed)
{
	struct table t;

	table_start(&t, NULL);
	table_finish(&t);
	struct outcome o = visit(&t, "a\nb.example", NULL, TLS1_3_VERSION);
	cr_expect_eq(o.status, IO_FAIL);
	cr_expect_eq(o.reason.alert, SSL_AD_ILLEGAL_PARAMETER);
	cr_expect_str_eq(o.sni, "");
	table_stop(&t);
}
