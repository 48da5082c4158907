/* Time, read once a turn, and its spellings: HTTP, RFC 3339, common log format.
 *
 * Keeps the time in globals, since everybody asks. Dates are formatted by hand, because printf and
 * strftime ask the locale and cost more than the request whose answer they date. */
#include "base/clock.h"

#include <string.h>

static struct {
	int64_t ms;
	int64_t wall_ms;
	time_t http_second; /* of http_date */
	char http_date[30];
	time_t clf_second; /* of clf */
	char clf[27];
} state;

static const char day_names[] = "SunMonTueWedThuFriSat";
static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

static int64_t to_ms(const struct timespec *ts)
{
	return (int64_t)ts->tv_sec * 1000 + ts->tv_nsec / 1000000;
}

void clock_update(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	state.ms = to_ms(&ts);
	clock_gettime(CLOCK_REALTIME, &ts);
	state.wall_ms = to_ms(&ts);
}

int64_t clock_ms(void)
{
	return state.ms;
}

int64_t clock_us_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

time_t clock_wall(void)
{
	return (time_t)(state.wall_ms / 1000);
}

int64_t clock_wall_ms(void)
{
	return state.wall_ms;
}

int64_t clock_wall_ms_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return to_ms(&ts);
}

struct str clock_http_date(void)
{
	time_t now = clock_wall();

	if (now != state.http_second || !state.http_date[0]) {
		clock_format_http_date(now, state.http_date);
		state.http_second = now;
	}
	return (struct str){ state.http_date, 29 };
}

/* Decimal with leading zeros; returns where to go on. */
static char *put(char *dst, unsigned n, size_t digits)
{
	for (size_t i = digits; i-- > 0; n /= 10)
		dst[i] = (char)('0' + n % 10);
	return dst + digits;
}

static char *put_text(char *dst, const char *text, size_t n)
{
	memcpy(dst, text, n);
	return dst + n;
}

static char *put_time_of_day(char *dst, const struct tm *tm)
{
	dst = put(dst, (unsigned)tm->tm_hour, 2);
	*dst++ = ':';
	dst = put(dst, (unsigned)tm->tm_min, 2);
	*dst++ = ':';
	return put(dst, (unsigned)tm->tm_sec, 2);
}

/* Years 0 to 9999 are what the formats can hold; a file's time may be anything. */
static time_t clamp(time_t t)
{
	const time_t least = -62135596800, most = 253402300799;

	return t < least ? least : t > most ? most : t;
}

void clock_format_http_date(time_t t, char dst[30])
{
	struct tm tm;

	t = clamp(t);
	gmtime_r(&t, &tm);
	dst = put_text(dst, day_names + 3 * tm.tm_wday, 3);
	dst = put_text(dst, ", ", 2);
	dst = put(dst, (unsigned)tm.tm_mday, 2);
	*dst++ = ' ';
	dst = put_text(dst, month_names + 3 * tm.tm_mon, 3);
	*dst++ = ' ';
	dst = put(dst, (unsigned)(tm.tm_year + 1900), 4);
	*dst++ = ' ';
	dst = put_time_of_day(dst, &tm);
	put_text(dst, " GMT", 5);
}

void clock_format_rfc3339(int64_t wall_ms, char dst[25])
{
	int64_t seconds = wall_ms / 1000, ms = wall_ms % 1000;
	struct tm tm;
	time_t t;

	if (ms < 0)
		ms += 1000, seconds--;
	t = clamp((time_t)seconds);
	gmtime_r(&t, &tm);
	dst = put(dst, (unsigned)(tm.tm_year + 1900), 4);
	*dst++ = '-';
	dst = put(dst, (unsigned)(tm.tm_mon + 1), 2);
	*dst++ = '-';
	dst = put(dst, (unsigned)tm.tm_mday, 2);
	*dst++ = 'T';
	dst = put_time_of_day(dst, &tm);
	*dst++ = '.';
	dst = put(dst, (unsigned)ms, 3);
	put_text(dst, "Z", 2);
}

static void format_clf(time_t t, char *dst)
{
	struct tm tm;
	long offset;

	t = clamp(t);
	localtime_r(&t, &tm);
	offset = tm.tm_gmtoff / 60;
	dst = put(dst, (unsigned)tm.tm_mday, 2);
	*dst++ = '/';
	dst = put_text(dst, month_names + 3 * tm.tm_mon, 3);
	*dst++ = '/';
	dst = put(dst, (unsigned)(tm.tm_year + 1900), 4);
	*dst++ = ':';
	dst = put_time_of_day(dst, &tm);
	*dst++ = ' ';
	*dst++ = offset < 0 ? '-' : '+';
	offset = offset < 0 ? -offset : offset;
	dst = put(dst, (unsigned)(offset / 60), 2);
	dst = put(dst, (unsigned)(offset % 60), 2);
	*dst = '\0';
}

