/* Conditional requests (RFC 9110 section 13) and ranges (section 14). */
#include <criterion/criterion.h>
#include <stdio.h>

#include "../fake_clock.h"
#include "base/clock.h"
#include "http/precond.h"

#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define EXACT "Sun, 06 Nov 1994 08:49:37 GMT"
#define AFTER "Sun, 06 Nov 1994 08:49:38 GMT"

static struct request req;
static const struct validators now = { STR("\"abc\""), 784111777 };

static void setup(void)
{
	fake_clock_us = 784111778 * INT64_C(1000000);
	clock_update();
	request_clear(&req);
	req.method = HTTP_METHOD_GET;
}

TestSuite(precond, .init = setup);

static void with(const char *name, const char *value)
{
	cr_assert(fields_add(&req.fields, str_of(name), str_of(value)));
}

/* One field against the representation. */
static enum precond one(enum http_method method, const char *name, const char *value)
{
	setup();
	req.method = method;
	with(name, value);
	return precond_evaluate(&req, &now);
}

Test(precond, no_condition_passes)
{
	cr_assert_eq(precond_evaluate(&req, &now), PRECOND_PASS);
}

Test(precond, rfc9110_13_1_1_if_match_is_strong)
{
	static const char *const pass[] = { "\"abc\"", "*", "\"x\", \"abc\"", "\"x\",\"abc\",\"y\"",
		" * ", "W/\"abc\", \"abc\"", ",, \"abc\"", "\"a\\\", \"abc\"",
		"\"a,b\" , \"abc\"" };
	static const char *const failed[] = { "\"abd\"", "W/\"abc\"", "abc", "", "\"abc", "\"ABC\"",
		"\"*\"", "\"x\" \"abc\"", "\"x\"; \"abc\"", "w/\"abc\"", "\"x\", *", "\"abc\"x" };

	for (size_t i = 0; i < sizeof(pass) / sizeof(pass[0]); i++)
		cr_assert_eq(
			one(HTTP_METHOD_GET, "If-Match", pass[i]), PRECOND_PASS, "%s", pass[i]);
	for (size_t i = 0; i < sizeof(failed) / sizeof(failed[0]); i++)
		cr_assert_eq(one(HTTP_METHOD_GET, "If-Match", failed[i]), PRECOND_FAILED, "%s",
			failed[i]);
}

Test(precond, rfc9110_13_1_2_if_none_match_is_weak)
{
	cr_assert_eq(one(HTTP_METHOD_GET, "If-None-Match", "\"abc\""), PRECOND_NOT_MODIFIED);
	cr_assert_eq(one(HTTP_METHOD_HEAD, "If-None-Match", "\"abc\""), PRECOND_NOT_MODIFIED);
	cr_assert_eq(one(HTTP_METHOD_GET, "If-None-Match", "W/\"abc\""), PRECOND_NOT_MODIFIED);
	cr_assert_eq(one(HTTP_METHOD_GET, "If-None-Match", "*"), PRECOND_NOT_MODIFIED);
	cr_assert_eq(
		one(HTTP_METHOD_GET, "If-None-Match", "\"x\", W/\"abc\""), PRECOND_NOT_MODIFIED);
	cr_assert_eq(one(HTTP_METHOD_GET, "If-None-Match", "\"x\""), PRECOND_PASS);
	cr_assert_eq(one(HTTP_METHOD_GET, "If-None-Match", "abc"), PRECOND_PASS);
	cr_assert_eq(one(HTTP_METHOD_PUT, "If-None-Match", "*"), PRECOND_FAILED);
	cr_assert_eq(one(HTTP_METHOD_PUT, "If-None-Match", "\"x\""), PRECOND_PASS);
}

Test(precond, a_list_may_stand_in_several_lines)
{
	with("If-None-Match", "\"x\"");
	with("Accept", "\"abc\"");
	cr_assert_eq(precond_evaluate(&req, &now), PRECOND_PASS);
	with("If-None-Match", "\"abc\"");
	cr_assert_eq(precond_evaluate(&req, &now), PRECOND_NOT_MODIFIED);
}

