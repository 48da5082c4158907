/* URLs of the command line. */
#include <criterion/criterion.h>
#include <string.h>

#include "client/place.h"

static struct place p;
static struct err e;

static void teardown(void)
{
	place_done(&p);
}

TestSuite(place, .fini = teardown);

static int parse(const char *text, bool wants_file)
{
	place_done(&p);
	return place_parse(text, wants_file, &p, &e);
}

Test(place, a_file_is_named_as_the_path_ends)
{
	static const struct {
		const char *text, *file;
	} rows[] = {
		{ "https://a/b/c.tar.gz", "c.tar.gz" },
		{ "https://a/b/c?d/e", "c" },
		{ "https://a/b%20c#d", "b c" },
		{ "https://a/b/../c", "c" },
		{ "https://a", NULL },
		{ "https://a/", NULL },
		{ "https://a/b/", NULL },
		{ "https://a?b", NULL },
		{ "https://a/b/..", NULL },
		{ "https://a/b%2fc", NULL },
		{ "https://a/b%0ac", NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_expect_eq(parse(rows[i].text, true), rows[i].file ? 0 : -1, "%s", rows[i].text);
		if (rows[i].file)
			cr_expect_str_eq(p.file, rows[i].file);
		else
			cr_expect_not_null(strstr(e.text, "-O"), "%s", e.text);
		cr_expect_eq(parse(rows[i].text, false), 0);
		cr_expect_null(p.file);
	}
}

#ifdef HAVE_LIBIDN2
Test(place, internationalised_hosts_become_a_labels)
{
	cr_assert_eq(parse("https://B\xc3\xbc"
			   "cher.example:8443/\x61?b",
			     false),
		0, "%s", e.text);
	cr_expect(str_eq(p.url.host, STR("xn--bcher-kva.example")), STR_FMT, STR_ARG(p.url.host));
	cr_expect_eq(p.url.port, 8443);
	cr_expect(str_eq(p.url.target, STR("/a?b")));
	cr_assert_eq(parse("b\xc3\xbc"
			   "cher.example",
			     false),
		0);
	cr_expect(p.url.tls);
	cr_expect_eq(parse("https://\xff.example/", false), -1);
	cr_expect_not_null(strstr(e.text, "no internationalised name"), "%s", e.text);
}
#else
Test(place, internationalised_hosts_are_refused_with_a_way_out)
{
	cr_expect_eq(parse("https://b\xc3\xbc"
			   "cher.example/",
			     false),
		-1);
	cr_expect_not_null(strstr(e.text, "xn--"), "%s", e.text);
}
#endif

Test(place, what_is_no_url_is_refused)
{
	cr_expect_eq(parse("gopher://x/", false), -1);
	cr_expect_eq(e.code, ERR_USAGE);
	cr_expect_eq(parse("https://a%00b/", false), -1);
	cr_expect_eq(parse("https://%61/", false), -1);
	cr_expect_eq(parse("https://a/caf\xc3\xa9", false), -1);
	cr_expect_not_null(strstr(e.text, "percent-encoded"), "%s", e.text);
}
