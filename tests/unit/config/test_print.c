/* -T and --explain. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"
#include "config/format.h"
#include "config/print.h"
#include "config/table.h"

static struct conf t;

static void setup(void)
{
	conf_init(&t);
}

static void teardown(void)
{
	conf_done(&t);
}

TestSuite(print, .init = setup, .fini = teardown);

/* The effective configuration of t.c; the caller's to free. */
static char *print(void)
{
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);

	cr_assert(out);
	config_print(t.c, out);
	cr_assert_eq(fclose(out), 0);
	return text;
}

static void expect_fixed_point(const char *input)
{
	char *first, *second;

	conf_load(&t, input);
	cr_assert(t.c, "%s", conf_findings(&t));
	cr_assert_eq(t.f.errors, 0, "%s", conf_findings(&t));
	first = print();
	conf_load(&t, first);
	cr_assert(t.c, "%s%s", first, conf_findings(&t));
	cr_expect_eq(t.f.n, 0, "%s%s", first, conf_findings(&t));
	second = print();
	cr_expect_str_eq(second, first);
	free(first);
	free(second);
}

static const char full[] =
	"workers = 3; user = \"a\\\"b\\\\c\\x01\\xff\\n\"; group = \"g\"; sigpipe = \"log\";\n"
	"shutdown = { mode = \"strict\"; linger = \"1234ms\"; };\n"
	"listeners = ( { name = \"s\"; address = \"*:443\"; backlog = 7; },\n"
	"  { name = \"p\"; address = \"[::1]:80\"; tls = false; shutdown = { mode = \"lenient\"; "
	"}; },\n"
	"  { address = \"unix:/x\"; tls = false; } );\n"
	"tls = { profile = \"modern\"; ciphers = \"X\"; tickets = { rotate = \"61s\"; keep = 7; "
	"}; };\n"
	"limits = { body_size = 5000000000L; header_size = 4097; connections = 9; };\n"
	"log = { level = \"error\"; target = \"/e\"; access = { target = \"/a\"; format = "
	"\"common\"; }; };\n"
	"sites = ( { names = [ \"a\", \"b\" ]; certificate = \"c.pem\"; default = true;\n"
	"  headers = ( { name = \"X\"; value = \"a \\\"b\\\"\"; } );\n"
	"  error_pages = ( { status = 404; file = \"e.html\"; } );\n"
	"  routes = ( { path = \"/\"; files = { root = \"w\"; index = []; }; allow = [ "
	"\"10.1.2.3/8\", "
	"\"1.2.3.4\", \"::1\", \"2001:db8::/32\", \"0.0.0.0/0\", \"::/0\" ]; },\n"
	"    { path = \"/r\"; redirect = { to = \"/\"; status = 302; }; deny = ( "
	"\"::ffff:1.2.3.4\" ); },\n"
	"    { path = \"/t\"; respond = { text = \"a\"; type = \"b/c\"; status = 201; };\n"
	"      headers = ( { name = \"Y\"; value = \"\"; } );\n"
	"      error_pages = ( { status = 403; file = \"/e.html\"; } ); },\n"
	"    { path = \"/s\"; status = {}; require = { san = [ \"x\" ]; }; },\n"
	"    { path = \"/m\"; metrics = {}; } ); },\n"
	"  { names = [ \"*\" ]; listeners = [ \"p\" ]; access = { target = \"stderr\"; }; routes "
	"= (); },\n"
	"  { names = [ \"d\" ]; certificates = ( { certificate = \"1\"; private_key = \"2\"; }, { "
	"certificate = \"/3\"; } ); passphrase_file = \"p\";\n"
	"  client_auth = { mode = \"required\"; ca = \"/ca\"; crl = [ \"r\", \"/s\" ];\n"
	"    depth = 0; }; } );\n";

Test(print, is_a_fixed_point)
{
	expect_fixed_point("");
	expect_fixed_point(CONF_PLAIN);
	expect_fixed_point(full);
}

