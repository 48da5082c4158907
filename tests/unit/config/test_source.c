/* @include, lines of included files, and files that are none. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf.h"
#include "config/read.h"
#include "config/source.h"

static struct conf t;

static void setup(void)
{
	conf_init(&t);
}

static void teardown(void)
{
	conf_done(&t);
}

TestSuite(source, .init = setup, .fini = teardown);

static bool has_error_in(const char *file, int line, const char *word)
{
	for (size_t i = 0; i < t.f.n; i++)
		if (t.f.v[i].is_error && t.f.v[i].err.line == line &&
			strstr(t.f.v[i].err.file, file) && strstr(t.f.v[i].err.text, word))
			return true;
	return false;
}

Test(source, includes_are_relative_to_the_main_file)
{
	conf_write(&t, "a.conf", "workers = 5;\n@include \"b.conf\"\nsigpipe = \"log\";");
	conf_write(&t, "b.conf", "user = \"x\";");
	conf_load(&t, "group = \"g\";\n@include \"a.conf\"\nlimits = { connections = 7; };");
	cr_assert(t.c, "%s", conf_findings(&t));
	cr_expect_eq(t.f.n, 0, "%s", conf_findings(&t));
	cr_expect_eq(t.c->workers, 5);
	cr_expect_str_eq(t.c->user, "x");
	cr_expect_eq(t.c->sigpipe, SIGPIPE_LOG);
	cr_expect_eq(t.c->limits.connections, 7);
	cr_expect_eq(t.c->nfiles, 3);
	cr_expect_str_eq(t.c->files[0], conf_path(&t, "t.conf"), "the main one first");
}

Test(source, includes_in_a_group_and_by_absolute_name)
{
	char text[256];

	conf_write(&t, "a.conf", "idle = \"7s\";");
	snprintf(text, sizeof(text), "timeouts = {\n  @include \"%s\"\n};\nworkers = 3;",
		conf_path(&t, "a.conf"));
	conf_load(&t, text);
	cr_assert(t.c, "%s", conf_findings(&t));
	cr_expect_eq(t.c->timeouts.idle_ms, 7000);
	cr_expect_eq(t.c->workers, 3);
}

Test(source, errors_name_the_included_file_and_its_line)
{
	conf_write(&t, "a.conf", "\nworker = 5;\nlimits = { connections = 5000000000; };\n");
	conf_load(&t, "user = \"x\";\n@include \"a.conf\"\nsigpip = \"log\";\n");
	cr_expect(has_error_in("/a.conf", 2, "workers"), "%s", conf_findings(&t));
	cr_expect(has_error_in("/a.conf", 3, "connections"), "%s", conf_findings(&t));
	cr_expect(has_error_in("/t.conf", 3, "sigpipe"), "%s", conf_findings(&t));
}

Test(source, a_syntax_error_in_an_included_file)
{
	conf_write(&t, "a.conf", "user = \"x\";\nworkers 5;\n");
	conf_load(&t, "\n\n@include \"a.conf\"\n");
	cr_expect_null(t.c);
	cr_expect(has_error_in("/a.conf", 2, "expected \"=\""), "%s", conf_findings(&t));
}

Test(source, an_include_in_a_string_or_comment_is_text)
{
	conf_load(&t, "user = \"\n@include \\\"nowhere\\\"\n\";\n/*\n@include \"nowhere\"\n*/\n"
		      "# \"\n//@include \"nowhere\"\nworkers = 3;\n");
	cr_assert(t.c, "%s", conf_findings(&t));
	cr_expect_eq(t.c->workers, 3);
}

Test(source, what_cannot_be_included)
{
	static const char *const names[] = { "nowhere.conf", ".", "/dev/zero" };
	char text[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(text, sizeof(text), "workers = 2;\n@include \"%s\"\n", names[i]);
		conf_load(&t, text);
		cr_expect_null(t.c);
		cr_expect(
			conf_has_error(&t, 2, "cannot read"), "%s%s", names[i], conf_findings(&t));
		cr_expect_eq(findings_code(&t.f), 78);
	}
}

