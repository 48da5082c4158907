/* credential:NAME */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf.h"
#include "config/credential.h"
#include "config/print.h"

static struct conf t;

static void setup(void)
{
	conf_init(&t);
	conf_write_certificates(&t);
	unsetenv("CREDENTIALS_DIRECTORY");
}

static void teardown(void)
{
	conf_done(&t);
}

TestSuite(credential, .init = setup, .fini = teardown);

/* Lines 1 to 5. */
#define TEXT(certificate, key, rest)                                                               \
	"listeners = ( { name = \"a\"; address = \"127.0.0.1:8443\"; } );\n"                       \
	"sites = ( { names = [ \"localhost\" ];\n"                                                 \
	"certificate = \"" certificate "\";\n"                                                     \
	"private_key = \"" key "\";\n" rest "routes = ( { path = \"/\"; status = {}; } ); } );\n"

static void open_it(const char *text)
{
	char whole[2048];

	snprintf(whole, sizeof(whole), "%s%s", geteuid() == 0 ? "user = \"nobody\"; " : "", text);
	conf_open(&t, whole);
}

static void give_directory(void)
{
	char *slash;
	char path[512];

	snprintf(path, sizeof(path), "%s", conf_path(&t, "x"));
	slash = strrchr(path, '/');
	*slash = '\0';
	cr_assert_eq(setenv("CREDENTIALS_DIRECTORY", path, 1), 0);
}

Test(credential, stands_for_a_file_of_its_directory)
{
	give_directory();
	open_it(TEXT("credential:a.pem", "credential:a.key", ""));
	cr_assert_eq(t.f.errors, 0, "%s", conf_findings(&t));
	cr_expect_str_eq(t.c->sites[0].pairs[0].private_key, conf_path(&t, "a.key"));
	cr_expect_not_null(t.c->sites[0].context);
}

Test(credential, without_a_directory_is_one_error)
{
	open_it(TEXT("a.pem", "credential:a.key", ""));
	cr_expect_eq(t.f.errors, 1, "%s", conf_findings(&t));
	cr_expect(conf_has_error(&t, 4, "CREDENTIALS_DIRECTORY is not set|LoadCredential=a.key:"),
		"%s", conf_findings(&t));
}

Test(credential, that_is_not_there_is_one_error)
{
	give_directory();
	open_it(TEXT("a.pem", "credential:none", ""));
	cr_expect_eq(t.f.errors, 1, "%s", conf_findings(&t));
	cr_expect(conf_has_error(&t, 4, "no credential|none|LoadCredential="), "%s",
		conf_findings(&t));
}

Test(credential, names_lead_nowhere_else)
{
	give_directory();
	open_it(TEXT("credential:../etc/passwd", "a.key", ""));
	cr_expect(conf_has_error(&t, 3, "no credential|expected a name"), "%s", conf_findings(&t));
	open_it(TEXT("a.pem", "credential:", ""));
	cr_expect(conf_has_error(&t, 4, "no credential"), "%s", conf_findings(&t));
	open_it(TEXT("a.pem", "credential:..", ""));
	cr_expect(conf_has_error(&t, 4, "no credential"), "%s", conf_findings(&t));
	open_it(TEXT("a.pem", "a.key", "passphrase_file = \"credential:a b\";\n"));
	cr_expect(conf_has_error(&t, 5, "no credential"), "%s", conf_findings(&t));
}

Test(credential, only_secrets_are)
{
	conf_load(&t, TEXT("credential:a.pem", "a.key", ""));
	cr_expect_str_eq(t.c->sites[0].pairs[0].certificate, "credential:a.pem");
	conf_load(&t, "control = \"credential:x\";");
	cr_expect_str_eq(t.c->control, conf_path(&t, "credential:x"));
	cr_expect_not(credential_is(NULL));
}
