/* Framing (RFC 9112 section 6) and the chunked coding (section 7): what is refused matters most. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/body.h"

static struct request req;
static struct response_head resp;

/* Field lines as "Name: value\n..."; the head parser has its own tests. */
static void add_lines(struct fields *f, const char *lines)
{
	fields_clear(f);
	while (*lines) {
		size_t n = strcspn(lines, "\n");
		size_t colon = strcspn(lines, ":");

		cr_assert(fields_add(f, (struct str){ lines, colon },
			str_trim((struct str){ lines + colon + 1, n - colon - 1 })));
		lines += n + (lines[n] == '\n');
	}
}

static int frame_version(const char *lines, enum http_version version, struct body_framing *ret,
	struct http_error *error)
{
	req.method = HTTP_METHOD_POST;
	req.version = version;
	add_lines(&req.fields, lines);
	return body_frame_request(&req, ret, error);
}

static void refused(const char *lines, int status)
{
	struct http_error error = { 0, NULL };
	struct body_framing f;

	cr_assert_eq(frame_version(lines, HTTP_VERSION_1_1, &f, &error), -1, "accepted: %s", lines);
	cr_assert_eq(error.status, status, "%d for: %s", error.status, lines);
	cr_assert_not_null(error.reason);
}

static struct body_framing framed(const char *lines)
{
	struct http_error error = { 0, "" };
	struct body_framing f;

	cr_assert_eq(frame_version(lines, HTTP_VERSION_1_1, &f, &error), 0, "%s: %s", error.reason,
		lines);
	return f;
}

Test(body, rfc9112_6_3_no_field_no_content)
{
	cr_assert_eq(framed("Host: a").kind, BODY_NONE);
}

Test(body, rfc9112_6_2_content_length)
{
	struct body_framing f = framed("Content-Length: 5");

	cr_assert_eq(f.kind, BODY_LENGTH);
	cr_assert_eq(f.length, 5);
	cr_assert_eq(framed("Content-Length: 0").kind, BODY_NONE);
	cr_assert_eq(framed("Content-Length: 007").length, 7);
	cr_assert_eq(framed("Content-Length: 9223372036854775807").length, INT64_MAX);
}

Test(body, rfc9112_6_2_malformed_content_length)
{
	static const char *const values[] = {
		"",
		"+5",
		"-5",
		"-0",
		"5, 5",
		"5,5",
		"5 5",
		"0x5",
		"5x",
		"5.0",
		"5;",
		"'5'",
		"\"5\"",
		"1e3",
		"\v5",
		"5\v",
		"\xb5",
		"9223372036854775808",
		"18446744073709551616",
		"99999999999999999999999999",
	};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		char line[80];

		snprintf(line, sizeof(line), "Content-Length:%s", values[i]);
		refused(line, 400);
	}
}

Test(body, rfc9112_6_3_repeated_content_length)
{
	refused("Content-Length: 5\nContent-Length: 5", 400);
	refused("Content-Length: 5\nContent-Length: 6", 400);
	refused("content-length: 5\nX: y\nCONTENT-LENGTH: 5", 400);
}

Test(body, rfc9112_6_1_chunked)
{
	cr_assert_eq(framed("Transfer-Encoding: chunked").kind, BODY_CHUNKED);
	cr_assert_eq(framed("transfer-encoding: CHUNKED").kind, BODY_CHUNKED);
}

Test(body, rfc9112_6_1_transfer_encoding_with_content_length)
{
	refused("Transfer-Encoding: chunked\nContent-Length: 5", 400);
	refused("Content-Length: 5\nTransfer-Encoding: chunked", 400);
	refused("Content-Length: 0\nTransfer-Encoding: chunked", 400);
	refused("Content-Length: 5\nTransfer-Encoding: identity", 400);
	refused("Content-Length: 5\nTransfer-Encoding:", 400);
}