void clock_format_clf(time_t t, char dst[27])
{
	if (t != state.clf_second || !state.clf[0]) {
		format_clf(t, state.clf);
		state.clf_second = t;
	}
	memcpy(dst, state.clf, sizeof(state.clf));
}

/* What is left of a date to parse; `ok` stays false once something did not match. */
struct cursor {
	const char *p, *end;
	bool ok;
};

static void expect(struct cursor *c, const char *text, size_t n)
{
	if (!c->ok || (size_t)(c->end - c->p) < n || memcmp(c->p, text, n) != 0) {
		c->ok = false;
		return;
	}
	c->p += n;
}

static int take_digits(struct cursor *c, size_t n)
{
	uint64_t value;

	if (!c->ok || (size_t)(c->end - c->p) < n ||
		!str_parse_u64((struct str){ c->p, n }, &value)) {
		c->ok = false;
		return 0;
	}
	c->p += n;
	return (int)value;
}

/* Index of the three letters in a table of three-letter names. */
static int take_name(struct cursor *c, const char *names, int count)
{
	for (int i = 0; c->ok && c->end - c->p >= 3 && i < count; i++) {
		if (memcmp(c->p, names + 3 * i, 3) != 0)
			continue;
		c->p += 3;
		return i;
	}
	c->ok = false;
	return 0;
}

static void take_time_of_day(struct cursor *c, struct tm *tm)
{
	tm->tm_hour = take_digits(c, 2);
	expect(c, ":", 1);
	tm->tm_min = take_digits(c, 2);
	expect(c, ":", 1);
	tm->tm_sec = take_digits(c, 2);
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", behind the comma. */
static void parse_imf(struct cursor *c, struct tm *tm)
{
	expect(c, ", ", 2);
	tm->tm_mday = take_digits(c, 2);
	expect(c, " ", 1);
	tm->tm_mon = take_name(c, month_names, 12);
	expect(c, " ", 1);
	tm->tm_year = take_digits(c, 4) - 1900;
	expect(c, " ", 1);
	take_time_of_day(c, tm);
	expect(c, " GMT", 4);
}

/* "Sunday, 06-Nov-94 08:49:37 GMT", behind "Sun". A year that looks to be more than 50 years in
 * the future is the last one in the past with the same digits (RFC 9110 section 5.6.7). */
static void parse_rfc850(struct cursor *c, struct tm *tm, int weekday)
{
	static const char *const rest[] = { "day", "day", "sday", "nesday", "rsday", "day",
		"urday" };
	struct tm now;
	time_t t = clamp(clock_wall());

	gmtime_r(&t, &now);
	expect(c, rest[weekday], strlen(rest[weekday]));
	expect(c, ", ", 2);
	tm->tm_mday = take_digits(c, 2);
	expect(c, "-", 1);
	tm->tm_mon = take_name(c, month_names, 12);
	expect(c, "-", 1);
	tm->tm_year = take_digits(c, 2) + now.tm_year / 100 * 100;
	if (tm->tm_year > now.tm_year + 50)
		tm->tm_year -= 100;
	expect(c, " ", 1);
	take_time_of_day(c, tm);
	expect(c, " GMT", 4);
}

/* "Sun Nov  6 08:49:37 1994", behind "Sun". */
static void parse_asctime(struct cursor *c, struct tm *tm)
{
	expect(c, " ", 1);
	tm->tm_mon = take_name(c, month_names, 12);
	expect(c, " ", 1);
	if (c->ok && c->p < c->end && *c->p == ' ') {
		c->p++;
		tm->tm_mday = take_digits(c, 1);
	} else {
		tm->tm_mday = take_digits(c, 2);
	}
	expect(c, " ", 1);
	take_time_of_day(c, tm);
	expect(c, " ", 1);
	tm->tm_year = take_digits(c, 4) - 1900;
}

/* A leap second is one of the grammar's values. */
static bool is_real_date(const struct tm *tm)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int year = tm->tm_year + 1900;
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	int most = days[tm->tm_mon] + (tm->tm_mon == 1 && leap);

	return tm->tm_mday >= 1 && tm->tm_mday <= most && tm->tm_hour < 24 && tm->tm_min < 60 &&
	       tm->tm_sec <= 60;
}

bool clock_parse_http_date(struct str s, time_t *ret)
{
	struct cursor c = { s.p, s.p + s.n, true };
	struct tm tm = { 0 };
	int weekday = take_name(&c, day_names, 7);

	if (!c.ok || c.p == c.end)
		return false;
	if (*c.p == ',')
		parse_imf(&c, &tm);
	else if (*c.p == ' ')
		parse_asctime(&c, &tm);
	else
		parse_rfc850(&c, &tm, weekday);
	if (!c.ok || c.p != c.end || !is_real_date(&tm))
		return false;
	*ret = timegm(&tm);
	return true;
}
