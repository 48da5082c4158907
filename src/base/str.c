/* Slices, numbers, sizes, durations and edit distance.
 *
 * Refuses: locales, signs, blanks inside numbers, anything silently wrapped or cut. Numbers are
 * read whole or not at all. */
#include "base/str.h"

#include <assert.h>
#include <stdio.h>

bool str_case_eq(struct str a, struct str b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (str_lower((unsigned char)a.p[i]) != str_lower((unsigned char)b.p[i]))
			return false;
	return true;
}

bool str_has_prefix(struct str s, struct str prefix)
{
	return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

bool str_has_suffix(struct str s, struct str suffix)
{
	return s.n >= suffix.n &&
	       (suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

size_t str_find(struct str s, char c, size_t from)
{
	const char *hit;

	if (from >= s.n)
		return s.n;
	hit = memchr(s.p + from, c, s.n - from);
	return hit ? (size_t)(hit - s.p) : s.n;
}

struct str str_trim(struct str s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s.p++, s.n--;
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* Where the first element of the list ends: at a comma outside quotes, or at the end. */
static size_t element_end(struct str s)
{
	bool quoted = false;

	for (size_t i = 0; i < s.n; i++) {
		if (quoted && s.p[i] == '\\' && i + 1 < s.n)
			i++;
		else if (s.p[i] == '"')
			quoted = !quoted;
		else if (s.p[i] == ',' && !quoted)
			return i;
	}
	return s.n;
}

bool str_next_element(struct str *list, struct str *ret_element)
{
	while (list->n) {
		size_t end = element_end(*list);
		size_t skip = end < list->n ? end + 1 : end;
		struct str element = str_trim((struct str){ list->p, end });

		list->p += skip;
		list->n -= skip;
		if (element.n) {
			*ret_element = element;
			return true;
		}
	}
	return false;
}

size_t str_utf8_length(struct str s)
{
	/* Lead bytes with the range of the second byte (Unicode table 3-7). */
	static const struct {
		unsigned char lead_min, lead_max, length, second_min, second_max;
	} forms[] = {
		{ 0xc2, 0xdf, 2, 0x80, 0xbf },
		{ 0xe0, 0xe0, 3, 0xa0, 0xbf },
		{ 0xe1, 0xec, 3, 0x80, 0xbf },
		{ 0xed, 0xed, 3, 0x80, 0x9f },
		{ 0xee, 0xef, 3, 0x80, 0xbf },
		{ 0xf0, 0xf0, 4, 0x90, 0xbf },
		{ 0xf1, 0xf3, 4, 0x80, 0xbf },
		{ 0xf4, 0xf4, 4, 0x80, 0x8f },
	};
	const unsigned char *p = (const unsigned char *)s.p;

	if (!s.n)
		return 0;
	if (p[0] < 0x80)
		return 1;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (p[0] < forms[i].lead_min || p[0] > forms[i].lead_max)
			continue;
		if (s.n < forms[i].length || p[1] < forms[i].second_min ||
			p[1] > forms[i].second_max)
			return 0;
		for (size_t k = 2; k < forms[i].length; k++)
			if ((p[k] & 0xc0) != 0x80)
				return 0;
		return forms[i].length;
	}
	return 0;
}

bool str_parse_u64(struct str s, uint64_t *ret)
{
	uint64_t value = 0;

	if (!s.n)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned digit = (unsigned char)s.p[i] - (unsigned)'0';

		if (digit > 9 || __builtin_mul_overflow(value, (uint64_t)10, &value) ||
			__builtin_add_overflow(value, (uint64_t)digit, &value))
			return false;
	}
	*ret = value;
	return true;
}

struct unit {
	const char *name;
	int64_t factor;
};

/* Largest first: formatting takes the first that divides. */
static const struct unit size_units[] = {
	{ "G", INT64_C(1) << 30 },
	{ "M", INT64_C(1) << 20 },
	{ "K", INT64_C(1) << 10 },
	{ "", 1 },
};
static const struct unit duration_units[] = {
	{ "d", 86400000 },
	{ "h", 3600000 },
	{ "m", 60000 },
	{ "s", 1000 },
	{ "ms", 1 },
};
enum { SIZE_UNITS = 4, DURATION_UNITS = 5 };

static bool parse_with_unit(struct str s, const struct unit *units, size_t n, int64_t *ret)
{
	size_t digits = 0;
	uint64_t number;
	int64_t value;

	while (digits < s.n && s.p[digits] >= '0' && s.p[digits] <= '9')
		digits++;
	if (!str_parse_u64((struct str){ s.p, digits }, &number) || number > INT64_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!str_eq((struct str){ s.p + digits, s.n - digits }, str_of(units[i].name)))
			continue;
		if (__builtin_mul_overflow((int64_t)number, units[i].factor, &value))
			return false;
		*ret = value;
		return true;
	}
	return false;
}

bool str_parse_size(struct str s, int64_t *ret_bytes)
{
	return parse_with_unit(s, size_units, SIZE_UNITS, ret_bytes);
}

bool str_parse_duration(struct str s, int64_t *ret_ms)
{
	if (str_eq(s, STR("0"))) {
		*ret_ms = 0;
		return true;
	}
	return parse_with_unit(s, duration_units, DURATION_UNITS, ret_ms);
}

static const char *format_with_unit(int64_t value, const struct unit *units, char *dst, size_t size)
{
	assert(value >= 0);
	if (value == 0) {
		snprintf(dst, size, "0");
		return dst;
	}
	while (value % units->factor) /* the last factor is 1 */
		units++;
	snprintf(dst, size, "%lld%s", (long long)(value / units->factor), units->name);
	return dst;
}

const char *str_format_size(int64_t bytes, char *dst, size_t size)
{
	return format_with_unit(bytes, size_units, dst, size);
}

const char *str_format_duration(int64_t ms, char *dst, size_t size)
{
	return format_with_unit(ms, duration_units, dst, size);
}

enum { DISTANCE_MAX = 63 };

size_t str_distance(struct str a, struct str b)
{
	unsigned char row[DISTANCE_MAX + 1];

	if (a.n > DISTANCE_MAX || b.n > DISTANCE_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= b.n; j++)
		row[j] = (unsigned char)j;
	for (size_t i = 1; i <= a.n; i++) {
		unsigned char diagonal = row[0];

		row[0] = (unsigned char)i;
		for (size_t j = 1; j <= b.n; j++) {
			unsigned char above = row[j];
			bool same = str_lower((unsigned char)a.p[i - 1]) ==
				    str_lower((unsigned char)b.p[j - 1]);
			unsigned best = diagonal + !same;

			if (above + 1u < best)
				best = above + 1u;
			if (row[j - 1] + 1u < best)
				best = row[j - 1] + 1u;
			diagonal = above;
			row[j] = (unsigned char)best;
		}
	}
	return row[b.n];
}
