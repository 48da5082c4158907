/* The tokens of libconfig, and what it would get wrong. */
#include <criterion/criterion.h>

#include "config/lex.h"

static struct lex_token first(const char *text)
{
	struct lex l = { str_of(text), 0, 1 };

	return lex_next(&l);
}

Test(lex, kinds)
{
	static const struct {
		const char *text;
		enum lex_kind kind;
		size_t n;
	} cases[] = {
		{ "", LEX_END, 0 },
		{ "  # x", LEX_END, 0 },
		{ "// x\n /* y\n */", LEX_END, 0 },
		{ "name = 1", LEX_NAME, 4 },
		{ "*x-y_1 ", LEX_NAME, 6 },
		{ "truex", LEX_NAME, 5 },
		{ "TrUe;", LEX_BOOL, 4 },
		{ "false", LEX_BOOL, 5 },
		{ "=", LEX_EQUALS, 1 },
		{ ":", LEX_EQUALS, 1 },
		{ "12;", LEX_INT, 2 },
		{ "-12", LEX_INT, 3 },
		{ "+1", LEX_INT, 2 },
		{ "12L", LEX_INT64, 3 },
		{ "12LL", LEX_INT64, 4 },
		{ "12LLL", LEX_INT64, 4 },
		{ "0xfF", LEX_INT, 4 },
		{ "0x10L", LEX_INT64, 5 },
		{ "0x", LEX_INT, 1 },
		{ "1.5", LEX_FLOAT, 3 },
		{ ".", LEX_FLOAT, 1 },
		{ "1e3", LEX_FLOAT, 3 },
		{ "-1.5E-3", LEX_FLOAT, 7 },
		{ "1e", LEX_INT, 1 },
		{ "\"a\\\"b\" ", LEX_STRING, 6 },
		{ "\"a\nb\"", LEX_STRING, 5 },
		{ "\"a", LEX_OPEN_STRING, 2 },
		{ "\"a\\\"", LEX_OPEN_STRING, 4 },
		{ "/* x", LEX_OPEN_COMMENT, 2 },
		{ "{", LEX_PUNCTUATION, 1 },
		{ "'", LEX_BAD, 1 },
		{ "-", LEX_BAD, 1 },
		{ "@", LEX_BAD, 1 },
		{ "\xc3\xa9", LEX_BAD, 1 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lex_token t = first(cases[i].text);

		cr_expect_eq(t.kind, cases[i].kind, "\"%s\" is kind %d", cases[i].text, t.kind);
		cr_expect_eq(t.text.n, cases[i].n,
			"\"%s\" has %zu "
			"bytes",
			cases[i].text, t.text.n);
	}
}

Test(lex, lines_and_offsets)
{
	struct lex l = { STR("a\n /* x\n */ = \"b\nc\"\n# d\n;"), 0, 1 };
	struct lex_token t = lex_next(&l);

	cr_expect_eq(t.line, 1);
	t = lex_next(&l);
	cr_expect_eq(t.kind, LEX_EQUALS);
	cr_expect_eq(t.line, 3);
	t = lex_next(&l);
	cr_expect_eq(t.kind, LEX_STRING);
	cr_expect_eq(t.line, 3);
	cr_expect_eq(t.last_line, 4);
	t = lex_next(&l);
	cr_expect(str_eq(t.text, STR(";")));
	cr_expect_eq(t.line, 6);
	cr_expect_eq(t.at, l.text.n - 1);
	cr_expect_eq(lex_next(&l).kind, LEX_END);
	cr_expect_eq(lex_next(&l).kind, LEX_END, "for ever");
}

Test(lex, an_open_comment_stays_where_it_is)
{
	struct lex l = { STR("a /* b\n\n"), 0, 1 };
	struct lex_token t;

	lex_next(&l);
	t = lex_next(&l);
	cr_expect_eq(t.kind, LEX_OPEN_COMMENT);
	cr_expect_eq(t.line, 1);
	cr_expect_eq(lex_next(&l).kind, LEX_OPEN_COMMENT);
}

Test(lex, integers_that_fit)
{
	static const struct {
		const char *text;
		bool fits;
	} cases[] = {
		{ "0", true },
		{ "2147483647", true },
		{ "2147483648", false },
		{ "-2147483648", true },
		{ "-2147483649", false },
		{ "5000000000", false },
		{ "4294967297", false },
		{ "5000000000L", true },
		{ "9223372036854775807L", true },
		{ "9223372036854775808LL", false },
		{ "99999999999999999999999999999999999L", false },
		{ "0x7fffffff", true },
		{ "0x80000000", false },
		{ "0xFFFFFFFFFF", false },
		{ "0xFFFFFFFFFFL", true },
		{ "0xFFFFFFFFFFFFFFFFL", false },
		{ "010", true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lex_token t = first(cases[i].text);

		cr_expect_eq(lex_integer_fits(&t), cases[i].fits, "%s", cases[i].text);
	}
}

Test(lex, zero_bytes_in_strings)
{
	static const struct {
		const char *text;
		bool zero;
	} cases[] = {
		{ "\"\"", false },
		{ "\"\\x00\"", true },
		{ "\"ab\\X00c\"", true },
		{ "\"\\x0\"", false },
		{ "\"\\x01\"", false },
		{ "\"\\\\x00\"", false },
		{ "\"\\\\\\x00\"", true },
		{ "\"x00\"", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lex_token t = first(cases[i].text);

		cr_expect_eq(lex_string_has_zero(&t), cases[i].zero, "%s", cases[i].text);
	}
}
