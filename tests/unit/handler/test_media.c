/* Media types by extension. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "handler/media.h"

static void expect_type(const char *name, const char *type)
{
	struct str found = media_type(str_of(name));

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