Test(source, no_file)
{
	t.c = config_load(conf_path(&t, "nowhere.conf"), &t.f);
	cr_expect_null(t.c);
	cr_expect(
		has_error_in("/nowhere.conf", 0, "No such file or directory; name a configuration"),
		"%s", conf_findings(&t));
	cr_expect_eq(findings_code(&t.f), 78);
}

Test(source, a_file_that_includes_itself)
{
	conf_write(&t, "a.conf", "@include \"a.conf\"\n");
	conf_load(&t, "@include \"a.conf\"\n");
	cr_expect_null(t.c);
	cr_expect(has_error_in("/a.conf", 1, "nested"), "%s", conf_findings(&t));
}

Test(source, files_that_multiply_come_to_an_end)
{
#define TWICE(text) text text
	static const char text[] = TWICE(TWICE(TWICE(TWICE("@include \"a.conf\"\n"))));

	conf_write(&t, "a.conf", text);
	conf_load(&t, text);
	cr_assert_null(t.c);
	cr_expect_eq(t.f.n, 1, "one error is enough: %s", conf_findings(&t));
}

Test(source, there_are_not_endlessly_many_files)
{
	static const char line[] = "@include \"a.conf\"\n";
	const size_t n = sizeof(line) - 1, lines = SOURCE_INCLUDES_MAX + 1;
	char *text = calloc(lines, n + 1);

	cr_assert_not_null(text);
	for (size_t i = 0; i < lines; i++)
		memcpy(text + i * n, line, n);
	conf_write(&t, "a.conf", "");
	t.c = config_load_text(conf_path(&t, "t.conf"), text, lines * n, &t.f);
	free(text);
	cr_assert_null(t.c);
	cr_expect(conf_has_error(&t, (int)lines, "one of more than"), "%s", conf_findings(&t));
}

Test(source, a_zero_byte_in_the_file)
{
	static const char text[] = "user = \"x\";\nworkers\0 = 2;\n";

	t.c = config_load_text(conf_path(&t, "t.conf"), text, sizeof(text) - 1, &t.f);
	cr_expect_null(t.c);
	cr_expect(conf_has_error(&t, 2, "zero byte"), "%s", conf_findings(&t));
}

Test(source, a_file_is_read_and_what_is_none_is_told)
{
	conf_write(&t, "x.conf", "workers = 9;");
	t.c = config_load(conf_path(&t, "x.conf"), &t.f);
	cr_assert(t.c);
	cr_expect_eq(t.c->workers, 9);
	cr_expect_str_eq(t.c->path, conf_path(&t, "x.conf"));
	config_free(t.c);
	t.c = config_load(conf_path(&t, "none.conf"), &t.f);
	cr_expect_null(t.c);
	cr_expect(has_error_in("none.conf", 0, "No such file"), "%s", conf_findings(&t));
	cr_expect_eq(findings_code(&t.f), 78);
	cr_expect_null(config_load(t.dir, &t.f), "a directory");
}

Test(source, a_file_without_permission_is_77)
{
	if (geteuid() == 0) {
		conf_done(&t); /* a skipped test has no end */
		cr_skip_test("root may read everything");
	}
	conf_write(&t, "x.conf", "");
	cr_assert_eq(chmod(conf_path(&t, "x.conf"), 0), 0);
	t.c = config_load(conf_path(&t, "x.conf"), &t.f);
	cr_expect_null(t.c);
	cr_expect_eq(findings_code(&t.f), 77);
}

Test(source, line_ends_of_windows)
{
	conf_load(&t, "workers = 4;\r\nuser = \"x\";\r\nbad = 1;\r\n");
	cr_assert(t.c, "%s", conf_findings(&t));
	cr_expect_eq(t.c->workers, 4);
	cr_expect(conf_has_error(&t, 3, "bad"));
}
