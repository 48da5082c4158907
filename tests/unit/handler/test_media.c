/* Media types by extension. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "handler/media.h"

static struct media_types *types;

static void expect_type(const char *name, const char *type)
{
	struct str found = media_type(types, str_of(name));

	cr_expect(str_eq(found, str_of(type)), "%s: " STR_FMT, name, STR_ARG(found));
}

Test(media, finds_every_row_of_the_table)
{
	static const struct {
		const char *extension, *type;
	} rows[] = {
#define MEDIA(extension, type) { extension, type },
#include "handler/media.def"
#undef MEDIA
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char name[64];

		snprintf(name, sizeof(name), "/dir.d/file.%s", rows[i].extension);
		expect_type(name, rows[i].type); /* fails too when the table is not sorted */
	}
}

Test(media, text_has_a_charset)
{
	expect_type("index.html", "text/html; charset=utf-8");
	expect_type("style.css", "text/css; charset=utf-8");
	expect_type("app.js", "text/javascript; charset=utf-8");
	expect_type("logo.png", "image/png");
	expect_type("data.json", "application/json");
}

Test(media, case_does_not_matter)
{
	expect_type("INDEX.HTML", "text/html; charset=utf-8");
	expect_type("photo.JpEg", "image/jpeg");
}

Test(media, the_last_extension_counts)
{
	expect_type("archive.tar.gz", "application/gzip");
	expect_type("page.html.bak", "application/octet-stream");
}

Test(media, everything_else_is_bytes)
{
	expect_type("", "application/octet-stream");
	expect_type("README", "application/octet-stream");
	expect_type("file.", "application/octet-stream");
	expect_type("x.aa", "application/octet-stream");
	expect_type("x.zzzz", "application/octet-stream");
	expect_type("x.averyveryverylongextension", "application/octet-stream");
	expect_type("/v1.html/README", "application/octet-stream");
}

Test(media, a_dotfile_has_no_extension)
{
	expect_type(".html", "application/octet-stream");
	expect_type("/a/.css", "application/octet-stream");
	expect_type("/a/.x.css", "text/css; charset=utf-8");
}

Test(media, the_file_of_the_system_stands_above_the_table)
{
	types = media_types_new(STR("# a comment\n"
				    "text/x-demo\t\tdemo DEM  # another\n"
				    "application/x-special css\n"
				    "\n   \n"
				    "no-type ext\nbad/ty@pe ext\n"
				    "image/first one\nimage/second one\n"
				    "application/none\n"
				    "video/x-long abcdefghijklmnop\n"
				    "image/last last"));
	cr_assert_not_null(types);
	expect_type("a.demo", "text/x-demo; charset=utf-8");
	expect_type("a.dem", "text/x-demo; charset=utf-8");
	expect_type("a.css", "application/x-special");
	expect_type("a.html", "text/html; charset=utf-8");
	expect_type("a.ext", "application/octet-stream");
	expect_type("a.one", "image/first");
	expect_type("a.abcdefghijklmnop", "application/octet-stream");
	expect_type("a.last", "image/last");
	media_types_free(types);
	types = media_types_new(STR(""));
	cr_assert_not_null(types);
	expect_type("a.css", "text/css; charset=utf-8");
	media_types_free(types);
	types = media_types_new(STR("text/a b\ntext/c d\ntext/e f\n"));
	cr_assert_not_null(types, "short lines have room for their charsets");
	expect_type("x.f", "text/e; charset=utf-8");
	media_types_free(types);
}
