/* peer: which names a certificate has, and which rules fit. */
#include <criterion/criterion.h>
#include <string.h>

#include <openssl/x509v3.h>

#include "pair_of_peers.h"
#include "tls/peer.h"

static void finish(X509 *cert)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	X509_set_pubkey(cert, key);
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	cr_assert_gt(X509_sign(cert, key, EVP_sha256()), 0);
	EVP_PKEY_free(key);
}

static X509 *certificate(const char *san)
{
	X509 *cert = X509_new();
	X509V3_CTX ctx;

	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
		(const unsigned char *)"client, \n\x01", -1, -1, 0);
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
	X509_EXTENSION *ext = san ? X509V3_EXT_conf(NULL, &ctx, "subjectAltName", san) : NULL;
	if (ext)
		X509_add_ext(cert, ext, -1);
	cr_assert(!san || ext);
	X509_EXTENSION_free(ext);
	finish(cert);
	return cert;
}

static struct tls_peer *peer(const char *san)
{
	X509 *cert = certificate(san);
	struct tls_peer *p = tls_peer_new(cert);

	X509_free(cert);
	cr_assert_not_null(p);
	return p;
}

Test(peer, facts_as_text)
{
	struct tls_peer *p =
		peer("DNS:a.example, email:x@y.example, URI:urn:a:b, IP:::1, IP:192.0.2.1,"
		     "RID:1.2.3, DNS:b.example");
	struct str names = tls_peer_names(p), subject = tls_peer_subject(p);
	const char *expected =
		"DNS:a.example, email:x@y.example, URI:urn:a:b, IP:::1, IP:192.0.2.1, "
		"DNS:b.example";

	cr_expect(str_eq(names, str_of(expected)), STR_FMT, STR_ARG(names));
	cr_expect(str_eq(subject, STR("CN=client\\, \\0A\\01")), STR_FMT, STR_ARG(subject));
	cr_expect_eq(tls_peer_fingerprint(p).n, 64);
	tls_peer_free(p);
	p = peer(NULL);
	cr_expect_eq(tls_peer_names(p).n, 0);
	cr_expect_not(tls_peer_has_name(p, STR("client")));
	tls_peer_free(p);
}

Test(peer, which_rules_fit)
{
	static const struct {
		const char *rule;
		bool fits;
	} rows[] = {
		{ "a.b.example", true },
		{ "A.b.Example", true },
		{ "dns:a.b.example", true },
		{ "*.b.example", true },
		{ "*.example", false },
		{ "*.a.b.example", false },
		{ "b.example", false },
		{ "email:a.b.example", false },
		{ "*.star.example", true }, /* the name itself */
		{ "x.star.example", false },
		{ "*.*.star.example", false },
		{ "me@Mail.example", true },
		{ "Me@mail.example", false },
		{ "me@mail.exampl", false },
		{ "urn:a:b", true },
		{ "urn:a:B", false },
		{ "URI:urn:a:b", true },
		{ "::1", true },
		{ "0:0:0:0:0:0:0:1", true },
		{ "IP:::1", true },
		{ "192.0.2.1", true },
		{ "192.0.2.10", false },
		{ "DNS:192.0.2.1", false },
	};
	struct tls_peer *p = peer("DNS:a.b.example, DNS:*.star.example, email:me@mail.example,"
				  "URI:urn:a:b, IP:::1, IP:192.0.2.1");

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(tls_peer_has_name(p, str_of(rows[i].rule)), rows[i].fits, "%s",
			rows[i].rule);
	tls_peer_free(p);
}

Test(peer, a_name_with_other_bytes_is_none)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();
	X509 *cert = certificate(NULL);

	ASN1_STRING_set(text, "a.example\0.b", 12);
	GENERAL_NAME_set0_value(name, GEN_DNS, text);
	sk_GENERAL_NAME_push(names, name);
	X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0);
	finish(cert);
	struct tls_peer *p = tls_peer_new(cert);
	cr_assert_not_null(p);
	cr_expect_eq(tls_peer_names(p).n, 0);
	cr_expect_not(tls_peer_has_name(p, STR("a.example")));
	tls_peer_free(p);
	GENERAL_NAMES_free(names);
	X509_free(cert);
}

Test(peer, what_is_a_rule)
{
	static const char *const good[] = { "a.example", "*.example", "DNS:a", "x@y.example",
		"email:x@y", "urn:x", "spiffe://a/b", "192.0.2.1", "IP:::1" };
	static const char *const bad[] = { "", "*", "a b", "a..b", "DNS:", "DNS:192.0.2.1", "@y",
		"x@", "IP:a.example", "IP:192.0.2.300", ":x", "x:", "URI:x", "a.example\n" };

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		cr_expect(tls_peer_is_rule(str_of(good[i])), "%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_not(tls_peer_is_rule(str_of(bad[i])), "%s", bad[i]);
}

Test(peer, fingerprints_are_read_in_both_forms)
{
	char text[2 * 64 + 1], got[TLS_FINGERPRINT_SIZE];

	memset(text, 'A', 64);
	text[64] = '\0';
	cr_expect(tls_peer_parse_fingerprint(str_of(text), got));
	cr_expect_eq(strspn(got, "a"), 64);
	text[63] = '\0';
	cr_expect_not(tls_peer_parse_fingerprint(str_of(text), got));
	text[63] = 'g';
	cr_expect_not(tls_peer_parse_fingerprint(str_of(text), got));
	for (size_t i = 0; i < 32; i++)
		memcpy(text + 3 * i, "0B:", 4);
	cr_expect_not(tls_peer_parse_fingerprint(str_of(text), got));
	text[95] = '\0';
	cr_expect(tls_peer_parse_fingerprint(str_of(text), got));
	cr_expect_eq(strncmp(got, "0b0b", 4), 0);
	text[96] = '\0';
	text[95] = '0';
	cr_expect_not(tls_peer_parse_fingerprint(str_of(text), got));
}
