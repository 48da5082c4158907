/* Request heads: what every server is asked, and what only the first origin is told. */
#include <criterion/criterion.h>
#include <string.h>

#include "client/ask.h"

static char *fields[4];
static struct options_list list = { fields, 0 };
static struct url url;
static struct ask ask;

static void add(const char *text)
{
	fields[list.n++] = strdup(text);
}

static void about(const char *text)
{
	const char *why;

	cr_assert_eq(uri_parse_url(str_of(text), &url, &why), 0, "%s: %s", text, why);
	ask = (struct ask){ .url = &url, .method = STR("GET"), .fields = &list };
}

static const char *written(void)
{
	static struct buf out;

	buf_done(&out);
	buf_init(&out, 0);
	cr_assert(ask_write(&ask, &out));
	return buf_cstring(&out);
}

static void expect_begin(const char *text, const char *expected)
{
	about(text);
	cr_expect(str_has_prefix(str_of(written()), str_of(expected)), "%s", written());
}

Test(ask, names_host_and_target_as_the_rules_say)
{
	expect_begin("https://example.org", "GET / HTTP/1.1\r\nHost: example.org\r\n");
	expect_begin("https://example.org:443/a", "GET /a HTTP/1.1\r\nHost: example.org\r\n");
	expect_begin("http://example.org:443/", "GET / HTTP/1.1\r\nHost: example.org:443\r\n");
	expect_begin("http://example.org:80?q#f", "GET /?q HTTP/1.1\r\nHost: example.org\r\n");
	expect_begin("https://[::1]:8443/", "GET / HTTP/1.1\r\nHost: [::1]:8443\r\n");
}

Test(ask, the_whole_head_is_short)
{
	about("https://example.org/x");
	cr_expect_str_eq(written(), "GET /x HTTP/1.1\r\nHost: example.org\r\n"
				    "User-Agent: latch/" LATCH_VERSION "\r\nAccept: */*\r\n"
				    "Connection: close\r\n\r\n");
}

Test(ask, fields_of_the_user_take_the_place_of_ours)
{
	add("user-agent:me");
	add("Host: other.example:1");
	add("X-Empty:");
	about("https://example.org/x");
	cr_expect_str_eq(written(), "GET /x HTTP/1.1\r\nHost: other.example:1\r\nAccept: */*\r\n"
				    "user-agent: me\r\nX-Empty: \r\nConnection: close\r\n\r\n");
}

Test(ask, content_has_a_length_and_a_type)
{
	about("https://example.org/");
	ask.method = STR("POST");
	ask.has_content = true;
	ask.content = STR("a=b");
	cr_expect_not_null(strstr(written(),
		"\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n"));
	add("content-type: text/plain");
	ask.content = STR("");
	cr_expect_not_null(
		strstr(written(), "\r\ncontent-type: text/plain\r\nContent-Length: 0\r\n"));
	cr_expect_null(strstr(written(), "form-urlencoded"));
}

Test(ask, credentials_stay_with_the_origin_they_were_meant_for)
{
	add("Authorization: Bearer x");
	add("Cookie: a=b");
	add("Host: inside.example");
	add("X-Other: y");
	about("https://example.org/");
	cr_expect_not_null(strstr(written(), "Authorization: Bearer x\r\nCookie: a=b\r\n"));
	ask.foreign = true;
	cr_expect_null(strstr(written(), "Bearer"));
	cr_expect_null(strstr(written(), "Cookie"));
	cr_expect_not_null(strstr(written(), "\r\nHost: example.org\r\n"));
	cr_expect_not_null(strstr(written(), "\r\nX-Other: y\r\n"));
}

Test(ask, a_part_is_asked_for_with_its_validator)
{
	about("https://example.org/");
	ask.from = 500;
	ask.if_range = STR("\"tag\"");
	cr_expect_not_null(strstr(written(), "\r\nRange: bytes=500-\r\nIf-Range: \"tag\"\r\n"));
}

Test(ask, a_proxy_gets_the_whole_url_and_its_credentials)
{
	about("http://example.org:8080?q");
	ask.absolute = true;
	ask.proxy_credentials = "Basic eA==";
	cr_expect(str_has_prefix(str_of(written()),
		STR("GET http://example.org:8080/?q HTTP/1.1\r\nHost: example.org:8080\r\n")));
	cr_expect_not_null(strstr(written(), "\r\nProxy-Authorization: Basic eA==\r\n"));
}

Test(ask, nothing_of_the_user_can_add_a_line)
{
	struct buf out;

	about("https://example.org/");
	ask.method = STR("GET /\r\nX:");
	buf_init(&out, 0);
	cr_expect(!ask_write(&ask, &out));
	add("X: a\r\nY: b");
	ask.method = STR("GET");
	cr_expect(!ask_write(&ask, &out));
	buf_done(&out);
}
