/* Cached time and the spellings of dates. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "fake_clock.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const time_t rfc_example = 784111777; /* Sun, 06 Nov 1994 08:49:37 GMT */

static void set_time(time_t wall)
{
	fake_clock_us = (int64_t)wall * 1000000;
	clock_update();
}

Test(clock, is_cached_between_updates)
{
	fake_clock_us = 5000250000;
	clock_update();
	cr_expect_eq(clock_ms(), 5000250);
	cr_expect_eq(clock_wall(), 5000);
	cr_expect_eq(clock_wall_ms(), 5000250);
	fake_clock_us += 1234567;
	cr_expect_eq(clock_ms(), 5000250);
	cr_expect_eq(clock_wall(), 5000);
	cr_expect_eq(clock_us_now(), 5001484567);
	cr_expect_eq(clock_wall_ms_now(), 5001484);
	clock_update();
	cr_expect_eq(clock_ms(), 5001484);
}

Test(clock, real_time_moves_forward)
{
	int64_t before = clock_us_now();

	clock_update();
	cr_expect_geq(clock_ms(), before / 1000);
	cr_expect_geq(clock_us_now(), before);
	cr_expect_gt(clock_wall(), 1700000000);
}

Test(clock, http_date)
{
	char text[30];

	clock_format_http_date(rfc_example, text);
	cr_expect_str_eq(text, "Sun, 06 Nov 1994 08:49:37 GMT");
	clock_format_http_date(0, text);
	cr_expect_str_eq(text, "Thu, 01 Jan 1970 00:00:00 GMT");
	clock_format_http_date(951782400, text);
	cr_expect_str_eq(text, "Tue, 29 Feb 2000 00:00:00 GMT");
	clock_format_http_date(-1, text);
	cr_expect_str_eq(text, "Wed, 31 Dec 1969 23:59:59 GMT");
}

Test(clock, dates_out_of_range_are_clamped)
{
	char http[30], rfc3339[25], clf[27];

	clock_format_http_date(INT64_MAX, http);
	cr_expect_str_eq(http, "Fri, 31 Dec 9999 23:59:59 GMT");
	clock_format_http_date(INT64_MIN, http);
	cr_expect_str_eq(http, "Mon, 01 Jan 0001 00:00:00 GMT");
	clock_format_rfc3339(INT64_MAX, rfc3339);
	cr_expect_eq(strlen(rfc3339), 24);
	clock_format_clf(INT64_MAX / 2, clf);
	cr_expect_eq(strlen(clf), 26);
}

Test(clock, date_of_the_turn_follows_the_second)
{
	set_time(rfc_example);
	cr_expect(str_eq(clock_http_date(), STR("Sun, 06 Nov 1994 08:49:37 GMT")));
	fake_clock_us += 999999;
	clock_update();
	cr_expect(str_eq(clock_http_date(), STR("Sun, 06 Nov 1994 08:49:37 GMT")));
	fake_clock_us += 1;
	cr_expect(str_eq(clock_http_date(), STR("Sun, 06 Nov 1994 08:49:37 GMT")));
	clock_update();
	cr_expect(str_eq(clock_http_date(), STR("Sun, 06 Nov 1994 08:49:38 GMT")));
}

Test(clock, parses_all_three_forms)
{
	static const char *const forms[] = {
		"Sun, 06 Nov 1994 08:49:37 GMT",
		"Sunday, 06-Nov-94 08:49:37 GMT",
		"Sun Nov  6 08:49:37 1994",
		"Sun Nov 06 08:49:37 1994",
	};
	time_t t;

	set_time(1767323045);
	for (size_t i = 0; i < COUNT(forms); i++) {
		t = 0;
		cr_expect(clock_parse_http_date(str_of(forms[i]), &t), "%s", forms[i]);
		cr_expect_eq(t, rfc_example, "%s", forms[i]);
	}
}