Test(body, rfc9112_6_1_transfer_encoding_in_http_1_0)
{
	struct http_error error = { 0, NULL };
	struct body_framing f;

	cr_assert_eq(frame_version("Transfer-Encoding: chunked", HTTP_VERSION_1_0, &f, &error), -1);
	cr_assert_eq(error.status, 400);
	cr_assert_eq(frame_version("Content-Length: 5", HTTP_VERSION_1_0, &f, &error), 0);
	cr_assert_eq(f.length, 5);
}

Test(body, rfc9112_6_1_disguises_of_chunked)
{
	static const char *const values[] = {
		"",
		"xchunked",
		"chunkedx",
		"x-chunked",
		"chunked, identity",
		"chunked, chunked",
		"chunked,",
		",chunked",
		"chunked,,",
		"chunked ,, ",
		"\"chunked\"",
		"'chunked'",
		"chunked;",
		"chunked;q=1",
		"chunked; x=y",
		"identity",
		"gzip",
		"chunked, gzip",
		"chunked gzip",
		"gzip chunked",
		"chunke d",
		"\vchunked",
		"chunked\v",
		"chunked\x80",
		"{chunked}",
		"chunked\r",
		"gzip, chunked, chunked",
		"identity, , chunked",
		"gzip;x=y, chunked",
		"chunked\tchunked",
	};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		char line[80];

		snprintf(line, sizeof(line), "Transfer-Encoding:%s", values[i]);
		refused(line, 400);
	}
}

Test(body, rfc9112_6_1_lines_are_one_list)
{
	refused("Transfer-Encoding: chunked\nTransfer-Encoding: chunked", 400);
	refused("Transfer-Encoding: chunked\nTransfer-Encoding: identity", 400);
	refused("Transfer-Encoding: chunked\nTransfer-Encoding:", 400);
	refused("Transfer-Encoding:\nTransfer-Encoding: chunked", 400);
	refused("Transfer-Encoding: gzip\nTransfer-Encoding: chunked", 501);
}

Test(body, rfc9112_7_unknown_coding_before_chunked)
{
	refused("Transfer-Encoding: gzip, chunked", 501);
	refused("Transfer-Encoding: identity, chunked", 501);
	refused("Transfer-Encoding: xchunked, chunked", 501);
}

static int frame_resp(int status, enum http_method method, const char *lines, enum body_kind *ret)
{
	struct http_error error;
	struct body_framing f = { .kind = BODY_NONE };
	int rc;

	resp.status = status;
	resp.version = HTTP_VERSION_1_1;
	add_lines(&resp.fields, lines);
	rc = body_frame_response(&resp, method, &f, &error);
	*ret = f.kind;
	return rc;
}

Test(body, rfc9112_6_3_responses)
{
	static const struct {
		int status;
		enum http_method method;
		const char *lines;
		enum body_kind kind;
	} cases[] = {
		{ 200, HTTP_METHOD_GET, "Content-Length: 5", BODY_LENGTH },
		{ 200, HTTP_METHOD_GET, "Content-Length: 0", BODY_NONE },
		{ 200, HTTP_METHOD_GET, "Transfer-Encoding: chunked", BODY_CHUNKED },
		{ 200, HTTP_METHOD_GET, "X: y", BODY_UNTIL_CLOSE },
		{ 500, HTTP_METHOD_POST, "X: y", BODY_UNTIL_CLOSE },
		{ 200, HTTP_METHOD_HEAD, "Content-Length: 5", BODY_NONE },
		{ 200, HTTP_METHOD_HEAD, "Transfer-Encoding: chunked", BODY_NONE },
		{ 304, HTTP_METHOD_GET, "Content-Length: 5", BODY_NONE },
		{ 204, HTTP_METHOD_GET, "X: y", BODY_NONE },
		{ 100, HTTP_METHOD_GET, "X: y", BODY_NONE },
		{ 200, HTTP_METHOD_CONNECT, "X: y", BODY_NONE },
		{ 403, HTTP_METHOD_CONNECT, "Content-Length: 5", BODY_LENGTH },
	};
	enum body_kind kind;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cr_assert_eq(frame_resp(cases[i].status, cases[i].method, cases[i].lines, &kind), 0,
			"case %zu", i);
		cr_assert_eq(kind, cases[i].kind, "case %zu: %d", i, kind);
	}
}

