/* Certificates that did not change are not loaded again. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf.h"
#include "config/read.h"
#include "config/reuse.h"
#include "tls/facts.h"

static struct conf t;
static struct config *before, *after;
static struct findings f;

static void setup(void)
{
	conf_init(&t);
	conf_write_certificates(&t);
}

static void teardown(void)
{
	config_free(after);
	config_free(before);
	findings_done(&f);
	conf_done(&t);
}

TestSuite(reuse, .init = setup, .fini = teardown);

#define SITE(name, file)                                                                           \
	"{ names = [ \"" name "\" ]; certificate = \"" file ".pem\"; private_key = \"" file        \
	".key\";\n  routes = ( { path = \"/\"; status = {}; } ); }"

static const char *write_config(const char *options, const char *sites)
{
	char text[4096];

	snprintf(text, sizeof(text),
		"%s %s\nlisteners = ( { name = \"a\"; address = \"127.0.0.1:8443\"; } );\n"
		"sites = (\n%s );\n",
		geteuid() == 0 ? "user = \"nobody\";" : "", options, sites);
	conf_write(&t, "t.conf", text);
	return conf_path(&t, "t.conf");
}

static void prepare(const char *options, const char *sites)
{
	struct config *next = config_prepare_after(
		before, write_config(options, sites), CONFIG_OPEN_TEST, NULL, &f);

	cr_assert_not_null(next);
	if (before)
		after = next;
	else
		before = next;
}

/* Copies a file of the test's folder. */
static void copy(const char *from, const char *to)
{
	char text[16384];
	FILE *in = fopen(conf_path(&t, from), "r");
	size_t n;

	cr_assert_not_null(in);
	n = fread(text, 1, sizeof(text) - 1, in);
	text[n] = '\0';
	fclose(in);
	conf_write(&t, to, text);
}

#define THREE SITE("localhost", "a") ",\n" SITE("b.example", "b") ",\n" SITE("c.example", "c")

static void prepare_three(void)
{
	copy("a.pem", "b.pem");
	copy("a.key", "b.key");
	copy("a.pem", "c.pem");
	copy("a.key", "c.key");
	prepare("", THREE);
}

Test(reuse, equal_sites_share_their_contexts)
{
	prepare_three();
	prepare("", THREE);
	cr_expect_eq(after->sites[0].context, before->sites[0].context);
	cr_expect_eq(after->sites[1].context, before->sites[1].context);
	cr_expect_neq(after->sites[2].context, before->sites[2].context, "the entry");
	cr_expect_eq(tls_facts_not_after(after->sites[2].context),
		tls_facts_not_after(before->sites[2].context));
	cr_expect_null(digest_list_differs(&after->digests, &before->digests));
	cr_expect_null(digest_list_differs(&before->digests, &after->digests));
	/* They outlive the one that they came from. */
	config_free(before);
	before = NULL;
	cr_expect_neq(tls_facts_not_after(after->sites[1].context), 0);
}

Test(reuse, other_bytes_are_loaded)
{
	prepare_three();
	conf_write_certificates(&t); /* new ones for a */
	copy("a.pem", "b.pem");
	copy("a.key", "b.key");
	prepare("", THREE);
	cr_expect_neq(after->sites[1].context, before->sites[1].context);
	cr_expect_neq(tls_facts_not_after(after->sites[1].context), 0);
	cr_expect_not_null(digest_list_differs(&after->digests, &before->digests));
}

Test(reuse, a_file_that_is_gone_is_an_error)
{
	prepare_three();
	cr_assert_eq(unlink(conf_path(&t, "b.key")), 0);
	cr_expect_null(
		config_prepare_after(before, write_config("", THREE), CONFIG_OPEN_TEST, NULL, &f));
	cr_expect_eq(f.errors, 1);
}

Test(reuse, under_other_options_only_the_keys_are_shared)
{
	prepare_three();
	prepare("tls = { profile = \"modern\"; };", THREE);
	for (int i = 0; i < 3; i++) {
		cr_expect_neq(after->sites[i].context, before->sites[i].context);
		cr_expect_eq(tls_facts_not_after(after->sites[i].context),
			tls_facts_not_after(before->sites[i].context));
	}
}

Test(reuse, the_same_name_with_other_files_is_another_site)
{
	prepare_three();
	prepare("",
		SITE("localhost", "a") ",\n" SITE("b.example", "c") ",\n" SITE("new.example", "b"));
	cr_expect_eq(after->sites[0].context, before->sites[0].context);
	for (int i = 1; i < 3; i++)
		for (int k = 0; k < 3; k++)
			cr_expect_neq(after->sites[i].context, before->sites[k].context);
}

Test(reuse, sites_in_another_order_are_found)
{
	prepare_three();
	prepare("",
		SITE("c.example", "c") ",\n" SITE("b.example", "b") ",\n" SITE("localhost", "a"));
	cr_expect_neq(after->sites[0].context, before->sites[2].context, "the entry there");
	cr_expect_eq(after->sites[1].context, before->sites[1].context);
	cr_expect_eq(after->sites[2].context, before->sites[0].context, "and here another is");
}

Test(reuse, a_root_is_opened_once)
{
	prepare_three();
	cr_expect_eq(before->nroots, 0);
	config_free(before);
	before = NULL;
	cr_assert_eq(mkdir(conf_path(&t, "www"), 0755), 0);
	cr_assert_eq(chmod(conf_path(&t, "www"), 0755), 0);
	const char *sites = "{ names = [ \"localhost\" ]; certificate = \"a.pem\"; "
			    "private_key = \"a.key\"; routes = (\n"
			    "{ path = \"/a\"; files = { root = \"www\"; }; },\n"
			    "{ path = \"/b\"; files = { root = \"www\"; }; },\n"
			    "{ path = \"/c\"; files = { root = \"/\"; }; } ); }";
	prepare("", sites);
	cr_assert_eq(before->nroots, 2);
	cr_expect_eq(
		before->sites[0].routes[0].files.root_fd, before->sites[0].routes[1].files.root_fd);
	cr_expect_neq(
		before->sites[0].routes[0].files.root_fd, before->sites[0].routes[2].files.root_fd);
	/* The next one shares them, but for a directory that is another by now. */
	cr_assert_eq(rename(conf_path(&t, "www"), conf_path(&t, "old")), 0);
	cr_assert_eq(mkdir(conf_path(&t, "www"), 0755), 0);
	prepare("", sites);
	cr_expect_neq(
		before->sites[0].routes[0].files.root_fd, after->sites[0].routes[0].files.root_fd);
	cr_expect_eq(
		before->sites[0].routes[2].files.root_fd, after->sites[0].routes[2].files.root_fd);
	int kept = after->sites[0].routes[2].files.root_fd;
	config_free(before);
	before = NULL;
	cr_expect_geq(fcntl(kept, F_GETFD), 0, "it is held still");
	config_free(after);
	after = NULL;
	cr_expect_lt(fcntl(kept, F_GETFD), 0, "and now by nobody");
	rmdir(conf_path(&t, "old"));
	rmdir(conf_path(&t, "www"));
}
