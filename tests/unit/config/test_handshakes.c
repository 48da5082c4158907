/* Trial handshakes of a whole configuration. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

#include "conf.h"
#include "config/handshakes.h"

static struct conf t, before;

static void setup(void)
{
	conf_init(&t);
	conf_init(&before);
	conf_write_certificates(&t);
}

static void teardown(void)
{
	conf_done(&t);
	conf_done(&before);
}

TestSuite(handshakes, .init = setup, .fini = teardown);

#define TLS(options, names)                                                                        \
	options "\nlisteners = ( { name = \"a\"; address = \"127.0.0.1:8443\"; } );\n"             \
		"sites = ( { names = [ " names " ];\n"                                             \
		"certificate = \"a.pem\"; private_key = \"a.key\";\n"                              \
		"routes = ( { path = \"/\"; status = {}; } ); } );\n"
/* None that the test certificate's type of key (ECDSA) could be used with. */
#define IMPOSSIBLE "tls = { max_version = \"1.2\"; ciphers = \"ECDHE-RSA-AES128-GCM-SHA256\"; };"

/* As root the workers' user has to be one that exists. */
static void open_it(const char *text)
{
	char whole[1024];

	snprintf(whole, sizeof(whole), "%s%s", geteuid() == 0 ? "user = \"nobody\"; " : "", text);
	conf_open(&t, whole);
	cr_assert_not_null(t.c, "%s", conf_findings(&t));
	cr_assert_eq(t.f.errors, 0, "%s", conf_findings(&t));
	digest_list_finish(&t.c->digests);
}

Test(handshakes, succeed_for_every_kind_of_name)
{
	static const char *const texts[] = { TLS("", "\"localhost\""), TLS("", "\"*.example.org\""),
		TLS("", "\"*\""), TLS("", "\"127.0.0.1\""),
		TLS("", "\"*.a.example\", \"b.example\"") };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		open_it(texts[i]);
		config_handshakes(t.c, NULL, &t.f);
		cr_expect_eq(t.f.errors, 0, "%s", conf_findings(&t));
	}
}

Test(handshakes, a_failure_stands_at_the_certificate)
{
	open_it(TLS(IMPOSSIBLE, "\"localhost\""));
	config_handshakes(t.c, NULL, &t.f);
	cr_expect_eq(t.f.errors, 1);
	cr_expect(conf_has_error(&t, 4, "handshake|localhost|cipher"), "%s", conf_findings(&t));
}

Test(handshakes, what_did_not_change_is_left_out)
{
	open_it(TLS(IMPOSSIBLE, "\"localhost\""));
	config_handshakes(t.c, t.c, &t.f);
	cr_expect_eq(t.f.errors, 0, "%s", conf_findings(&t));
}

Test(handshakes, other_bytes_or_options_are_a_change)
{
	open_it(TLS(IMPOSSIBLE, "\"localhost\""));
	conf_load(&before, "workers = 1;" CONF_PLAIN);
	config_handshakes(t.c, before.c, &t.f);
	cr_expect_eq(t.f.errors, 1, "other options");
	t.f.errors = 0;
	conf_load(&before, IMPOSSIBLE CONF_PLAIN);
	config_handshakes(t.c, before.c, &t.f);
	cr_expect_eq(t.f.errors, 1, "a certificate that was not there");
}

/* So many of one kind that some are tried for all. */
Test(handshakes, of_many_every_key_is_proven)
{
	enum { MANY = HANDSHAKES_MANY + 100 };
	struct buf text;

	buf_init(&text, MANY * 256);
	buf_appendf(&text,
		"%s listeners = ( { name = \"a\"; address = \"127.0.0.1:8443\"; } );\n"
		"sites = (\n",
		geteuid() == 0 ? "user = \"nobody\";" : "");
	for (int i = 0; i < MANY; i++)
		buf_appendf(&text,
			"{ names = [ \"s%d.test\" ]; certificate = \"a.pem\"; private_key = "
			"\"a.key\"; routes = ( { path = \"/\"; status = {}; } ); }%s\n",
			i, i < MANY - 1 ? "," : " );");
	conf_open(&t, buf_cstring(&text));
	buf_done(&text);
	cr_assert_eq(t.f.errors, 0, "%s", conf_findings(&t));
	digest_list_finish(&t.c->digests);
	cr_assert_not_null(t.c->listeners[0].tls_sites);
	config_handshakes(t.c, NULL, &t.f);
	cr_expect_eq(t.f.errors, 0, "%s", conf_findings(&t));
}