Test(body, rfc9112_6_3_malformed_responses)
{
	enum body_kind kind;

	cr_assert_eq(frame_resp(200, HTTP_METHOD_GET, "Content-Length: 5, 5", &kind), -1);
	cr_assert_eq(
		frame_resp(200, HTTP_METHOD_GET, "Content-Length: 5\nContent-Length: 5", &kind),
		-1);
	cr_assert_eq(frame_resp(200, HTTP_METHOD_GET,
			     "Content-Length: 5\nTransfer-Encoding: chunked", &kind),
		-1);
	cr_assert_eq(frame_resp(200, HTTP_METHOD_GET, "Transfer-Encoding: gzip", &kind), -1);
}

/* ---- decoding ---- */

struct decoded {
	enum parse_status status;
	size_t used;
	size_t n;
	char *content;
	struct http_error error;
};

/* Feeds p[0..n) in pieces of `piece` bytes, each from memory of just that size. */
static struct decoded decode_pieces(
	struct body_framing framing, const char *p, size_t n, size_t piece)
{
	struct decoded ret = { .status = PARSE_MORE, .content = malloc(n + 1) };
	struct body_decoder d = { 0 };

	body_start(&d, framing);
	while (ret.used < n && ret.status == PARSE_MORE) {
		size_t m = n - ret.used < piece ? n - ret.used : piece;
		char *copy = malloc(m);
		struct str content;
		size_t used = 0;

		memcpy(copy, p + ret.used, m);
		ret.status = body_decode(&d, copy, m, &used, &content, &ret.error);
		cr_assert_leq(used, m);
		cr_assert(ret.status != PARSE_MORE || used > 0, "no progress");
		cr_assert(content.n == 0 ||
			  (content.p >= copy && content.p + content.n <= copy + used));
		if (content.n)
			memcpy(ret.content + ret.n, content.p, content.n);
		ret.n += content.n;
		ret.used += used;
		free(copy);
	}
	ret.content[ret.n] = '\0';
	cr_assert_eq(d.content, ret.n);
	return ret;
}

static const struct body_framing chunked = { BODY_CHUNKED, 0 };

/* Whole, and in pieces of every size, with one result. The caller frees the content. */
static struct decoded decode_n(const char *p, size_t n)
{
	struct decoded whole = decode_pieces(chunked, p, n, n + !n);

	for (size_t piece = 1; piece < n && piece < 64; piece++) {
		struct decoded d = decode_pieces(chunked, p, n, piece);

		cr_assert_eq(d.status, whole.status, "pieces of %zu: %s", piece, p);
		cr_assert_eq(d.n, whole.n);
		cr_assert(memcmp(d.content, whole.content, d.n) == 0);
		if (d.status == PARSE_DONE)
			cr_assert_eq(d.used, whole.used);
		if (d.status == PARSE_BAD)
			cr_assert_str_eq(d.error.reason, whole.error.reason);
		free(d.content);
	}
	return whole;
}

static void content(const char *coded, const char *expected)
{
	struct decoded d = decode_n(coded, strlen(coded));

	cr_assert_eq(
		d.status, PARSE_DONE, "%s: %s", d.status == PARSE_BAD ? d.error.reason : "", coded);
	cr_assert_eq(d.used, strlen(coded));
	cr_assert_str_eq(d.content, expected);
	free(d.content);
}

static void bad(const char *coded)
{
	struct decoded d = decode_n(coded, strlen(coded));

	cr_assert_eq(d.status, PARSE_BAD, "%d of: %s", d.status, coded);
	cr_assert_eq(d.error.status, 400);
	cr_assert_not_null(d.error.reason);
	free(d.content);
}

