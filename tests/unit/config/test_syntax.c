/* Syntax errors: the right line, and what was expected. And what libconfig would stop at or wrap.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "conf.h"

static struct conf t;

static void setup(void)
{
	conf_init(&t);
}

static void teardown(void)
{
	conf_done(&t);
}

TestSuite(syntax, .init = setup, .fini = teardown);

/* It may have the password of a store. */
Test(syntax, a_url_is_not_repeated)
{
	conf_load(&t, "store \"redis://:S3cret@10.0.0.7\";");
	cr_expect(conf_has_error(&t, 1, "a string with a URL"));
	cr_expect_not(conf_has_error(&t, 1, "S3cret"));
}

Test(syntax, errors_say_what_was_expected)
{
	static const struct {
		const char *text;
		int line;
		const char *words;
	} cases[] = {
		{ "workers = 2\nuser \"x\";", 2, "expected \"=\"|\"user\"" },
		{ "user\n = 1; group\nworkers = 3;", 2, "expected \"=\"|\"group\"" },
		{ "workers =\n\n;", 1, "expected a value" },
		{ "timeouts.idle = \"5s\";", 1, "GROUP = {" },
		{ "server {\n}", 1, "NAME = {" },
		{ "include \"more.conf\";", 1, "@include \"FILE\"" },
		{ "workers = 2;;", 1, "expected a setting" },
		{ "tls = {\n workers = 1;\n", 1, "\"{\" of this line is never closed|\"}\"" },
		{ "sites = (\n { names = [ \"a\" ]; }\n", 1, "\"(\"|never closed" },
		{ "sites = (\n { a = 1; }\n { b = 1; } );", 2, "\",\"" },
		{ "sites = ( { a = 1; );", 1, "\"}\"|\"{\" of line 1" },
		{ "a = 1;\n}", 1, "expected a setting" },
		{ "user = \"x;\ngroup = \"y\";", 1, "closing quote" },
		{ "a = 1;\nuser = \"abc", 2, "closing quote" },
		{ "a = 1; /* b\n\n", 1, "*/" },
		{ "user = 'x';", 1, "double quotes" },
		{ "user = latchd;", 1, "strings stand in quotes" },
		{ "x = on;", 1, "true or false" },
		{ "x = No;", 1, "true or false" },
		{ "limits = {\n body_size = 10M;\n};", 2, "\"10M\"|quotes" },
		{ "a = [ \"x\", ];", 1, "another value" },
		{ "a = ( {}, );", 1, "another value" },
		{ "a = [ ( 1 ) ];", 1, "plain value" },
		{ "a = { @include \"x\" };", 1, "@include|beginning of a line" },
		{ "\"x\" = 1;", 1, "expected a setting" },
		{ "\xc3\xa9 = 1;", 1, "0xc3" },
		{ "a = ;", 1, "expected a value" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		conf_load(&t, cases[i].text);
		cr_expect_null(t.c, "%s", cases[i].text);
		cr_expect(conf_has_error(&t, cases[i].line, cases[i].words), "%s%s", cases[i].text,
			conf_findings(&t));
		cr_expect(conf_has_error(&t, cases[i].line, "syntax error"), "%s", cases[i].text);
		cr_expect_eq(findings_code(&t.f), 78);
	}
}

Test(syntax, nesting_is_bounded)
{
	char text[4096] = "a = ";

	for (int i = 0; i < 2000; i++)
		text[4 + i] = '(';
	conf_load(&t, text);
	cr_expect_null(t.c);
	cr_expect(conf_has_error(&t, 1, "nested"));
}

Test(syntax, separators_are_libconfigs)
{
	conf_load(&t,
		"workers = 2 user : \"x\", group = \"a\" \"b\"; timeouts : { idle = \"5s\" }\n");
	cr_assert(t.c, "%s", conf_findings(&t));
	cr_expect_eq(t.f.n, 0, "%s", conf_findings(&t));
	cr_expect_eq(t.c->workers, 2);
	cr_expect_str_eq(t.c->user, "x");
	cr_expect_str_eq(t.c->group, "ab");
	cr_expect_eq(t.c->timeouts.idle_ms, 5000);
}

Test(syntax, a_name_given_twice_is_named_and_the_rest_is_read)
{
	conf_load(&t, "workers = 2;\nuser = \"a\";\nworkers = 3;\ntimeouts = { idle = \"5s\";\n"
		      "idle = \"6s\"; };\nlimits = { header_fields = 1000; };");
	cr_assert(t.c);
	cr_expect(conf_has_error(&t, 3, "workers|twice|:1;"), "%s", conf_findings(&t));
	cr_expect(conf_has_error(&t, 5, "idle|twice|:4;"), "%s", conf_findings(&t));
	cr_expect(conf_has_error(&t, 6, "header_fields"), "%s", conf_findings(&t));
	cr_expect_eq(t.f.errors, 3);
	cr_expect_eq(t.c->workers, 2, "the first one stands");
	cr_expect_eq(t.c->timeouts.idle_ms, 5000);
}

Test(syntax, one_name_in_two_groups_is_fine)
{
	conf_load(&t, "log = { target = \"stderr\"; access = { target = \"off\"; }; };\n"
		      "sites = ( { names = []; }, { names = []; } );");
	cr_expect_eq(t.f.errors, 0, "%s", conf_findings(&t));
}

Test(syntax, integers_that_libconfig_wraps)
{
	static const char *const numbers[] = { "5000000000", "4294967297", "-4294967294",
		"0x100000001", "99999999999999999999L" };
	char text[128];

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		snprintf(text, sizeof(text), "user = \"x\";\nworkers =\n %s;\n", numbers[i]);
		conf_load(&t, text);
		cr_assert(t.c);
		cr_expect(conf_has_error(&t, 3, "workers|does not fit"), "%s%s", numbers[i],
			conf_findings(&t));
		cr_expect(conf_has_error(&t, 3, numbers[i]), "it is quoted");
		cr_expect_eq(t.f.errors, 1, "no range error about the wrapped value%s",
			conf_findings(&t));
	}
}

Test(syntax, zero_bytes)
{
	struct findings *f = &t.f;

	conf_load(&t, "user = \"x\";\nlog = { target = \"/x\\x00y\"; };");
	cr_expect(conf_has_error(&t, 2, "zero byte"), "%s", conf_findings(&t));
	cr_expect_geq(f->errors, 1);
}

Test(syntax, arrays_of_mixed_types)
{
	conf_load(&t, "user = \"x\";\nsites = ( { names = [ \"a\", 1 ]; } );\nworkers = \"x\";");
	cr_assert(t.c, "libconfig alone would have stopped here");
	cr_expect(conf_has_error(&t, 2, "names|types"), "%s", conf_findings(&t));
	cr_expect(conf_has_error(&t, 3, "workers"), "%s", conf_findings(&t));
}

Test(syntax, strings_side_by_side_in_a_list_are_warned_about)
{
	conf_load(&t, "sites = ( { names = [ \"a\"\n \"b\" ]; } );");
	cr_expect(conf_has_warning(&t, 1, "read as one|\",\""), "%s", conf_findings(&t));
}
