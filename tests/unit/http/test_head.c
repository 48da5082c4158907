/* HTTP/1 heads (RFC 9112 sections 2 to 5). Every input is parsed whole, cut in two at every byte,
 * and byte by byte with the bytes moved between the calls; all must agree. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "http/head.h"

static const struct head_limits wide = { 65536, 100 };
static struct request req;
static struct response_head resp;

struct outcome {
	enum parse_status status;
	size_t used;
	int code;
	const char *reason;
};

/* The result for the first n bytes, from a copy of exactly that size, so that a sanitizer sees a
 * read behind them. The copy is kept until the next call: slices point into it. */
static char *copy;

static enum parse_status feed(struct head_scan *scan, const char *p, size_t n,
	const struct head_limits *limits, bool response, struct outcome *ret)
{
	struct http_error error = { 0, "" };
	size_t used = 0;

	free(copy);
	copy = malloc(n + !n);
	cr_assert_not_null(copy);
	memcpy(copy, p, n);
	memset(&req, 0xa5, sizeof(req));
	memset(&resp, 0xa5, sizeof(resp));
	ret->status = response ? head_parse_response(scan, copy, n, limits, &resp, &used, &error)
			       : head_parse_request(scan, copy, n, limits, &req, &used, &error);
	ret->used = ret->status == PARSE_DONE ? used : 0;
	ret->code = ret->status == PARSE_BAD ? error.status : 0;
	ret->reason = ret->status == PARSE_BAD ? error.reason : "";
	return ret->status;
}

static void same(const struct outcome *a, const struct outcome *b, size_t cut, const char *p)
{
	cr_assert_eq(
		a->status, b->status, "cut at %zu: %d, not %d: %s", cut, b->status, a->status, p);
	cr_assert_eq(a->used, b->used, "cut at %zu: used %zu, not %zu", cut, b->used, a->used);
	cr_assert_eq(a->code, b->code, "cut at %zu: %d, not %d: %s", cut, b->code, a->code, p);
	cr_assert_str_eq(a->reason, b->reason, "cut at %zu: %s", cut, p);
}

static struct outcome parse_any(
	const char *p, size_t n, const struct head_limits *limits, bool response)
{
	struct head_scan scan;
	struct outcome whole;
	struct outcome cut;

	scan = (struct head_scan){ 0 };
	feed(&scan, p, n, limits, response, &whole);
	for (size_t at = 0; at <= n; at++) {
		scan = (struct head_scan){ 0 };
		if (feed(&scan, p, at, limits, response, &cut) == PARSE_MORE)
			feed(&scan, p, n, limits, response, &cut);
		same(&whole, &cut, at, p);
	}
	scan = (struct head_scan){ 0 };
	for (size_t at = 0; at <= n; at++)
		if (feed(&scan, p, at, limits, response, &cut) != PARSE_MORE)
			break;
	same(&whole, &cut, n, p);
	return whole;
}

static struct outcome parse(const char *text)
{
	return parse_any(text, strlen(text), &wide, false);
}

static struct outcome parse_resp(const char *text)
{
	return parse_any(text, strlen(text), &wide, true);
}

static void bad(const char *text, int code)
{
	struct outcome o = parse(text);

	cr_assert_eq(o.status, PARSE_BAD, "status %d of: %s", o.status, text);
	cr_assert_eq(o.code, code, "%d (%s) of: %s", o.code, o.reason, text);
	cr_assert(strlen(o.reason) > 0);
}

static void good(const char *text)
{
	struct outcome o = parse(text);

	cr_assert_eq(o.status, PARSE_DONE, "%d %s: %s", o.status, o.reason, text);
	cr_assert_eq(o.used, strlen(text));
}

static void more(const char *text)
{
	cr_assert_eq(parse(text).status, PARSE_MORE, "of: %s", text);
}

static void is(struct str s, const char *text)
{
	cr_assert_not_null(s.p, "no value instead of %s", text);
	cr_assert(str_eq(s, str_of(text)), "'%.*s', not '%s'", STR_ARG(s), text);
}

#define GET "GET / HTTP/1.1\r\nHost: a\r\n"

