/* Methods, reasons, grammar of tokens and values, and moving a request. */
#include <criterion/criterion.h>
#include <string.h>

#include "http/chars.h"
#include "http/head.h"
#include "http/message.h"

Test(message, rfc9110_9_1_methods_are_case_sensitive)
{
	cr_assert_eq(http_method_of(STR("GET")), HTTP_METHOD_GET);
	cr_assert_eq(http_method_of(STR("HEAD")), HTTP_METHOD_HEAD);
	cr_assert_eq(http_method_of(STR("POST")), HTTP_METHOD_POST);
	cr_assert_eq(http_method_of(STR("PUT")), HTTP_METHOD_PUT);
	cr_assert_eq(http_method_of(STR("DELETE")), HTTP_METHOD_DELETE);
	cr_assert_eq(http_method_of(STR("CONNECT")), HTTP_METHOD_CONNECT);
	cr_assert_eq(http_method_of(STR("OPTIONS")), HTTP_METHOD_OPTIONS);
	cr_assert_eq(http_method_of(STR("TRACE")), HTTP_METHOD_TRACE);
	cr_assert_eq(http_method_of(STR("PATCH")), HTTP_METHOD_PATCH);
	cr_assert_eq(http_method_of(STR("Get")), HTTP_METHOD_OTHER);
	cr_assert_eq(http_method_of(STR("GE")), HTTP_METHOD_OTHER);
	cr_assert_eq(http_method_of(STR("GETS")), HTTP_METHOD_OTHER);
	cr_assert_eq(http_method_of(STR("")), HTTP_METHOD_OTHER);
}

Test(message, rfc9110_15_reasons)
{
	cr_assert(str_eq(http_reason(200), STR("OK")));
	cr_assert(str_eq(http_reason(431), STR("Request Header Fields Too Large")));
	cr_assert(str_eq(http_reason(299), STR("Unknown")));
	cr_assert(str_eq(http_reason(-1), STR("Unknown")));
}

Test(message, rfc9110_5_6_2_tokens)
{
	for (int c = 0; c < 256; c++) {
		char byte = (char)c;
		bool letter =
			(c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		bool token = letter || (c && strchr("!#$%&'*+-.^_`|~", c));

		cr_assert_eq(http_is_token((struct str){ &byte, 1 }), token, "byte %d", c);
	}
	cr_assert(!http_is_token(STR("")));
	cr_assert(!http_is_token(STR("a b")));
}

Test(message, rfc9113_8_2_tokens_in_lower_case)
{
	char to[16];

	cr_assert(chars_lower_token(to, "X-Ab_Z9@", 7));
	cr_assert_arr_eq(to, "x-ab_z9", 7);
	cr_assert_not(chars_lower_token(to, "X-Ab_Z9@", 8));
	cr_assert_not(chars_lower_token(to, "", 0));
	for (int c = 0; c < 256; c++) {
		char byte = (char)c;

		cr_assert_eq(chars_lower_token(to, &byte, 1),
			http_is_token((struct str){ &byte, 1 }), "byte %d", c);
	}
}

Test(message, a_value_ends_where_it_ends_however_it_is_looked_at)
{
	for (size_t n = 0; n <= 26; n++) {
		for (size_t at = 0; at <= n; at++) {
			char text[27];

			memset(text, 'v', sizeof text);
			text[n / 2] = '\t';
			text[at] = '\r';
			cr_assert_eq(chars_span_value(text, n), at, "CR at %zu of %zu", at, n);
		}
	}
}

Test(message, rfc9110_5_5_values)
{
	/* At every place of the eight bytes that are looked at together, and behind them. */
	for (int at = 0; at < 20; at++) {
		for (int c = 0; c < 256; c++) {
			char text[20];
			bool fine = c == '\t' || (c >= 0x20 && c != 0x7f);

			memset(text, at % 2 ? 0xff : 'v', sizeof(text));
			text[at] = (char)c;
			cr_assert_eq(http_is_field_value((struct str){ text, 20 }), fine,
				"byte %d at %d", c, at);
		}
	}
	cr_assert(http_is_field_value(STR("")));
}

Test(message, rebase_moves_what_points_into_the_bytes)
{
	static const char text[] = "GET http://b/x HTTP/1.1\r\nHost: a\r\nX:\r\n\r\n";
	static struct request req;
	struct head_limits limits = { 1024, 10 };
	struct head_scan scan = { 0 };
	struct http_error error;
	char from[sizeof(text)];
	char to[sizeof(text)];
	size_t used;

	memcpy(from, text, sizeof(text));
	memcpy(to, text, sizeof(text));
	cr_assert_eq(
		head_parse_request(&scan, from, sizeof(text) - 1, &limits, &req, &used, &error),
		PARSE_DONE);
	message_rebase(&req, from, used, to);
	memset(from, '!', sizeof(from));
	cr_assert_eq(req.method_text.p, to);
	cr_assert(str_eq(req.target, STR("http://b/x")));
	cr_assert(str_eq(req.authority, STR("b")));
	cr_assert(str_eq(req.fields.line[0].name, STR("Host")));
	cr_assert(str_eq(req.fields.line[0].value, STR("a")));
	cr_assert(str_eq(req.fields.line[1].name, STR("X")));
	cr_assert_eq(req.fields.line[1].value.n, 0);
	cr_assert(req.fields.line[1].value.p >= to && req.fields.line[1].value.p <= to + used);
}

Test(message, rebase_leaves_other_bytes_alone)
{
	static struct request req;
	static const char elsewhere[] = "elsewhere";
	char from[4] = "abc";
	char to[4] = "abc";

	request_clear(&req);
	req.target = str_of(elsewhere);
	message_rebase(&req, from, 3, to);
	cr_assert_eq(req.target.p, elsewhere);
	cr_assert_null(req.authority.p);
}

Test(message, codes_and_their_indexes)
{
	for (unsigned i = 0; i < HTTP_STATUS_COUNT; i++)
		cr_expect_eq(http_status_index(http_status_at(i)), (int)i);
	cr_expect_eq(http_status_index(200), 1);
	cr_expect_eq(http_status_index(0), -1);
	cr_expect_eq(http_status_index(999), -1);
}