Test(precond, rfc9110_13_1_3_if_modified_since)
{
	cr_assert_eq(one(HTTP_METHOD_GET, "If-Modified-Since", BEFORE), PRECOND_PASS);
	cr_assert_eq(one(HTTP_METHOD_GET, "If-Modified-Since", EXACT), PRECOND_NOT_MODIFIED);
	cr_assert_eq(one(HTTP_METHOD_GET, "If-Modified-Since", AFTER), PRECOND_NOT_MODIFIED);
	cr_assert_eq(one(HTTP_METHOD_HEAD, "If-Modified-Since", EXACT), PRECOND_NOT_MODIFIED);
	cr_assert_eq(one(HTTP_METHOD_POST, "If-Modified-Since", EXACT), PRECOND_PASS);
	cr_assert_eq(one(HTTP_METHOD_GET, "If-Modified-Since", "yesterday"), PRECOND_PASS);
	cr_assert_eq(one(HTTP_METHOD_GET, "If-Modified-Since", ""), PRECOND_PASS);
	cr_assert_eq(one(HTTP_METHOD_GET, "If-Modified-Since", "Sunday, 06-Nov-94 08:49:37 GMT"),
		PRECOND_NOT_MODIFIED);
	with("If-Modified-Since", AFTER);
	cr_assert_eq(precond_evaluate(&req, &now), PRECOND_PASS, "two of them");
}

Test(precond, rfc9110_13_1_4_if_unmodified_since)
{
	cr_assert_eq(one(HTTP_METHOD_GET, "If-Unmodified-Since", BEFORE), PRECOND_FAILED);
	cr_assert_eq(one(HTTP_METHOD_GET, "If-Unmodified-Since", EXACT), PRECOND_PASS);
	cr_assert_eq(one(HTTP_METHOD_PUT, "If-Unmodified-Since", BEFORE), PRECOND_FAILED);
	cr_assert_eq(one(HTTP_METHOD_GET, "If-Unmodified-Since", "never"), PRECOND_PASS);
}

Test(precond, rfc9110_13_2_2_order)
{
	/* If-Match puts If-Unmodified-Since out of force. */
	with("If-Unmodified-Since", BEFORE);
	with("If-Match", "\"abc\"");
	cr_assert_eq(precond_evaluate(&req, &now), PRECOND_PASS);
	/* After it has passed, If-None-Match decides. */
	with("If-None-Match", "\"abc\"");
	cr_assert_eq(precond_evaluate(&req, &now), PRECOND_NOT_MODIFIED);
	/* If-None-Match puts If-Modified-Since out of force, also when it is malformed. */
	setup();
	with("If-Modified-Since", EXACT);
	with("If-None-Match", "\"x\"");
	cr_assert_eq(precond_evaluate(&req, &now), PRECOND_PASS);
	/* A failed If-Match comes before If-None-Match. */
	setup();
	with("If-None-Match", "\"abc\"");
	with("If-Match", "\"x\"");
	cr_assert_eq(precond_evaluate(&req, &now), PRECOND_FAILED);
}

static enum range_result one_range(uint64_t size, uint64_t *first, uint64_t *last)
{
	struct range v[RANGES_MAX];
	unsigned n;
	enum range_result result = precond_ranges(&req, &now, size, v, &n);

	cr_assert_eq(n, result == RANGE_PART);
	if (n) {
		*first = v[0].first;
		*last = v[0].last;
	}
	return result;
}

static enum range_result range_of(const char *value, uint64_t size, uint64_t *first, uint64_t *last)
{
	setup();
	with("Range", value);
	return one_range(size, first, last);
}