Test(head, rfc9112_2_1_request_with_fields)
{
	good("GET /x?y=1 HTTP/1.1\r\nHost: example.org:8443\r\nUser-Agent: latch\r\n"
	     "Accept:*/*\r\nX-Other: \t a b\t \r\nX-Empty:\r\nX-Blank:  \r\n\r\n");
	cr_assert_eq(req.method, HTTP_METHOD_GET);
	cr_assert_eq(req.version, HTTP_VERSION_1_1);
	is(req.method_text, "GET");
	is(req.target, "/x?y=1");
	is(req.authority, "example.org:8443");
	cr_assert_eq(req.fields.n, 6);
	is(fields_get(&req.fields, FIELD_USER_AGENT), "latch");
	is(fields_get(&req.fields, FIELD_ACCEPT), "*/*");
	is(req.fields.line[3].name, "X-Other");
	is(req.fields.line[3].value, "a b");
	cr_assert_eq(req.fields.line[3].id, FIELD_OTHER);
	is(req.fields.line[4].value, "");
	is(req.fields.line[5].value, "");
}

Test(head, rfc9112_2_1_incomplete_is_more)
{
	static const char text[] = GET "Accept: x\r\n\r\n";
	char prefix[sizeof(text)];

	for (size_t n = 0; n + 1 < sizeof(text) - 1; n++) {
		memcpy(prefix, text, n);
		prefix[n] = '\0';
		more(prefix);
	}
}

Test(head, bytes_behind_the_head_are_not_used)
{
	const char *text = GET "\r\nGET /next";

	cr_assert_eq(parse(text).status, PARSE_DONE);
	cr_assert_eq(parse(text).used, strlen(GET) + 2);
}

Test(head, rfc9112_2_2_one_empty_line_before_the_request_is_skipped)
{
	good("\r\n" GET "\r\n");
	is(req.method_text, "GET");
	bad("\r\n\r\n" GET "\r\n", 400);
	bad("\n" GET "\r\n", 400);
	bad("\rGET / HTTP/1.1\r\n", 400);
}

Test(head, rfc9112_2_2_bare_cr_and_bare_lf)
{
	bad("GET / HTTP/1.1\nHost: a\r\n\r\n", 400);
	bad("GET / HTTP/1.1\r\nHost: a\n\r\n", 400);
	bad(GET "\n", 400);
	bad(GET "X: a\rb\r\n\r\n", 400);
	bad(GET "X: a\r\r\n\r\n", 400);
	bad(GET "\rX: a\r\n\r\n", 400);
	bad("GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", 400);
	bad("GET / HTTP/1.1\r\rHost: a\r\n\r\n", 400);
	bad("GET / HTTP/1.1\rX\r\nHost: a\r\n\r\n", 400);
	bad("GET / HTTP/1.1\r\n\nHost: a\r\n\r\n", 400);
}

