/* Contexts of clients, and what a probe sees through one. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "pair_of_peers.h"
#include "tls/probe.h"

static void visit_start(struct visit *v, const char *server, const struct tls_client_options *o,
	const struct probe_offer *offer)
{
	struct err e;

	visit_open(v, server, o);
	if (offer)
		cr_assert_eq(tls_probe_offer(v->client.ssl, offer, &e), 0, "%s", e.text);
	visit_handshake(v);
}

Test(client, both_places_to_verify_come_to_the_same_verdict)
{
	static const char *const good[] = { "ecdsa", "rsa", "inter" };
	static const char *const bad[] = { "expired", "selfsigned" };
	struct tls_client_options within = { .ca = cert("ca.pem") }, after = within;
	struct tls_reason reason;
	struct visit v;

	after.verify = TLS_VERIFY_AFTER;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		visit_start(&v, good[i], &within, NULL);
		cr_expect_eq(v.status, IO_OK, "%s", good[i]);
		visit_stop(&v);
		visit_start(&v, good[i], &after, NULL);
		cr_expect_eq(tls_client_verdict(v.client.ssl, &reason), 0, "%s", good[i]);
		visit_stop(&v);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char sentence[sizeof(reason.sentence)];

		visit_start(&v, bad[i], &within, NULL);
		cr_expect_eq(v.status, IO_FAIL, "%s", bad[i]);
		cr_expect(v.reason.is_chain);
		memcpy(sentence, v.reason.sentence, sizeof(sentence));
		visit_stop(&v);
		visit_start(&v, bad[i], &after, NULL);
		cr_expect_eq(v.status, IO_OK, "%s: the handshake goes on", bad[i]);
		cr_expect_eq(tls_client_verdict(v.client.ssl, &reason), -1);
		cr_expect(reason.is_chain);
		cr_expect_str_eq(reason.sentence, sentence);
		visit_stop(&v);
	}
}

Test(client, a_chain_is_only_so_deep)
{
	struct tls_client_options o = { .ca = cert("ca.pem"), .has_depth = true, .depth = 0 };
	struct visit v;

	visit_start(&v, "inter", &o, NULL);
	cr_expect_eq(v.status, IO_FAIL);
	visit_stop(&v);
	o.depth = 1;
	visit_start(&v, "inter", &o, NULL);
	cr_expect_eq(v.status, IO_OK);
	visit_stop(&v);
}

Test(client, lists_that_are_none_are_refused)
{
	struct tls_client_options o = { .ca = cert("ca.pem"), .crl = cert("ca.pem") };
	struct err e = { 0 };

	cr_expect_null(tls_context_new_client(&o, &e));
	cr_expect_str_eq(e.file, cert("ca.pem"));
	cr_expect_not_null(strstr(e.text, "no usable revocation list"), "%s", e.text);
}

Test(client, names_of_protocols_as_the_wire_has_them)
{
	unsigned char wire[TLS_ALPN_MAX];
	char longer[80];

	cr_expect_eq(tls_alpn_wire("h2 http/1.1", wire), 12);
	cr_expect_eq(memcmp(wire, "\x02h2\x08http/1.1", 12), 0);
	cr_expect_eq(tls_alpn_wire("", wire), 0);
	memset(longer, 'a', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	cr_expect_eq(tls_alpn_wire(longer, wire), 0);
}

static unsigned nmatches, nnames;

static void count(void *arg, const char *type, struct str name, bool matches)
{
	(void)arg, (void)type, (void)name;
	nnames++;
	nmatches += matches;
}

Test(probe, a_chain_is_seen_whole_and_names_one_by_one)
{
	const struct tls_client_options o = { .ca = cert("ca.pem"), .verify = TLS_VERIFY_AFTER };
	static struct probe_chain c;
	struct visit v;

	visit_start(&v, "inter", &o, NULL);
	tls_probe_chain(v.client.ssl, &c);
	cr_expect(c.is_trusted);
	cr_expect_eq(c.n, 3);
	cr_expect_eq(c.sent, 2);
	cr_expect_str_eq(c.cert[1].subject, "CN=latchd test intermediate,O=latchd test");
	cr_expect_str_eq(c.cert[0].issuer, c.cert[1].subject);
	cr_expect_str_eq(c.cert[0].key, "EC 256");
	cr_expect(c.cert[0].sent && !c.cert[2].sent && c.cert[2].anchor && !c.cert[0].anchor);
	cr_expect_eq(strlen(c.cert[0].fingerprint), 64);
	cr_expect(tls_probe_names(v.client.ssl, "www.example.org", count, NULL));
	cr_expect_eq(nnames, 5);
	cr_expect_eq(nmatches, 1, "the wildcard");
	visit_stop(&v);
}

Test(probe, everything_that_is_wrong_is_told)
{
	struct tls_client_options o = { .ca = cert("ca.pem"), .verify = TLS_VERIFY_AFTER };
	static struct probe_chain c;
	struct visit v;

	visit_start(&v, "expired", &o, NULL);
	tls_probe_chain(v.client.ssl, &c);
	cr_expect(!c.is_trusted);
	cr_expect_str_eq(c.cert[0].wrong, "certificate has expired");
	cr_expect_str_empty(c.cert[1].wrong);
	cr_expect_gt(c.cert[0].not_after, c.cert[0].not_before);
	visit_stop(&v);
	o.ca = cert("selfsigned.pem"); /* another authority altogether */
	visit_start(&v, "expired", &o, NULL);
	tls_probe_chain(v.client.ssl, &c);
	cr_expect_not_null(strstr(c.cert[0].wrong, "has expired"), "%s", c.cert[0].wrong);
	cr_expect_not_null(strstr(c.cert[0].wrong, "issuer"), "%s", c.cert[0].wrong);
	visit_stop(&v);
}

Test(probe, one_thing_is_offered)
{
	const struct tls_client_options o = { .ca = cert("ca.pem"), .verify = TLS_VERIFY_AFTER };
	const struct probe_offer old = { .version = "1.2" }, group = { .group = "P-256" },
				 none = { .group = "P-521" }, unknown = { .group = "X1" };
	struct err e = { 0 };
	struct visit v;

	visit_start(&v, "ecdsa", &o, &old);
	cr_expect_str_eq(session_version(&v.client), "TLSv1.2");
	visit_stop(&v);
	visit_start(&v, "ecdsa", &o, &group);
	cr_expect_str_eq(tls_probe_group(v.client.ssl), "secp256r1");
	cr_expect_eq(tls_probe_offer(v.client.ssl, &unknown, &e), -1);
	cr_expect_str_eq(e.text, "this OpenSSL does not know X1");
	visit_stop(&v);
	visit_start(&v, "ecdsa", &o, &none);
	cr_expect_neq(v.status, IO_OK);
	visit_stop(&v);
}