Test(precond, rfc9110_14_1_2_parts)
{
	static const struct {
		const char *value;
		uint64_t size;
		uint64_t first;
		uint64_t last;
	} cases[] = {
		{ "bytes=0-0", 10, 0, 0 },
		{ "bytes=2-4", 10, 2, 4 },
		{ "bytes=2-", 10, 2, 9 },
		{ "bytes=0-", 10, 0, 9 },
		{ "bytes=5-100", 10, 5, 9 },
		{ "bytes=5-10", 10, 5, 9 },
		{ "bytes=9-9", 10, 9, 9 },
		{ "bytes=-3", 10, 7, 9 },
		{ "bytes=-10", 10, 0, 9 },
		{ "bytes=-11", 10, 0, 9 },
		{ "BYTES=1-2", 10, 1, 2 },
		{ "bytes=001-002", 10, 1, 2 },
		{ "bytes=, 1-2 ,", 10, 1, 2 },
		{ "bytes=1-99999999999999999999999", 10, 1, 9 },
		{ "bytes=-99999999999999999999999", 10, 0, 9 },
		{ "bytes=18446744073709551613-", UINT64_MAX, UINT64_MAX - 2, UINT64_MAX - 1 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *value = cases[i].value;
		uint64_t first = 4711;
		uint64_t last = 4711;

		cr_assert_eq(
			range_of(value, cases[i].size, &first, &last), RANGE_PART, "%s", value);
		cr_assert_eq(first, cases[i].first, "%s: %lu", value, (unsigned long)first);
		cr_assert_eq(last, cases[i].last, "%s: %lu", value, (unsigned long)last);
	}
}

Test(precond, rfc9110_14_1_2_unsatisfiable)
{
	static const char *const values[] = { "bytes=10-", "bytes=10-20", "bytes=-0",
		"bytes=99999999999999999999999-" };
	uint64_t first;
	uint64_t last;

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		cr_assert_eq(range_of(values[i], 10, &first, &last), RANGE_UNSATISFIABLE, "%s",
			values[i]);
	cr_assert_eq(range_of("bytes=0-0", 0, &first, &last), RANGE_UNSATISFIABLE);
	cr_assert_eq(range_of("bytes=0-", 0, &first, &last), RANGE_UNSATISFIABLE);
}

Test(precond, rfc9110_14_2_malformed_is_the_whole)
{
	static const char *const values[] = { "bytes=", "bytes", "", "bytes=-", "bytes=4-2",
		"bytes=1-2,4-3", "bytes=1-2,x", "items=1-2", "bytes=1-2x", "bytes=x-2", "bytes=1",
		"bytes=1 - 2", "bytes =1-2", "bytes=+1-2", "bytes=1--2", "bytes=--2",
		"bytes=0x1-2" };
	uint64_t first;
	uint64_t last;

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		cr_assert_eq(range_of(values[i], 10, &first, &last), RANGE_WHOLE, "%s", values[i]);
	/* RFC 9110 section 14.1.2: satisfiable, but there is no byte to name. */
	cr_assert_eq(range_of("bytes=-5", 0, &first, &last), RANGE_WHOLE);
}

static enum range_result range_if(const char *if_range)
{
	uint64_t first;
	uint64_t last;

	setup();
	with("Range", "bytes=1-2");
	with("If-Range", if_range);
	return one_range(10, &first, &last);
}

Test(precond, rfc9110_13_1_5_if_range)
{
	cr_assert_eq(range_if("\"abc\""), RANGE_PART);
	cr_assert_eq(range_if("\"abd\""), RANGE_WHOLE);
	cr_assert_eq(range_if("W/\"abc\""), RANGE_WHOLE, "a weak one never matches");
	cr_assert_eq(range_if("\"abc\", \"x\""), RANGE_WHOLE);
	cr_assert_eq(range_if("*"), RANGE_WHOLE);
	cr_assert_eq(range_if(""), RANGE_WHOLE);
	cr_assert_eq(range_if(EXACT), RANGE_PART);
	cr_assert_eq(range_if(BEFORE), RANGE_WHOLE);
	cr_assert_eq(range_if(AFTER), RANGE_WHOLE, "the very date, not a later one");
	cr_assert_eq(range_if("soon"), RANGE_WHOLE);
}

Test(precond, rfc9110_8_8_2_2_a_date_of_this_second_is_weak)
{
	uint64_t first, last;

	with("Range", "bytes=1-2");
	with("If-Range", EXACT);
	cr_assert_eq(one_range(10, &first, &last), RANGE_PART);
	fake_clock_us = 784111777 * INT64_C(1000000) + 999999;
	clock_update();
	cr_assert_eq(one_range(10, &first, &last), RANGE_WHOLE);
}

/* "0-1 4-5": what several ranges of 100 bytes become. */
static const char *ranges_of(const char *value)
{
	static char text[512];
	struct range v[RANGES_MAX];
	unsigned n;
	size_t at = 0;

	setup();
	with("Range", value);
	if (precond_ranges(&req, &now, 100, v, &n) != RANGE_PART)
		return "(none)";
	for (unsigned i = 0; i < n; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%u-%u", i ? " " : "",
			(unsigned)v[i].first, (unsigned)v[i].last);
	return text;
}

Test(precond, rfc9110_14_1_2_several_ranges)
{
	static const struct {
		const char *value, *ranges;
	} cases[] = {
		{ "bytes=0-1,4-5", "0-1 4-5" },
		{ "bytes=4-5,0-1", "4-5 0-1" },
		{ "bytes=0-0,-1", "0-0 99-99" },
		{ "bytes=0-9, 5-14", "0-14" },
		{ "bytes=0-9,10-19", "0-19" },
		{ "bytes=0-9,11-19", "0-9 11-19" },
		{ "bytes=0-9,20-29,5-25", "0-29" },
		{ "bytes=50-59,0-9,20-29,5-25", "50-59 0-29" },
		{ "bytes=0-,0-,0-,5-7", "0-99" },
		{ "bytes=200-,3-4", "3-4" },
		{ "bytes=3-4,-0", "3-4" },
		{ "bytes=200-,300-", "(none)" },
		{ "bytes=0-1,5-4", "(none)" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_str_eq(ranges_of(cases[i].value), cases[i].ranges, "%s", cases[i].value);
}

Test(precond, rfc9110_14_2_too_many_ranges_are_the_whole)
{
	char value[400] = "bytes=0-0";
	size_t at = strlen(value);

	for (int i = 1; i < RANGES_MAX; i++)
		at += (size_t)snprintf(value + at, sizeof(value) - at, ",%d-%d", 2 * i, 2 * i);
	cr_expect_eq(strlen(ranges_of(value)), 5 * 3 + (RANGES_MAX - 5) * 5 + RANGES_MAX - 1);
	snprintf(value + at, sizeof(value) - at, ",90-90");
	cr_expect_str_eq(ranges_of(value), "(none)");
}

Test(precond, if_range_comes_before_416)
{
	uint64_t first;
	uint64_t last;

	with("Range", "bytes=10-");
	with("If-Range", "\"old\"");
	cr_assert_eq(one_range(10, &first, &last), RANGE_WHOLE);
}

Test(precond, rfc9110_14_2_range_is_for_get)
{
	uint64_t first;
	uint64_t last;

	with("Range", "bytes=1-2");
	req.method = HTTP_METHOD_HEAD;
	cr_assert_eq(one_range(10, &first, &last), RANGE_WHOLE);
	req.method = HTTP_METHOD_POST;
	cr_assert_eq(one_range(10, &first, &last), RANGE_WHOLE);
	req.method = HTTP_METHOD_GET;
	cr_assert_eq(one_range(10, &first, &last), RANGE_PART);
	with("Range", "bytes=1-2");
	cr_assert_eq(one_range(10, &first, &last), RANGE_WHOLE, "two fields");
	setup();
	cr_assert_eq(one_range(10, &first, &last), RANGE_WHOLE, "no field");
}

Test(precond, rfc9110_8_8_3_etags)
{
	char a[ETAG_SIZE];
	char b[ETAG_SIZE];
	struct str etag = precond_format_etag(a, 1, 5, 255);

	cr_assert_str_eq(a, "\"3b9aca05-ff\"");
	cr_assert_eq(etag.p, a);
	cr_assert_eq(etag.n, 13);
	precond_format_etag(a, 0, 0, 0);
	cr_assert_str_eq(a, "\"0-0\"");
	etag = precond_format_etag(a, -1, 999999999, UINT64_MAX);
	cr_assert_str_eq(a, "\"ffffffffffffffff-ffffffffffffffff\"");
	cr_assert(etag.n < ETAG_SIZE);
	precond_format_etag(a, 100, 1, 10);
	precond_format_etag(b, 100, 2, 10);
	cr_assert_str_neq(a, b);
}
