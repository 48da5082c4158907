/* What a ClientHello offers. */
#include <criterion/criterion.h>
#include <string.h>

#include "pair_of_peers.h"
#include "tls/hello.h"
#include "tls/sites.h"

static int a_site;

/* A handshake of which only the ClientHello counts. */
static void offer(
	int least, int most, const char *groups, uint8_t *ret_versions, uint16_t *ret_groups)
{
	SSL_CTX *ours = server_context("ecdsa", NULL, NULL),
		*theirs = SSL_CTX_new(TLS_client_method());
	struct tls_sites *sites = tls_sites_new();
	struct peers p;
	struct err e;

	cr_assert_eq(tls_sites_add(sites, STR("a.example"), ours, &a_site), 0);
	cr_assert_eq(tls_sites_set_default(sites, ours, &a_site), 0);
	cr_assert_eq(tls_sites_finish(sites, false, &e), 0);
	SSL_CTX_set_min_proto_version(theirs, least);
	SSL_CTX_set_max_proto_version(theirs, most);
	SSL_CTX_set_security_level(theirs, 0);
	cr_assert_eq(SSL_CTX_set1_groups_list(theirs, groups), 1);
	peers_open(&p, tls_sites_context(sites), theirs);
	peers_handshake(&p);
	*ret_versions = p.s.offered_versions;
	*ret_groups = p.s.offered_groups;
	peers_close(&p);
	tls_sites_free(sites);
	tls_context_free(ours);
	SSL_CTX_free(theirs);
}

Test(hello, tells_versions_and_groups)
{
	static const struct {
		int least, most;
		const char *list, *versions, *groups;
	} rows[] = {
		{ TLS1_2_VERSION, TLS1_3_VERSION, "X25519:P-256", "1.2 1.3", "X25519 P-256" },
		{ TLS1_3_VERSION, TLS1_3_VERSION, "P-384", "1.3", "P-384" },
		{ TLS1_2_VERSION, TLS1_2_VERSION, "P-521:X448", "1.2", "P-521 X448" },
		{ TLS1_VERSION, TLS1_1_VERSION, "X25519", "1.1", "X25519" },
		{ TLS1_3_VERSION, TLS1_3_VERSION, "ffdhe2048:ffdhe8192:X25519", "1.3",
			"X25519 ffdhe2048 other" },
	};
	char text[HELLO_TEXT_SIZE];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t versions;
		uint16_t groups;

		offer(rows[i].least, rows[i].most, rows[i].list, &versions, &groups);
		cr_expect_str_eq(hello_versions(versions, text).p, rows[i].versions);
		cr_expect_str_eq(hello_groups(groups, text).p, rows[i].groups);
	}
}

Test(hello, all_at_once_has_room)
{
	char text[HELLO_TEXT_SIZE];

	cr_expect_lt(hello_versions(UINT8_MAX, text).n, sizeof(text));
	cr_expect_eq(strlen(text), hello_versions(UINT8_MAX, text).n);
	cr_expect_lt(hello_groups(UINT16_MAX, text).n, sizeof(text));
	cr_expect_eq(strlen(text), hello_groups(UINT16_MAX, text).n);
	cr_expect_eq(hello_versions(0, text).n, 0, "nothing was understood");
}
