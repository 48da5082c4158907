/* Targets, paths, authorities and URLs (RFC 3986, RFC 9112 section 3.2, RFC 9110 section 4.2). */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "http/uri.h"

static void is(struct str s, const char *text)
{
	cr_assert(str_eq(s, str_of(text)), "'%.*s', not '%s'", STR_ARG(s), text);
}

static struct target target_of(const char *text, enum http_method method)
{
	struct http_error error = { 0, "" };
	struct target t;

	cr_assert_eq(uri_parse_target(str_of(text), method, &t, &error), 0, "%s: %s", text,
		error.reason);
	return t;
}

static void bad_target(const char *text, enum http_method method)
{
	struct http_error error = { 0, NULL };
	struct target t;

	cr_assert_eq(uri_parse_target(str_of(text), method, &t, &error), -1, "%s", text);
	cr_assert_eq(error.status, 400);
	cr_assert_not_null(error.reason);
}

Test(uri, rfc9112_3_2_1_origin_form)
{
	struct target t = target_of("/a/b?c=d?e/f", HTTP_METHOD_GET);

	cr_assert_eq(t.form, TARGET_ORIGIN);
	is(t.path, "/a/b");
	is(t.query, "?c=d?e/f");
	is(t.authority, "");
	is(t.scheme, "");
	t = target_of("//host/x", HTTP_METHOD_GET);
	cr_assert_eq(t.form, TARGET_ORIGIN);
	is(t.path, "//host/x");
	is(t.query, "");
	is(target_of("/?", HTTP_METHOD_GET).query, "?");
}

Test(uri, rfc9112_3_2_2_absolute_form)
{
	struct target t = target_of("HTTP://Example.org:80/x?y", HTTP_METHOD_GET);

	cr_assert_eq(t.form, TARGET_ABSOLUTE);
	is(t.scheme, "HTTP");
	is(t.authority, "Example.org:80");
	is(t.path, "/x");
	is(t.query, "?y");
	t = target_of("https://a", HTTP_METHOD_GET);
	is(t.path, "/");
	is(t.query, "");
	t = target_of("https://a?q", HTTP_METHOD_GET);
	is(t.path, "/");
	is(t.query, "?q");
	is(target_of("http://[::1]:80/", HTTP_METHOD_GET).authority, "[::1]:80");
}

Test(uri, rfc9112_3_2_2_malformed_absolute_forms)
{
	bad_target("http:/a", HTTP_METHOD_GET);
	bad_target("http:a", HTTP_METHOD_GET);
	bad_target("http:///x", HTTP_METHOD_GET);
	bad_target("http://a:x/", HTTP_METHOD_GET);
	bad_target("http://u:p@a/", HTTP_METHOD_GET);
	bad_target("ftp://a/", HTTP_METHOD_GET);
	bad_target("httpss://a/", HTTP_METHOD_GET);
	bad_target("://a/", HTTP_METHOD_GET);
	bad_target("a", HTTP_METHOD_GET);
	bad_target("?q", HTTP_METHOD_GET);
	bad_target("", HTTP_METHOD_GET);
}

Test(uri, rfc9112_3_2_3_authority_form)
{
	struct target t = target_of("a.example:443", HTTP_METHOD_CONNECT);

	cr_assert_eq(t.form, TARGET_AUTHORITY);
	is(t.authority, "a.example:443");
	is(t.path, "");
	bad_target("a.example", HTTP_METHOD_CONNECT);
	bad_target("a.example:", HTTP_METHOD_CONNECT);
	bad_target("http://a.example:443", HTTP_METHOD_CONNECT);
	bad_target("*", HTTP_METHOD_CONNECT);
}

Test(uri, rfc9112_3_2_4_asterisk_form)
{
	cr_assert_eq(target_of("*", HTTP_METHOD_OPTIONS).form, TARGET_ASTERISK);
	bad_target("*", HTTP_METHOD_GET);
	bad_target("*", HTTP_METHOD_OTHER);
}