Test(head, rfc9112_2_2_blank_before_the_first_field)
{
	bad("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400);
	bad("GET / HTTP/1.1\r\n\tHost: a\r\n\r\n", 400);
	bad("GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n", 400);
}

Test(head, rfc9112_2_3_versions)
{
	good("GET / HTTP/1.0\r\n\r\n");
	cr_assert_eq(req.version, HTTP_VERSION_1_0);
	good("GET / HTTP/1.9\r\nHost: a\r\n\r\n");
	cr_assert_eq(req.version, HTTP_VERSION_1_1);
	bad("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505);
	bad("GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505);
	bad("GET / HTTP/3\r\n", 505);
	bad("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505);
	bad("GET / http/1.1\r\nHost: a\r\n\r\n", 400);
	bad("GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400);
	bad("GET / HTTP/11\r\nHost: a\r\n\r\n", 400);
	bad("GET / HTTP/1,1\r\nHost: a\r\n\r\n", 400);
	bad("GET / HTTP/1.x\r\nHost: a\r\n\r\n", 400);
	bad("GET / HTTP/x.1\r\nHost: a\r\n\r\n", 400);
	bad("GET / HTTPS/1.1\r\nHost: a\r\n\r\n", 400);
	bad("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400);
	bad("GET / HTTP/1.1\t\r\nHost: a\r\n\r\n", 400);
	bad("GET /\r\n", 400);
	bad("GET / \r\n", 400);
}

Test(head, rfc9112_3_spaces_of_the_request_line)
{
	bad("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400);
	bad("GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400);
	bad(" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400);
	bad("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400);
	bad("GET /\tHTTP/1.1\r\nHost: a\r\n\r\n", 400);
	bad("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400);
	bad("GET/ HTTP/1.1\r\nHost: a\r\n\r\n", 400);
	bad("GET\r\n\r\n", 400);
}

Test(head, rfc9112_3_1_methods)
{
	good("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
	cr_assert_eq(req.method, HTTP_METHOD_HEAD);
	good("get / HTTP/1.1\r\nHost: a\r\n\r\n");
	cr_assert_eq(req.method, HTTP_METHOD_OTHER);
	good("!#$%&'*+-.^_`|~9 / HTTP/1.1\r\nHost: a\r\n\r\n");
	cr_assert_eq(req.method, HTTP_METHOD_OTHER);
	bad("G\"T / HTTP/1.1\r\nHost: a\r\n\r\n", 400);
	bad("GET: / HTTP/1.1\r\nHost: a\r\n\r\n", 400);
	bad("G\x80T / HTTP/1.1\r\nHost: a\r\n\r\n", 400);
	/* The first bytes of a TLS ClientHello. */
	bad("\x16\x03\x01\x02", 400);
}

Test(head, rfc9112_3_2_characters_of_the_target)
{
	for (int c = 1; c < 256; c++) {
		char text[] = "GET /aXb?q HTTP/1.1\r\nHost: a\r\n\r\n";
		bool fine = c > 0x20 && c < 0x7f && !strchr("\"#<>", c);

		text[6] = (char)c;
		if (fine)
			good(text);
		else
			bad(text, 400);
	}
}

Test(head, rfc9112_3_2_1_origin_form_takes_host)
{
	good("GET //double/ HTTP/1.1\r\nHost: a.example\r\n\r\n");
	is(req.authority, "a.example");
}

Test(head, rfc9112_3_2_2_absolute_form_wins_over_host)
{
	good("GET http://b.example:81/x HTTP/1.1\r\nHost: a.example\r\n\r\n");
	is(req.authority, "b.example:81");
	is(req.target, "http://b.example:81/x");
	bad("GET http://b.example/ HTTP/1.1\r\n\r\n", 400);
	bad("GET http://b.example/ HTTP/1.1\r\nHost: a b\r\n\r\n", 400);
	bad("GET http://b.example/ HTTP/1.1\r\nHost:\r\n\r\n", 400);
	bad("GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n", 400);
	bad("GET http://u@b.example/ HTTP/1.1\r\nHost: a\r\n\r\n", 400);
	bad("GET ftp://b.example/ HTTP/1.1\r\nHost: a\r\n\r\n", 400);
	bad("GET index.html HTTP/1.1\r\nHost: a\r\n\r\n", 400);
}

Test(head, rfc9112_3_2_3_authority_form_is_for_connect)
{
	good("CONNECT b.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n");
	is(req.authority, "b.example:443");
	bad("CONNECT b.example HTTP/1.1\r\nHost: a\r\n\r\n", 400);
	bad("CONNECT /x HTTP/1.1\r\nHost: a\r\n\r\n", 400);
	bad("GET b.example:443 HTTP/1.1\r\nHost: a\r\n\r\n", 400);
}

Test(head, rfc9112_3_2_4_asterisk_form_is_for_options)
{
	good("OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n");
	is(req.authority, "a.example");
	bad("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400);
	bad("OPTIONS ** HTTP/1.1\r\nHost: a\r\n\r\n", 400);
}

Test(head, rfc9112_3_2_host_missing_repeated_malformed)
{
	bad("GET / HTTP/1.1\r\n\r\n", 400);
	bad("GET / HTTP/1.1\r\nX-Host: a\r\n\r\n", 400);
	bad(GET "Host: a\r\n\r\n", 400);
	bad(GET "hOST: b\r\n\r\n", 400);
	bad("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400);
	bad("GET / HTTP/1.1\r\nHost:\r\n\r\n", 400);
	bad("GET / HTTP/1.1\r\nHost: a,b\x01\r\n\r\n", 400);
	bad("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400);
	bad("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400);
	bad("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400);
	bad("GET / HTTP/1.1\r\nHost: http://a\r\n\r\n", 400);
	bad("GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", 400);
	bad("GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n", 400);
	bad("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400);
	bad("GET / HTTP/1.1\r\nHost: [1.2.3.4]\r\n\r\n", 400);
	bad("GET / HTTP/1.1\r\nHost: \xc3\xa4.example\r\n\r\n", 400);
	good("GET / HTTP/1.1\r\nHost: [::1]:8443\r\n\r\n");
	is(req.authority, "[::1]:8443");
}

Test(head, rfc9112_3_2_http_1_0_may_have_no_host)
{
	good("GET / HTTP/1.0\r\n\r\n");
	cr_assert_null(req.authority.p);
	cr_assert_eq(req.authority.n, 0);
	good("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
	is(req.authority, "a");
}

Test(head, rfc9112_5_names)
{
	bad(GET ": x\r\n\r\n", 400);
	bad(GET "X\r\n\r\n", 400);
	bad(GET "X y: z\r\n\r\n", 400);
	bad(GET "X(y): z\r\n\r\n", 400);
	bad(GET "X\xe4: z\r\n\r\n", 400);
	bad(GET "X\x7f: z\r\n\r\n", 400);
	good(GET "!#$%&'*+-.^_`|~09azAZ: x\r\n\r\n");
}

Test(head, rfc9112_5_1_blank_before_the_colon)
{
	bad(GET "Transfer-Encoding : chunked\r\n\r\n", 400);
	bad(GET "Transfer-Encoding\t: chunked\r\n\r\n", 400);
	bad(GET "Content-Length : 5\r\n\r\n", 400);
	bad("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400);
}

Test(head, rfc9112_5_2_obs_fold)
{
	bad(GET "X: a\r\n b\r\n\r\n", 400);
	bad(GET "X: a\r\n\tb\r\n\r\n", 400);
	bad(GET "Transfer-Encoding:\r\n chunked\r\n\r\n", 400);
	bad(GET " \r\n\r\n", 400);
	cr_assert_str_eq(parse(GET " b\r\n").reason, "folded field line");
	cr_assert_str_eq(parse(GET "\tb\r\n").reason, "folded field line");
}

/* RFC 9110 section 5.5: obs-text is opaque, controls are not allowed. */
Test(head, rfc9110_5_5_bytes_of_a_value)
{
	for (int c = 1; c < 256; c++) {
		char text[] = GET "X: 12345678_X_12345678\r\n\r\n";
		bool fine = c == '\t' || (c >= 0x20 && c != 0x7f);

		text[sizeof(GET) - 1 + 12] = (char)c;
		if (fine)
			good(text);
		else
			bad(text, 400);
	}
}

Test(head, rfc9110_5_5_nul)
{
	static const struct {
		const char *text;
		size_t n;
	} cases[] = {
#define CASE(s) { s, sizeof(s) - 1 }
		CASE("G\0T / HTTP/1.1\r\nHost: a\r\n\r\n"),
		CASE("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"),
		CASE("GET / HTTP/1.1\0\r\nHost: a\r\n\r\n"),
		CASE("GET / HTTP/1.1\r\nHost\0: a\r\n\r\n"),
		CASE("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n"),
		CASE("GET / HTTP/1.1\r\nHost: a\r\n\0\r\n"),
		CASE("\0"),
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct outcome o = parse_any(cases[i].text, cases[i].n, &wide, false);

		cr_assert_eq(o.status, PARSE_BAD, "case %zu", i);
		cr_assert_eq(o.code, 400);
	}
}

/* RFC 9112 section 11.2: names and values that another parser could take for Transfer-Encoding. */
Test(head, rfc9112_11_2_disguises_of_transfer_encoding)
{
	bad(GET "Transfer-Encoding:\vchunked\r\n\r\n", 400);
	bad(GET "Transfer-Encoding: chunked\v\r\n\r\n", 400);
	bad(GET "Transfer-Encoding:\fchunked\r\n\r\n", 400);
	bad(GET "\vTransfer-Encoding: chunked\r\n\r\n", 400);
	bad(GET "X: y\nTransfer-Encoding: chunked\r\n\r\n", 400);
	bad(GET "X: y\rTransfer-Encoding: chunked\r\n\r\n", 400);
	/* Another name altogether. */
	good(GET "Transfer_Encoding: chunked\r\n\r\n");
	cr_assert(!fields_has(&req.fields, FIELD_TRANSFER_ENCODING));
	/* Blanks around the value are no part of it. */
	good(GET "Transfer-Encoding: \t chunked \r\n\r\n");
	is(fields_get(&req.fields, FIELD_TRANSFER_ENCODING), "chunked");
}

Test(head, the_whole_head_may_have_the_size)
{
	const char *text = GET "X: 0123456789\r\n\r\n";
	size_t n = strlen(text);
	size_t line = strlen("GET / HTTP/1.1\r\n");

	for (size_t size = 0; size <= n + 2; size++) {
		struct head_limits limits = { size, 100 };
		struct outcome o = parse_any(text, n, &limits, false);

		if (size >= n) {
			cr_assert_eq(o.status, PARSE_DONE, "size %zu", size);
			continue;
		}
		cr_assert_eq(o.status, PARSE_BAD, "size %zu", size);
		cr_assert_eq(o.code, size < line ? 414 : 431, "size %zu: %d", size, o.code);
	}
}

Test(head, too_large_is_said_before_the_head_is_complete)
{
	struct head_limits limits = { 64, 100 };
	char text[65];
	struct outcome o;

	memset(text, 'a', sizeof(text));
	memcpy(text, "GET /", 5);
	o = parse_any(text, 63, &limits, false);
	cr_assert_eq(o.status, PARSE_MORE);
	o = parse_any(text, 64, &limits, false);
	cr_assert_eq(o.code, 414);
	memcpy(text, "GET / HTTP/1.1\r\n", 16);
	o = parse_any(text, 65, &limits, false);
	cr_assert_eq(o.code, 431);
}

Test(head, too_many_fields)
{
	struct head_limits limits = { 65536, 2 };
	const char *two = GET "X: a\r\n\r\n";
	const char *three = GET "X: a\r\nY";

	cr_assert_eq(parse_any(two, strlen(two), &limits, false).status, PARSE_DONE);
	cr_assert_eq(parse_any(three, strlen(three), &limits, false).code, 431);
	cr_assert_eq(parse_any(three, strlen(three) - 1, &limits, false).status, PARSE_MORE);
}

Test(head, as_many_fields_as_there_is_room_for)
{
	struct head_limits limits = { 65536, FIELDS_MAX };
	static char text[8192];
	struct head_scan scan = { 0 };
	struct outcome o;
	char *at = stpcpy(text, GET);

	for (int i = 1; i < FIELDS_MAX; i++)
		at = stpcpy(at, "Accept: x\r\n");
	memcpy(at, "\r\n", 2);
	feed(&scan, text, (size_t)(at - text) + 2, &limits, false, &o);
	cr_assert_eq(o.status, PARSE_DONE);
	cr_assert_eq(req.fields.n, FIELDS_MAX);
	cr_assert_eq(req.fields.count[FIELD_ACCEPT], 255);
	memcpy(at, "X: y\r\n\r\n", 8);
	scan = (struct head_scan){ 0 };
	feed(&scan, text, (size_t)(at - text) + 8, &limits, false, &o);
	cr_assert_eq(o.code, 431);
}

Test(head, a_scan_with_only_seen_at_zero_is_new)
{
	struct head_scan scan = { .seen = 0, .mark = 77, .state = 9, .fields = 99 };
	struct outcome o;

	cr_assert_eq(feed(&scan, GET "\r\n", strlen(GET) + 2, &wide, false, &o), PARSE_DONE);
}

Test(head, rfc9112_4_status_line)
{
	cr_assert_eq(parse_resp("HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\n\r\n").status,
		PARSE_DONE);
	cr_assert_eq(resp.status, 206);
	cr_assert_eq(resp.version, HTTP_VERSION_1_1);
	is(resp.reason, "Partial Content");
	is(fields_get(&resp.fields, FIELD_CONTENT_LENGTH), "5");
	cr_assert_eq(parse_resp("HTTP/1.0 404 \r\n\r\n").status, PARSE_DONE);
	cr_assert_eq(resp.version, HTTP_VERSION_1_0);
	is(resp.reason, "");
	cr_assert_eq(parse_resp("HTTP/1.1 200\r\n\r\n").status, PARSE_DONE);
	is(resp.reason, "");
	cr_assert_eq(parse_resp("HTTP/1.1 299 Gr\xc3\xbc\xc3\x9f\x65\r\n\r\n").status, PARSE_DONE);
}

Test(head, rfc9112_4_malformed_status_lines)
{
	static const char *const lines[] = {
		"\r\nHTTP/1.1 200 OK\r\n\r\n",
		"HTTP/2 200 OK\r\n\r\n",
		"HTTP/1.1  200 OK\r\n\r\n",
		"HTTP/1.1 20 OK\r\n\r\n",
		"HTTP/1.1 2000 OK\r\n\r\n",
		"HTTP/1.1 099 OK\r\n\r\n",
		"HTTP/1.1 2x0 OK\r\n\r\n",
		"HTTP/1.1\r\n\r\n",
		"HTTP/1.1 200 O\vK\r\n\r\n",
		"HTTP/1.1 200 OK\n\n",
		"HTTP/1.1 200 O\rK\r\n\r\n",
		"ICY 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
		"HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n",
		"<html>",
		"SSH-2.0-OpenSSH_9.2\r\n",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		cr_assert_eq(parse_resp(lines[i]).status, PARSE_BAD, "%s", lines[i]);
	cr_assert_eq(parse_resp("HTTP/1.1 200 OK\r\nX: y\r\n").status, PARSE_MORE);
	/* A response has no Host to judge. */
	cr_assert_eq(
		parse_resp("HTTP/1.1 200 OK\r\nHost:\r\nHost: a b\r\n\r\n").status, PARSE_DONE);
}
