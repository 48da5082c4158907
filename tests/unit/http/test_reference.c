/* References against a URL; the rows are those of RFC 3986 section 5.4 where they apply. */
#include <criterion/criterion.h>

#include "http/reference.h"

static const char *resolve(const char *base, const char *reference)
{
	static struct buf out;
	const char *why;
	struct url url;

	buf_done(&out);
	buf_init(&out, 4096);
	cr_assert_eq(uri_parse_url(str_of(base), &url, &why), 0, "%s: %s", base, why);
	return reference_resolve(&url, str_of(reference), &out) ? buf_cstring(&out) : "refused";
}

Test(reference, examples_of_rfc_3986)
{
	static const struct {
		const char *reference, *expected;
	} rows[] = {
		{ "g", "http://a:80/b/c/g" },
		{ "./g", "http://a:80/b/c/g" },
		{ "g/", "http://a:80/b/c/g/" },
		{ "/g", "http://a:80/g" },
		{ "//g", "http://g" },
		{ "?y", "http://a:80/b/c/d;p?y" },
		{ "g?y", "http://a:80/b/c/g?y" },
		{ "#s", "http://a:80/b/c/d;p?q" },
		{ "g#s", "http://a:80/b/c/g" },
		{ ";x", "http://a:80/b/c/;x" },
		{ "", "http://a:80/b/c/d;p?q" },
		{ ".", "http://a:80/b/c/" },
		{ "./", "http://a:80/b/c/" },
		{ "..", "http://a:80/b/" },
		{ "../g", "http://a:80/b/g" },
		{ "../..", "http://a:80/" },
		{ "../../g", "http://a:80/g" },
		{ "../../../g", "http://a:80/g" },
		{ "/./g", "http://a:80/g" },
		{ "/../g", "http://a:80/g" },
		{ "g.", "http://a:80/b/c/g." },
		{ "..g", "http://a:80/b/c/..g" },
		{ "./g/.", "http://a:80/b/c/g/" },
		{ "g/./h", "http://a:80/b/c/g/h" },
		{ "g/../h", "http://a:80/b/c/h" },
		{ "g?y/../x", "http://a:80/b/c/g?y/../x" },
		{ "https://g/x#s", "https://g/x" },
		{ "mailto:x", "mailto:x" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_str_eq(resolve("http://a/b/c/d;p?q", rows[i].reference), rows[i].expected,
			"%s", rows[i].reference);
}

Test(reference, a_base_without_a_path)
{
	cr_expect_str_eq(resolve("https://a?q", "g"), "https://a:443/g");
	cr_expect_str_eq(resolve("https://a?q", ""), "https://a:443?q");
	cr_expect_str_eq(resolve("https://a?q", "?r"), "https://a:443?r");
	cr_expect_str_eq(resolve("https://[::1]:8443/", "/g"), "https://[::1]:8443/g");
}

Test(reference, what_is_no_ascii_is_encoded_and_controls_are_refused)
{
	cr_expect_str_eq(resolve("https://a/", "/caf\xc3\xa9"), "https://a:443/caf%C3%A9");
	cr_expect_str_eq(resolve("https://a/", "/a b"), "refused");
	cr_expect_str_eq(resolve("https://a/", "/a\tb"), "refused");
	cr_expect_str_eq(resolve("https://a/", "/a\x7f"), "refused");
}