Test(clock, every_weekday_in_every_form)
{
	static const char *const rfc850[] = { "Sunday", "Monday", "Tuesday", "Wednesday",
		"Thursday", "Friday", "Saturday" };
	char text[64];
	time_t back;

	set_time(1767323045);
	for (int day = 0; day < 7; day++) {
		time_t t = rfc_example + day * 86400;

		clock_format_http_date(t, text);
		cr_expect(clock_parse_http_date(str_of(text), &back) && back == t, "%s", text);
		snprintf(text, sizeof(text), "%s, %02d-Nov-94 08:49:37 GMT", rfc850[day], 6 + day);
		cr_expect(clock_parse_http_date(str_of(text), &back) && back == t, "%s", text);
	}
}

Test(clock, two_digit_years_are_at_most_fifty_years_ahead)
{
	time_t t;

	set_time(1767323045); /* 2026 */
	cr_expect(clock_parse_http_date(STR("Friday, 01-Jan-76 00:00:00 GMT"), &t));
	cr_expect_gt(t, 1767323045, "2076");
	cr_expect(clock_parse_http_date(STR("Saturday, 01-Jan-77 00:00:00 GMT"), &t));
	cr_expect_eq(t, 220924800, "1977");
}

Test(clock, refuses_what_is_no_date)
{
	static const char *const bad[] = {
		"",
		"S",
		"Sun",
		"Sun,",
		"Sun, ",
		"sun, 06 Nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 1994 08:49:37",
		"Sun, 06 Nov 1994 08:49:37 UTC",
		"Sun, 06 Nov 1994 08:49:37 GMT ",
		"Sun, 6 Nov 1994 08:49:37 GMT",
		"Sun, 06 nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 94 08:49:37 GMT",
		"Sun, 00 Nov 1994 08:49:37 GMT",
		"Sun, 31 Nov 1994 08:49:37 GMT",
		"Sun, 29 Feb 1900 08:49:37 GMT",
		"Sun, 06 Nov 1994 24:00:00 GMT",
		"Sun, 06 Nov 1994 08:60:37 GMT",
		"Sun, 06 Nov 1994 08:49:61 GMT",
		"Sun, 06 Nov 1994 -8:49:37 GMT",
		"Sund, 06-Nov-94 08:49:37 GMT",
		"Sunday 06-Nov-94 08:49:37 GMT",
		"Sun Nov 6 08:49:37 1994",
		"Sun Nov  6 08:49:37 19945",
		"784111777",
		"Sun, 06 Nov +994 08:49:37 GMT",
	};
	time_t t = 42;

	for (size_t i = 0; i < COUNT(bad); i++)
		cr_expect_not(clock_parse_http_date(str_of(bad[i]), &t), "%s", bad[i]);
	cr_expect_not(clock_parse_http_date((struct str){ NULL, 0 }, &t));
	cr_expect_eq(t, 42);
}

Test(clock, a_leap_second_is_a_date)
{
	time_t t;

	cr_expect(clock_parse_http_date(STR("Sat, 31 Dec 2016 23:59:60 GMT"), &t));
	cr_expect_eq(t, 1483228800);
}

Test(clock, rfc3339_with_milliseconds)
{
	char text[25];

	clock_format_rfc3339(INT64_C(1767323045678), text);
	cr_expect_str_eq(text, "2026-01-02T03:04:05.678Z");
	clock_format_rfc3339(-1, text);
	cr_expect_str_eq(text, "1969-12-31T23:59:59.999Z");
}

Test(clock, common_log_format_in_local_time)
{
	char text[27];

	setenv("TZ", "PST8PDT,M4.1.0,M10.5.0", 1);
	tzset();
	clock_format_clf(971211336, text);
	cr_expect_str_eq(text, "10/Oct/2000:13:55:36 -0700");
	clock_format_clf(971211336, text);
	cr_expect_str_eq(text, "10/Oct/2000:13:55:36 -0700");
	clock_format_clf(971211337, text);
	cr_expect_str_eq(text, "10/Oct/2000:13:55:37 -0700");
}

Test(clock, common_log_format_east_of_greenwich)
{
	char text[27];

	setenv("TZ", "IST-5:30", 1);
	tzset();
	clock_format_clf(0, text);
	cr_expect_str_eq(text, "01/Jan/1970:05:30:00 +0530");
}
