/* Slices, lists, numbers, sizes, durations, UTF-8 and edit distance. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

Test(str, compares)
{
	cr_expect(str_eq(STR("abc"), STR("abc")));
	cr_expect_not(str_eq(STR("abc"), STR("abd")));
	cr_expect_not(str_eq(STR("abc"), STR("ab")));
	cr_expect(str_eq((struct str){ NULL, 0 }, STR("")));
	cr_expect(str_case_eq(STR("Content-Length"), STR("cONTENT-lENGTH")));
	cr_expect_not(str_case_eq(STR("a@"), STR("a`")), "only letters have a case");
	cr_expect_not(str_case_eq(STR("\xc3\x84"), STR("\xc3\xa4")), "only ASCII has a case");
	cr_expect(str_case_eq((struct str){ NULL, 0 }, STR("")));
}

Test(str, of_null_is_empty)
{
	struct str s = str_of(NULL);

	cr_expect_null(s.p);
	cr_expect_eq(s.n, 0);
}

Test(str, prefix_and_suffix)
{
	cr_expect(str_has_prefix(STR("/path"), STR("/")));
	cr_expect(str_has_prefix(STR("/path"), STR("")));
	cr_expect_not(str_has_prefix(STR("/p"), STR("/path")));
	cr_expect(str_has_suffix(STR("a.css"), STR(".css")));
	cr_expect_not(str_has_suffix(STR("css"), STR(".css")));
	cr_expect(str_has_suffix((struct str){ NULL, 0 }, STR("")));
}

Test(str, find_stops_at_the_end)
{
	cr_expect_eq(str_find(STR("a.b.c"), '.', 0), 1);
	cr_expect_eq(str_find(STR("a.b.c"), '.', 1), 1);
	cr_expect_eq(str_find(STR("a.b.c"), '.', 2), 3);
	cr_expect_eq(str_find(STR("a.b.c"), '.', 4), 5);
	cr_expect_eq(str_find(STR("a.b.c"), '.', 99), 5);
	cr_expect_eq(str_find((struct str){ NULL, 0 }, '.', 0), 0);
}

Test(str, trims_blanks_and_tabs_only)
{
	cr_expect(str_eq(str_trim(STR(" \t a b \t")), STR("a b")));
	cr_expect_eq(str_trim(STR(" \t ")).n, 0);
	cr_expect(str_eq(str_trim(STR("\r\na\v")), STR("\r\na\v")));
}

static void expect_elements(const char *list, const char *joined)
{
	struct str rest = str_of(list), element;
	char seen[256] = "";
	size_t n = 0;

	while (str_next_element(&rest, &element))
		n += (size_t)snprintf(
			seen + n, sizeof(seen) - n, "<" STR_FMT ">", STR_ARG(element));
	cr_expect_str_eq(seen, joined, "of %s: %s", list, seen);
	cr_expect_eq(rest.n, 0);
}

Test(str, takes_lists_apart)
{
	expect_elements("", "");
	expect_elements(" , ,, ", "");
	expect_elements("gzip", "<gzip>");
	expect_elements("gzip, br ,\tdeflate", "<gzip><br><deflate>");
	expect_elements(",a,,b,", "<a><b>");
	expect_elements("\"a,b\", W/\"c\"", "<\"a,b\"><W/\"c\">");
	expect_elements("\"a\\\",b\",c", "<\"a\\\",b\"><c>");
	expect_elements("\"open, to the end", "<\"open, to the end>");
	expect_elements("\"\\", "<\"\\>");
}

Test(str, u64_is_digits_or_nothing)
{
	static const char *const bad[] = { "", "-1", "+1", " 1", "1 ", "0x1", "1e3", "a", "/", ":",
		"18446744073709551616", "99999999999999999999", "184467440737095516150" };
	uint64_t n = 42;

	for (size_t i = 0; i < COUNT(bad); i++)
		cr_expect_not(str_parse_u64(str_of(bad[i]), &n), "%s", bad[i]);
	cr_expect_not(str_parse_u64((struct str){ "1\0"
						  "2",
					    3 },
		&n));
	cr_expect_eq(n, 42, "a failure leaves the result alone");
	cr_expect(str_parse_u64(STR("0"), &n) && n == 0);
	cr_expect(str_parse_u64(STR("007"), &n) && n == 7);
	cr_expect(str_parse_u64(STR("18446744073709551615"), &n) && n == UINT64_MAX);
}

Test(str, sizes)
{
	static const struct {
		const char *text;
		int64_t bytes;
	} good[] = {
		{ "0", 0 },
		{ "100", 100 },
		{ "64K", 65536 },
		{ "16M", 16777216 },
		{ "5G", INT64_C(5368709120) },
		{ "0K", 0 },
		{ "9223372036854775807", INT64_MAX },
		{ "8589934591G", INT64_C(9223372035781033984) },
	};
	static const char *const bad[] = { "", "K", "64KB", "64 K", "-1", "1.5M", "64k", "5T", "K5",
		"9223372036854775808", "8589934592G", "18446744073709551616" };
	int64_t n = 42;

	for (size_t i = 0; i < COUNT(bad); i++)
		cr_expect_not(str_parse_size(str_of(bad[i]), &n), "%s", bad[i]);
	cr_expect_eq(n, 42);
	for (size_t i = 0; i < COUNT(good); i++) {
		cr_expect(str_parse_size(str_of(good[i].text), &n), "%s", good[i].text);
		cr_expect_eq(n, good[i].bytes, "%s", good[i].text);
	}
}

Test(str, durations)
{
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = {
		{ "0", 0 },
		{ "0s", 0 },
		{ "250ms", 250 },
		{ "30s", 30000 },
		{ "5m", 300000 },
		{ "12h", 43200000 },
		{ "7d", 604800000 },
	};
	static const char *const bad[] = { "", "30", "s", "ms", "30 s", "-1s", "1.5s", "1w", "30S",
		"1h30m", "00", "106751991168d", "9223372036854775807s" };
	int64_t n = 42;

	for (size_t i = 0; i < COUNT(bad); i++)
		cr_expect_not(str_parse_duration(str_of(bad[i]), &n), "%s", bad[i]);
	cr_expect_eq(n, 42);
	for (size_t i = 0; i < COUNT(good); i++) {
		cr_expect(str_parse_duration(str_of(good[i].text), &n), "%s", good[i].text);
		cr_expect_eq(n, good[i].ms, "%s", good[i].text);
	}
}

Test(str, formats_the_shortest_exact_spelling)
{
	char text[24];

	cr_expect_str_eq(str_format_size(0, text, sizeof(text)), "0");
	cr_expect_str_eq(str_format_size(1000, text, sizeof(text)), "1000");
	cr_expect_str_eq(str_format_size(16384, text, sizeof(text)), "16K");
	cr_expect_str_eq(str_format_size(1 << 20, text, sizeof(text)), "1M");
	cr_expect_str_eq(str_format_size(INT64_MAX, text, sizeof(text)), "9223372036854775807");
	cr_expect_str_eq(str_format_duration(0, text, sizeof(text)), "0");
	cr_expect_str_eq(str_format_duration(250, text, sizeof(text)), "250ms");
	cr_expect_str_eq(str_format_duration(90000, text, sizeof(text)), "90s");
	cr_expect_str_eq(str_format_duration(120000, text, sizeof(text)), "2m");
	cr_expect_str_eq(str_format_duration(86400000, text, sizeof(text)), "1d");
	cr_expect_str_eq(
		str_format_duration(INT64_MAX, text, sizeof(text)), "9223372036854775807ms");
}

Test(str, formats_read_back)
{
	char text[24];
	int64_t back;

	for (int64_t n = 1; n > 0 && n < INT64_MAX / 7; n = n * 7 - 3) {
		cr_expect(str_parse_size(str_of(str_format_size(n, text, sizeof(text))), &back));
		cr_expect_eq(back, n);
		cr_expect(str_parse_duration(
			str_of(str_format_duration(n, text, sizeof(text))), &back));
		cr_expect_eq(back, n);
	}
}

Test(str, distance)
{
	char longer[64];

	cr_expect_eq(str_distance(STR(""), STR("")), 0);
	cr_expect_eq(str_distance(STR("abc"), STR("")), 3);
	cr_expect_eq(str_distance(STR(""), STR("abc")), 3);
	cr_expect_eq(str_distance(STR("wokers"), STR("workers")), 1);
	cr_expect_eq(str_distance(STR("WORKERS"), STR("workers")), 0);
	cr_expect_eq(str_distance(STR("kitten"), STR("sitting")), 3);
	cr_expect_eq(str_distance(STR("flaw"), STR("lawn")), 2);
	memset(longer, 'a', sizeof(longer));
	cr_expect_eq(str_distance((struct str){ longer, 63 }, STR("")), 63);
	cr_expect_eq(str_distance((struct str){ longer, 64 }, STR("")), SIZE_MAX);
	cr_expect_eq(str_distance(STR(""), (struct str){ longer, 64 }), SIZE_MAX);
}

Test(str, utf8_accepts_what_is_well_formed)
{
	cr_expect_eq(str_utf8_length(STR("a")), 1);
	cr_expect_eq(str_utf8_length((struct str){ "", 1 }), 1, "NUL is a character");
	cr_expect_eq(str_utf8_length(STR("\xc3\xa4x")), 2);
	cr_expect_eq(str_utf8_length(STR("\xe2\x82\xac")), 3);
	cr_expect_eq(str_utf8_length(STR("\xed\x9f\xbf")), 3);
	cr_expect_eq(str_utf8_length(STR("\xf0\x9f\x94\x91")), 4);
	cr_expect_eq(str_utf8_length(STR("\xf4\x8f\xbf\xbf")), 4);
}

Test(str, utf8_refuses_the_rest)
{
	static const struct str bad[] = {
		{ "", 0 },
		{ "\x80", 1 },
		{ "\xc3", 1 },
		{ "\xc3x", 2 },
		{ "\xc0\xaf", 2 },
		{ "\xc1\xbf", 2 },
		{ "\xe0\x9f\xbf", 3 },
		{ "\xe2\x82", 2 },
		{ "\xed\xa0\x80", 3 },
		{ "\xf0\x8f\xbf\xbf", 4 },
		{ "\xf4\x90\x80\x80", 4 },
		{ "\xf5\x80\x80\x80", 4 },
		{ "\xf0\x9f\x94", 3 },
		{ "\xe2\x82"
		  "a",
			3 },
		{ "\xff", 1 },
	};

	for (size_t i = 0; i < COUNT(bad); i++)
		cr_expect_eq(str_utf8_length(bad[i]), 0, "row %zu", i);
}