Test(body, rfc9112_7_1_chunks)
{
	content("0\r\n\r\n", "");
	content("5\r\nhello\r\n0\r\n\r\n", "hello");
	content("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world");
	content("a\r\n0123456789\r\n000\r\n\r\n", "0123456789");
	content("0A\r\n0123456789\r\n0\r\n\r\n", "0123456789");
	content("0000000000000000000000000000002\r\n\r\n\r\n0\r\n\r\n", "\r\n");
}

Test(body, rfc9112_7_1_incomplete_is_more)
{
	static const char coded[] = "3;a=\"b\"\r\nabc\r\n0\r\nX: y\r\n\r\n";

	for (size_t n = 0; n < sizeof(coded) - 1; n++) {
		struct decoded d = decode_n(coded, n);

		cr_assert_eq(d.status, PARSE_MORE, "of %zu bytes", n);
		free(d.content);
	}
}

Test(body, bytes_behind_the_end_are_not_used)
{
	const char *coded = "1\r\na\r\n0\r\n\r\nGET / HTTP/1.1\r\n";
	struct decoded d = decode_n(coded, strlen(coded));

	cr_assert_eq(d.status, PARSE_DONE);
	cr_assert_eq(d.used, 11);
	cr_assert_str_eq(d.content, "a");
	free(d.content);
}

Test(body, rfc9112_7_1_malformed_sizes)
{
	bad("\r\n");
	bad("\n");
	bad(";a\r\n");
	bad("g\r\n");
	bad("0x5\r\nhello\r\n");
	bad("+5\r\nhello\r\n");
	bad("-1\r\n");
	bad(" 5\r\nhello\r\n");
	bad("5 \r\nhello\r\n");
	bad("5\t\r\nhello\r\n");
	bad("5,5\r\nhello\r\n");
	bad("5\r\nhello\r\n\r\n");
	bad("\xb5\r\n");
}

Test(body, rfc9112_7_1_chunk_size_overflow)
{
	bad("10000000000000000\r\n");
	bad("ffffffffffffffff\r\n");
	bad("8000000000000000\r\n");
	bad("100000000000000005\r\nhello\r\n");
	bad("fffffffffffffffffffffffffffffffff\r\n");
}

Test(body, the_largest_chunk_size_is_counted)
{
	struct decoded d = decode_n("7fffffffffffffff\r\nabc", 21);

	cr_assert_eq(d.status, PARSE_MORE);
	cr_assert_str_eq(d.content, "abc");
	free(d.content);
}

Test(body, rfc9112_7_1_line_ends)
{
	bad("5\nhello\r\n0\r\n\r\n");
	bad("5\rhello\r\n0\r\n\r\n");
	bad("5\r\r\nhello\r\n0\r\n\r\n");
	bad("5\r\nhello\n0\r\n\r\n");
	bad("5\r\nhello\r0\r\n\r\n");
	bad("5\r\nhello0\r\n\r\n");
	bad("5\r\nhello!\r\n0\r\n\r\n");
	bad("0\n\r\n");
	bad("0\r\n\n");
	bad("0\r\n\rX");
}

