/* The choice of a proxy. Each test is a process of its own, with an environment of its own. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "client/proxy.h"

static struct options o;
static struct proxy p;
static struct err e;

static void setup(void)
{
	static const char *const names[] = { "http_proxy", "https_proxy", "HTTPS_PROXY",
		"all_proxy", "no_proxy", "NO_PROXY" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
}

TestSuite(proxy, .init = setup);

static int choose(const char *text)
{
	struct url url;
	const char *why;

	cr_assert_eq(uri_parse_url(str_of(text), &url, &why), 0, "%s: %s", text, why);
	return proxy_choose(&o, &url, &p, &e);
}

static void expect_used(const char *text, bool used)
{
	cr_expect_eq(choose(text), 0, "%s", e.text);
	cr_expect_eq(p.is_used, used, "%s", text);
}

Test(proxy, none_unless_somebody_names_one)
{
	expect_used("https://example.org/", false);
	setenv("https_proxy", "http://p:3128", 1);
	expect_used("https://example.org/", true);
	cr_expect_str_eq(p.host, "p");
	cr_expect_eq(p.port, 3128);
	expect_used("http://example.org/", false);
	setenv("http_proxy", "q", 1);
	expect_used("http://example.org/", true);
	cr_expect_str_eq(p.host, "q");
	cr_expect_eq(p.port, 80);
	o.proxy = "none";
	expect_used("https://example.org/", false);
	o.proxy = "http://[::1]:1";
	expect_used("https://localhost/", true);
	cr_expect_str_eq(p.host, "::1");
	cr_expect_eq(p.port, 1);
}

Test(proxy, the_environment_is_not_asked_for_the_loopback_or_where_connect_leads)
{
	setenv("all_proxy", "http://p", 1);
	expect_used("https://example.org/", true);
	expect_used("https://localhost/", false);
	expect_used("https://127.8.8.8/", false);
	expect_used("https://[::1]/", false);
	memcpy(o.connect_host, "a", 2);
	expect_used("https://example.org/", false);
}

Test(proxy, exceptions)
{
	static const struct {
		const char *list, *url;
		bool used;
	} rows[] = {
		{ "*", "https://example.org/", false },
		{ "example.org", "https://example.org/", false },
		{ "example.org", "https://www.EXAMPLE.org/", false },
		{ ".example.org", "https://www.example.org/", false },
		{ "*.example.org", "https://www.example.org/", false },
		{ "example.org", "https://notexample.org/", true },
		{ "ample.org", "https://example.org/", true },
		{ "a.test, example.org", "https://example.org/", false },
		{ "example.org:443", "https://example.org/", false },
		{ "example.org:8443", "https://example.org/", true },
		{ "10.0.0.0/8", "https://10.1.2.3/", false },
		{ "10.0.0.0/8", "https://11.1.2.3/", true },
		{ "2001:db8::/32", "https://[2001:db8::1]/", false },
		{ "", "https://example.org/", true },
	};

	setenv("https_proxy", "http://p", 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		setenv("no_proxy", rows[i].list, 1);
		expect_used(rows[i].url, rows[i].used);
	}
}

Test(proxy, credentials_are_decoded_and_encoded)
{
	o.proxy = "http://Aladdin:open%20sesame@p:1";
	expect_used("https://example.org/", true);
	cr_expect_str_eq(p.credentials, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
	o.proxy = "u:p@p";
	expect_used("https://example.org/", true);
	cr_expect_str_eq(p.credentials, "Basic dTpw");
}

Test(proxy, what_is_none_is_refused)
{
	static const char *const bad[] = { "https://p:1", "socks5://p", "http://", "http://p:0",
		"http://a b", "u%4:p@p", "u%zz@p" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		o.proxy = bad[i];
		cr_expect_eq(choose("https://example.org/"), -1, "%s", bad[i]);
		cr_expect_eq(strncmp(e.text, "--proxy: ", 9), 0, "%s", e.text);
	}
}