Test(uri, rfc3986_3_3_bytes_of_a_path)
{
	for (int c = 1; c < 256; c++) {
		char text[] = "/aXb";
		struct http_error error;
		struct target t;
		bool letter =
			(c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		bool fine = letter || strchr("-._~!$&'()*+,;=:@/%?[]^|", c);

		text[2] = (char)c;
		cr_assert_eq(uri_parse_target(str_of(text), HTTP_METHOD_GET, &t, &error) == 0, fine,
			"byte %d", c);
	}
	target_of("/?a={b}|`\\^[c]", HTTP_METHOD_GET);
	bad_target("/?a=\"b\"", HTTP_METHOD_GET);
	bad_target("/?a#b", HTTP_METHOD_GET);
}

/* Into memory of just the promised size. 0, or the status of the refusal. */
static int decode(const char *path, char **ret)
{
	size_t n = strlen(path);
	struct http_error error = { 0, "" };
	struct str decoded;

	*ret = malloc(n + 1);
	cr_assert_not_null(*ret);
	if (uri_decode_path((struct str){ path, n }, *ret, &decoded, &error) < 0)
		return error.status;
	cr_assert_eq(decoded.p, *ret);
	cr_assert_eq(decoded.n, strlen(*ret));
	return 0;
}

static void decodes(const char *path, const char *expected)
{
	char *dst;

	cr_assert_eq(decode(path, &dst), 0, "%s was refused", path);
	cr_assert_str_eq(dst, expected, "of %s", path);
	free(dst);
}

static void refused(const char *path, int status)
{
	char *dst;
	int code = decode(path, &dst);

	cr_assert_eq(code, status, "%d for %s", code, path);
	free(dst);
}

Test(uri, rfc3986_2_1_percent_decoding)
{
	decodes("/", "/");
	decodes("/a%20b", "/a b");
	decodes("/%41%7a", "/Az");
	decodes("/%c3%A4", "/\xc3\xa4");
	decodes("/%25", "/%");
	decodes("/%2525", "/%25");
	decodes("/a+b", "/a+b");
	decodes("/%3f%23", "/?#");
	refused("/%", 400);
	refused("/%4", 400);
	refused("/%4g", 400);
	refused("/%g4", 400);
	refused("/%%41", 400);
	refused("/a%", 400);
	refused("/% 41", 400);
}

Test(uri, encoded_nul_and_slash_are_refused)
{
	refused("/%00", 400);
	refused("/a%00.html", 400);
	refused("/a%2fb", 404);
	refused("/%2F", 404);
	refused("/..%2f..%2fetc/passwd", 404);
}

Test(uri, a_raw_nul_is_refused)
{
	struct http_error error;
	struct str ret;
	char dst[8];

	cr_assert_eq(uri_decode_path(STR("/a\0b"), dst, &ret, &error), -1);
	cr_assert_eq(error.status, 400);
}

Test(uri, rfc3986_5_2_4_dot_segments)
{
	decodes("/.", "/");
	decodes("/./", "/");
	decodes("/a/.", "/a/");
	decodes("/a/./b", "/a/b");
	decodes("/a/..", "/");
	decodes("/a/../", "/");
	decodes("/a/../b", "/b");
	decodes("/a/b/../c", "/a/c");
	decodes("/a/b/..", "/a/");
	decodes("/a/b/../..", "/");
	decodes("/a/b/c/./../../g", "/a/g");
}

Test(uri, rfc3986_5_2_4_no_dot_segments)
{
	decodes("/...", "/...");
	decodes("/.a", "/.a");
	decodes("/..a", "/..a");
	decodes("/a..", "/a..");
	decodes("/a/...", "/a/...");
	decodes("/a.", "/a.");
	decodes("/a/.../b", "/a/.../b");
}

Test(uri, dot_segments_are_seen_after_decoding)
{
	decodes("/a/%2e%2e/b", "/b");
	decodes("/a/.%2E/b", "/b");
	decodes("/a/%2e/b", "/a/b");
	refused("/%2e%2e", 400);
	decodes("/a/%252e%252e/b", "/a/%2e%2e/b");
}

Test(uri, a_path_above_the_root_is_refused)
{
	refused("/..", 400);
	refused("/../", 400);
	refused("/../a", 400);
	refused("/a/../..", 400);
	refused("/./..", 400);
	refused("/a/../../b", 400);
	refused("/a/b/../../../c", 400);
}

Test(uri, repeated_slashes_stay)
{
	decodes("//", "//");
	decodes("///", "///");
	decodes("/a//b", "/a//b");
	decodes("//..", "/");
	decodes("/a//..", "/a/");
	decodes("/a//../b", "/a/b");
	decodes("//a/..", "//");
}

Test(uri, a_path_begins_with_a_slash)
{
	refused("", 400);
	refused("a", 400);
	refused("*", 400);
	refused("%2f", 400);
}

static void authority(const char *text, const char *host, unsigned port)
{
	struct str ret;
	unsigned n = 4711;

	cr_assert(uri_split_authority(str_of(text), &ret, &n), "%s", text);
	is(ret, host);
	cr_assert_eq(n, port, "%u of %s", n, text);
}

Test(uri, rfc9110_4_2_authority)
{
	authority("example.org", "example.org", 0);
	authority("example.org:8443", "example.org", 8443);
	authority("example.org:", "example.org", 0);
	authority("example.org.:080", "example.org.", 80);
	authority("1.2.3.4:65535", "1.2.3.4", 65535);
	authority("[::1]", "::1", 0);
	authority("[2001:db8::1]:443", "2001:db8::1", 443);
	authority("[::ffff:1.2.3.4]:", "::ffff:1.2.3.4", 0);
	authority("a_b-c~d!$&'()*+,;=", "a_b-c~d!$&'()*+,;=", 0);
	authority("a%20b", "a%20b", 0);
}

Test(uri, rfc9110_4_2_malformed_authority)
{
	static const char *const texts[] = {
		"",
		":80",
		"a:65536",
		"a:99999999999999999999999",
		"a:0",
		"a:+1",
		"a:1 ",
		"a:b",
		"a:1:2",
		"::1",
		"[::1",
		"[::1]x",
		"[::1]x80",
		"[]",
		"[1.2.3.4]",
		"[::g]",
		"[fe80::1%eth0]",
		"[v1.x]",
		"a b",
		"u@a",
		"a/b",
		"a?b",
		"a#b",
		"a\\b",
		"a%",
		"a%2",
		"a%2x",
		"\xc3\xa4",
		"a\tb",
		"a\"b",
		"<a>",
		"[[::1]]",
		"[::1]]",
		"[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]",
	};
	struct str host;
	unsigned port;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		cr_assert(!uri_split_authority(str_of(texts[i]), &host, &port), "%s", texts[i]);
	cr_assert(!uri_split_authority(STR("a\0b"), &host, &port));
	cr_assert(!uri_split_authority(STR("[::1\0]"), &host, &port));
}

static struct url url_of(const char *text)
{
	const char *why = NULL;
	struct url u;

	cr_assert_eq(uri_parse_url(str_of(text), &u, &why), 0, "%s: %s", text, why);
	return u;
}

Test(uri, rfc9110_4_2_urls)
{
	struct url u = url_of("https://example.org/a?b#c");

	cr_assert(u.tls);
	cr_assert(!u.host_is_ip);
	cr_assert_eq(u.port, 443);
	is(u.host, "example.org");
	is(u.target, "/a?b");
	u = url_of("HTTP://example.org");
	cr_assert(!u.tls);
	cr_assert_eq(u.port, 80);
	is(u.target, "/");
	u = url_of("localhost:8443/x");
	cr_assert(u.tls);
	cr_assert_eq(u.port, 8443);
	is(u.host, "localhost");
	is(u.target, "/x");
	u = url_of("a#b://c");
	is(u.host, "a");
	is(url_of("a/http://b").host, "a");
	is(url_of("a?u=http://b").host, "a");
}

Test(uri, urls_with_addresses)
{
	struct url u = url_of("https://[::1]:444/");

	cr_assert(u.host_is_ip);
	is(u.host, "::1");
	cr_assert_eq(u.port, 444);
	cr_assert(url_of("127.0.0.1").host_is_ip);
	cr_assert(!url_of("127.0.0.1.example").host_is_ip);
}

Test(uri, urls_without_a_path)
{
	struct url u = url_of("https://a?x=/y");

	cr_assert(u.path_missing);
	is(u.target, "?x=/y");
	is(u.host, "a");
	u = url_of("https://a#x");
	cr_assert(!u.path_missing);
	is(u.target, "/");
}

Test(uri, malformed_urls)
{
	static const char *const texts[] = {
		"",
		"https://",
		"https:///x",
		"ftp://a/",
		"://a",
		"https://u@a/",
		"https://u:p@a/",
		"https://a:b/",
		"https://a:0/",
		"https://a/ b",
		"https://a/\r\nX: y",
		"https://a/\xc3\xa4",
		"https://a b/",
		"mailto:a@b",
		"https://[::1/",
		"::1",
		"/x",
		"https://a/<b>",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const char *why = NULL;
		struct url u;

		cr_assert_eq(uri_parse_url(str_of(texts[i]), &u, &why), -1, "%s", texts[i]);
		cr_assert_not_null(why);
	}
}

Test(uri, encoding_a_path)
{
	struct buf out;

	buf_init(&out, 64);
	cr_assert(uri_encode_path(&out, STR("/a b/%/?#/\xc3\xa4/~!$&'()*+,;=:@\"|[]\n")));
	is(buf_str(&out), "/a%20b/%25/%3F%23/%C3%A4/~!$&'()*+,;=:@%22%7C%5B%5D%0A");
	cr_assert(!uri_encode_path(&out, STR("          ")));
	is(buf_str(&out), "/a%20b/%25/%3F%23/%C3%A4/~!$&'()*+,;=:@%22%7C%5B%5D%0A");
	buf_done(&out);
}

Test(uri, an_encoded_path_decodes_to_itself)
{
	char path[256];
	char decoded[3 * 256 + 1];
	struct http_error error;
	struct str ret;
	struct buf out;
	size_t n = 0;

	path[n++] = '/';
	for (int c = 1; c < 256; c++)
		if (c != '/')
			path[n++] = (char)c;
	buf_init(&out, 0);
	cr_assert(uri_encode_path(&out, (struct str){ path, n }));
	cr_assert_eq(uri_decode_path(buf_str(&out), decoded, &ret, &error), 0);
	cr_assert(str_eq(ret, (struct str){ path, n }));
	buf_done(&out);
}