Test(body, rfc9112_7_1_nul)
{
	static const struct {
		const char *p;
		size_t n;
	} cases[] = {
		{ "\0", 1 },
		{ "5\0\r\n", 4 },
		{ "5;a\0\r\n", 6 },
		{ "0\r\nX: \0\r\n", 9 },
		{ "0\r\n\0", 4 },
		{ "1\r\na\0", 5 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct decoded d = decode_n(cases[i].p, cases[i].n);

		cr_assert_eq(d.status, PARSE_BAD, "case %zu", i);
		free(d.content);
	}
	content("1\r\na\r\n0\r\n\r\n", "a");
}

Test(body, rfc9112_7_1_1_chunk_extensions)
{
	content("1;a\r\nx\r\n0;b\r\n\r\n", "x");
	content("1;a=b\r\nx\r\n0\r\n\r\n", "x");
	content("1;a=\"b;c\\\"d\\\\ \"\r\nx\r\n0\r\n\r\n", "x");
	content("1;a=b;c;d=\"e\";f\r\nx\r\n0\r\n\r\n", "x");
	content("1 ; a = b\r\nx\r\n0\r\n\r\n", "x");
	content("1\t;\ta\t=\t\"b\"\t;c\r\nx\r\n0\r\n\r\n", "x");
	content("1;face=5\r\nx\r\n0\r\n\r\n", "x");
}

Test(body, rfc9112_7_1_1_malformed_chunk_extensions)
{
	bad("1;a\nx\r\n0\r\n\r\n");
	bad("1;a=b\nx\r\n0\r\n\r\n");
	bad("1;a=\"b\nc\"\r\nx\r\n0\r\n\r\n");
	bad("1;a=\"\\\n\"\r\nx\r\n");
	bad("1;a=\"b\r\nx\r\n0\r\n\r\n");
	bad("1;a\rb\r\nx\r\n");
	bad("1;\r\nx\r\n");
	bad("1;;a\r\nx\r\n");
	bad("1;=b\r\nx\r\n");
	bad("1;a=\r\nx\r\n");
	bad("1;a=b=c\r\nx\r\n");
	bad("1;a b\r\nx\r\n");
	bad("1;a=b c\r\nx\r\n");
	bad("1;a=\"b\"c\r\nx\r\n");
	bad("1;a=b \r\nx\r\n");
	bad("1;a:b\r\nx\r\n");
	bad("1;a\v\r\nx\r\n");
	bad("1;a=\"\x01\"\r\nx\r\n");
}

Test(body, rfc9112_7_1_2_trailer_section)
{
	content("0\r\nX: y\r\nEmpty:\r\nZ: \xff\t\"\\;=\r\n\r\n", "");
	bad("0\r\nX : y\r\n\r\n");
	bad("0\r\n: y\r\n\r\n");
	bad("0\r\n X: y\r\n\r\n");
	bad("0\r\nX: y\r\n z\r\n\r\n");
	bad("0\r\nX\r\n\r\n");
	bad("0\r\nX: y\n\r\n");
	bad("0\r\nX: a\rb\r\n\r\n");
	bad("0\r\nX: a\x7f\r\n\r\n");
}

/* `head`, n times `fill`, `tail`, then what makes it whole. */
static enum parse_status sized(const char *head, char fill, size_t n, const char *tail)
{
	size_t total = strlen(head) + n + strlen(tail);
	char *coded = malloc(total + 1);
	struct decoded d;

	memset(stpcpy(coded, head), fill, n);
	memcpy(coded + strlen(head) + n, tail, strlen(tail) + 1);
	d = decode_pieces(chunked, coded, total, total);
	free(coded);
	free(d.content);
	return d.status;
}

Test(body, lines_have_a_bound)
{
	/* "1;" + name + CRLF */
	cr_assert_eq(sized("1;", 'a', BODY_LINE_MAX - 4, "\r\nx\r\n0\r\n\r\n"), PARSE_DONE);
	cr_assert_eq(sized("1;", 'a', BODY_LINE_MAX - 3, "\r\nx\r\n0\r\n\r\n"), PARSE_BAD);
	cr_assert_eq(sized("", '0', BODY_LINE_MAX + 1, ""), PARSE_BAD);
	cr_assert_eq(sized("0\r\nX:", 'a', BODY_LINE_MAX - 4, "\r\n\r\n"), PARSE_DONE);
	cr_assert_eq(sized("0\r\nX:", 'a', BODY_LINE_MAX - 3, "\r\n\r\n"), PARSE_BAD);
}

static enum parse_status repeated(
	const char *head, const char *unit, size_t times, const char *tail)
{
	size_t n = strlen(head) + strlen(unit) * times + strlen(tail);
	char *coded = malloc(n + 1);
	char *at = stpcpy(coded, head);
	struct decoded d;

	for (size_t i = 0; i < times; i++)
		at = stpcpy(at, unit);
	stpcpy(at, tail);
	d = decode_pieces(chunked, coded, n, 1000);
	free(coded);
	free(d.content);
	return d.status;
}

Test(body, the_trailer_section_has_a_bound)
{
	cr_assert_eq(repeated("0\r\n", "X: 0\r\n", 2730, "\r\n"), PARSE_DONE);
	cr_assert_eq(repeated("0\r\n", "X: 0\r\n", 2731, "\r\n"), PARSE_BAD);
}

Test(body, chunk_extensions_have_a_budget)
{
	/* 30 bytes a chunk that brings one: each takes 14 of the budget. */
	cr_assert_eq(repeated("", "1;a=bcdefghijklmnopqrstuvwxy\r\nx\r\n", 1000, "0\r\n\r\n"),
		PARSE_DONE);
	cr_assert_eq(repeated("", "1;a=bcdefghijklmnopqrstuvwxy\r\nx\r\n", 1200, "0\r\n\r\n"),
		PARSE_BAD);
	/* Small chunks without extensions never come to an end of it. */
	cr_assert_eq(repeated("", "1\r\nx\r\n", 100000, "0\r\n\r\n"), PARSE_DONE);
}

Test(body, bad_stays_bad_and_done_stays_done)
{
	struct body_decoder d = { 0 };
	struct http_error error;
	struct str part;
	size_t used;

	body_start(&d, chunked);
	cr_assert_eq(body_decode(&d, "x", 1, &used, &part, &error), PARSE_BAD);
	error.reason = NULL;
	cr_assert_eq(body_decode(&d, "0\r\n\r\n", 5, &used, &part, &error), PARSE_BAD);
	cr_assert_not_null(error.reason);
	body_start(&d, chunked);
	cr_assert_eq(body_decode(&d, "0\r\n\r\n", 5, &used, &part, &error), PARSE_DONE);
	cr_assert_eq(body_decode(&d, "1\r\na", 4, &used, &part, &error), PARSE_DONE);
	cr_assert_eq(used, 0);
	cr_assert_eq(part.n, 0);
}

Test(body, rfc9112_6_3_length)
{
	struct body_framing five = { BODY_LENGTH, 5 };
	struct decoded d;

	for (size_t piece = 1; piece < 9; piece++) {
		d = decode_pieces(five, "helloGET", 8, piece);
		cr_assert_eq(d.status, PARSE_DONE);
		cr_assert_eq(d.used, 5);
		cr_assert_str_eq(d.content, "hello");
		free(d.content);
	}
	d = decode_pieces(five, "hell", 4, 3);
	cr_assert_eq(d.status, PARSE_MORE);
	free(d.content);
}

Test(body, none_is_done_at_once_and_until_close_never)
{
	struct body_decoder d = { 0 };
	struct http_error error;
	struct str part;
	size_t used;

	body_start(&d, (struct body_framing){ BODY_NONE, 0 });
	cr_assert_eq(body_decode(&d, "abc", 3, &used, &part, &error), PARSE_DONE);
	cr_assert_eq(used, 0);
	body_start(&d, (struct body_framing){ BODY_UNTIL_CLOSE, 0 });
	cr_assert_eq(body_decode(&d, "abc", 3, &used, &part, &error), PARSE_MORE);
	cr_assert_eq(used, 3);
	cr_assert(str_eq(part, STR("abc")));
	body_start(&d, (struct body_framing){ BODY_LENGTH, 0 });
	cr_assert_eq(body_decode(&d, "", 0, &used, &part, &error), PARSE_DONE);
}