Test(print, keeps_every_value)
{
	char *text;

	conf_load(&t, full);
	text = print();
	conf_load(&t, text);
	cr_assert(t.c, "%s", text);
	cr_expect_str_eq(t.c->user, "a\"b\\c\x01\xff\n");
	cr_expect_eq(t.c->limits.body_size, 5000000000);
	cr_expect_eq(t.c->limits.head.size, 4097);
	cr_expect_eq(t.c->shutdown.linger_ms, 1234);
	cr_expect_eq(t.c->listeners[1].shutdown.mode, CLOSING_LENIENT);
	cr_expect_eq(t.c->listeners[0].shutdown.mode, CLOSING_STRICT);
	cr_expect_eq(t.c->sites[0].routes[0].files.nindex, 0);
	cr_expect_eq(t.c->sites[0].routes[0].nallow, 6);
	cr_expect_eq(t.c->sites[0].npairs, 1);
	cr_expect_eq(t.c->sites[2].npairs, 2);
	cr_expect_str_eq(t.c->sites[0].pairs[0].certificate, conf_path(&t, "c.pem"));
	cr_expect_eq(t.c->sites[1].access.target, LOG_TARGET_STDERR);
	free(text);
}

Test(print, names_every_directive)
{
	char *text;

	conf_load(&t, full);
	text = print();
	for (size_t i = 0; i < table_count; i++) {
		char line[80];

		if (!strcmp(table_rows[i].key, "sites.certificate"))
			continue; /* printed as one of certificates */
		snprintf(line, sizeof(line), "\t" STR_FMT " = ",
			STR_ARG(table_name(&table_rows[i])));
		cr_expect(strstr(text, line) || !strncmp(text, line + 1, strlen(line) - 1) ||
				  table_parent(&table_rows[i]).n == 0,
			"%s is missing", table_rows[i].key);
	}
	free(text);
}

Test(print, fills_in_listeners_of_sites)
{
	char *text;

	conf_load(&t, full);
	text = print();
	cr_expect(strstr(text, "listeners = [ \"s\" ];"), "%s", text);
	conf_load(&t, CONF_PLAIN);
	free(text);
	text = print();
	cr_expect(strstr(text, "listeners = [ \"http\" ];"), "%s", text);
	free(text);
}

Test(print, strings_are_escaped)
{
	struct buf b;

	buf_init(&b, 0);
	cr_assert(format_string("a\"\\\n\t\x7f\xc3\xa9", &b));
	cr_expect_str_eq(buf_cstring(&b), "\"a\\\"\\\\\\x0a\\x09\\x7f\xc3\xa9\"");
	buf_done(&b);
}

static int explain(const char *key, char **ret, const char **ret_nearest)
{
	size_t n = 0;
	FILE *out = open_memstream(ret, &n);
	int r;

	cr_assert(out);
	r = config_explain(key, out, ret_nearest);
	cr_assert_eq(fclose(out), 0);
	return r;
}

Test(print, explains_one)
{
	static const struct {
		const char *key, *words[4];
	} cases[] = {
		{ "timeouts.idle",
			{ "timeouts.idle (duration)", "100ms to 1d", "\"60s\"", "next request" } },
		{ "workers", { "integer", "0 to 256", "Default: 0", "CPU" } },
		{ "sigpipe", { "ignore, log or default", "Default: \"ignore\"", "kill", "word" } },
		{ "sites[0].routes.1.files.root",
			{ "sites.routes.files.root", "must be given", "path", "dot" } },
		{ "listeners.shutdown.mode",
			{ "that of shutdown.mode", "lenient", "strict", "listener" } },
		{ "tls", { "group", "min_version", "tickets", "profile" } },
		{ "sites.routes.status", { "Holds: nothing", "status page", "JSON", "HTML" } },
	};
	const char *nearest = NULL;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = NULL;

		cr_expect_eq(explain(cases[i].key, &text, &nearest), 0, "%s", cases[i].key);
		for (size_t k = 0; k < 4; k++)
			cr_expect(
				strstr(text, cases[i].words[k]), "%s: %s", cases[i].words[k], text);
		free(text);
	}
}

Test(print, explains_all_within_80_columns)
{
	const char *nearest = NULL;
	char *text = NULL, *save = NULL;

	cr_expect_eq(explain(NULL, &text, &nearest), 0);
	for (size_t i = 0; i < table_count; i++)
		cr_expect(strstr(text, table_rows[i].key), "%s", table_rows[i].key);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (!strstr(line, "Holds: "))
			cr_expect_leq(strlen(line), 80, "%s", line);
	free(text);
}

Test(print, an_unknown_directive_has_a_nearest)
{
	static const char *const unknown[] = { "timeouts.idel", "", "...", "[",
		"sites.routes.files.rot" };
	const char *nearest = NULL;
	char *text = NULL;

	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		nearest = NULL;
		cr_expect_eq(explain(unknown[i], &text, &nearest), -1, "%s", unknown[i]);
		cr_expect_str_empty(text);
		cr_expect_not_null(nearest);
		free(text);
	}
	cr_expect_str_eq(nearest, "sites.routes.files.root");
}
