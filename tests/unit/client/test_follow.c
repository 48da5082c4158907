/* Redirects as decisions; the way itself is the end-to-end tests' business. */
#include <criterion/criterion.h>
#include <string.h>

#include "client/follow.h"

static struct err e;
static struct buf text;

static struct url url_of(const char *s)
{
	struct url url;
	const char *why;

	cr_assert_eq(uri_parse_url(str_of(s), &url, &why), 0, "%s: %s", s, why);
	return url;
}

Test(follow, methods_change_as_rfc_9110_says)
{
	static const struct {
		const char *method;
		int status;
		const char *expected;
	} rows[] = {
		{ "GET", 301, "GET" },
		{ "GET", 302, "GET" },
		{ "GET", 303, "GET" },
		{ "GET", 307, "GET" },
		{ "GET", 308, "GET" },
		{ "HEAD", 301, "HEAD" },
		{ "HEAD", 303, "HEAD" },
		{ "HEAD", 308, "HEAD" },
		{ "POST", 301, "GET" },
		{ "POST", 302, "GET" },
		{ "POST", 303, "GET" },
		{ "POST", 307, "POST" },
		{ "POST", 308, "POST" },
		{ "PUT", 301, "PUT" },
		{ "PUT", 302, "PUT" },
		{ "PUT", 303, "GET" },
		{ "DELETE", 307, "DELETE" },
		{ "PATCH", 303, "GET" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ask a = {
			.method = str_of(rows[i].method), .has_content = true, .content = STR("x")
		};

		follow_method(&a, rows[i].status);
		cr_expect(str_eq(a.method, str_of(rows[i].expected)), "%s after %d: " STR_FMT,
			rows[i].method, rows[i].status, STR_ARG(a.method));
		/* the content goes when a GET takes the place of what was asked */
		if (!str_eq(a.method, str_of(rows[i].method)))
			cr_expect(!a.has_content && a.content.n == 0);
		else if (rows[i].status >= 307)
			cr_expect(a.has_content && a.content.n == 1);
	}
}

Test(follow, only_five_statuses_are_redirects)
{
	for (int status = 100; status < 600; status++)
		cr_expect_eq(follow_is_redirect(status), status == 301 || status == 302 ||
								 status == 303 || status == 307 ||
								 status == 308);
}

static int follow(const char *from, const char *location, struct url *ret)
{
	struct url url = url_of(from);

	return follow_url(&url, str_of(location), &text, ret, &e);
}

Test(follow, leads_up_but_never_down)
{
	struct url url;

	cr_expect_eq(follow("https://a/b", "c", &url), 0);
	cr_expect_str_eq(buf_cstring(&text), "https://a:443/c");
	cr_expect_eq(follow("http://a/b", "https://a/", &url), 0);
	cr_expect(url.tls);
	cr_expect_eq(follow("http://a/b", "http://c/", &url), 0);
	cr_expect_eq(follow("https://a/b", "http://a/", &url), -1);
	cr_expect_not_null(strstr(e.text, "from https to http://a/"), "%s", e.text);
	buf_done(&text);
}

Test(follow, nonsense_is_refused_with_what_it_was)
{
	static const char *const bad[] = { "ftp://a/", "https://", "https://user@a/", "mailto:x",
		"https://a:0/", "/a b", "https://a\\b/" };
	struct url url;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_expect_eq(follow("https://a/", bad[i], &url), -1, "%s", bad[i]);
		cr_expect_not_null(strstr(e.text, "which is no URL"), "%s", e.text);
	}
	buf_done(&text);
}

Test(follow, an_endless_location_is_refused)
{
	static char location[70000];
	struct url url;

	memset(location, 'a', sizeof(location) - 1);
	cr_expect_eq(follow("https://a/", location, &url), -1);
	buf_done(&text);
}

Test(follow, an_origin_is_scheme_host_and_port)
{
	struct url a = url_of("https://a/x"), b = url_of("https://A:443/y");
	struct url c = url_of("https://a:444/"), d = url_of("http://a:443/"),
		   f = url_of("https://b/");

	cr_expect(follow_same_origin(&a, &b));
	cr_expect(!follow_same_origin(&a, &c));
	cr_expect(!follow_same_origin(&a, &d));
	cr_expect(!follow_same_origin(&a, &f));
}
