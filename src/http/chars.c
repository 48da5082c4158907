/* Character classes. The parsers of this folder ask one table instead of comparing ranges, so that
 * a byte costs one load and the grammar is written down in one place. Refuses nothing by itself:
 * what a class means for a message is decided where it is asked. */
#include "http/chars.h"

#include <stdint.h>
#include <string.h>

#include "base/str.h"

enum {
	VISIBLE = CHARS_VALUE | CHARS_ETAG,
	TARGET = VISIBLE | CHARS_TARGET,
	PATH = TARGET | CHARS_PATH,
	PCHAR = PATH | CHARS_PCHAR,
	DELIM = PCHAR | CHARS_HOST,
	UNRESERVED = DELIM | CHARS_TOKEN,
	HEXDIGIT = UNRESERVED | CHARS_HEX,
};

const unsigned char chars_table[256] = {
	['\t'] = CHARS_VALUE,
	[' '] = CHARS_VALUE,
	['"'] = CHARS_VALUE,
	['<'] = VISIBLE,
	['>'] = VISIBLE,
	['#'] = VISIBLE | CHARS_TOKEN,

	['0' ... '9'] = HEXDIGIT,
	['A' ... 'F'] = HEXDIGIT,
	['G' ... 'Z'] = UNRESERVED,
	['a' ... 'f'] = HEXDIGIT,
	['g' ... 'z'] = UNRESERVED,
	['-'] = UNRESERVED,
	['.'] = UNRESERVED,
	['_'] = UNRESERVED,
	['~'] = UNRESERVED,

	/* sub-delims, of which some are tchar */
	['!'] = UNRESERVED,
	['$'] = UNRESERVED,
	['&'] = UNRESERVED,
	['\''] = UNRESERVED,
	['*'] = UNRESERVED,
	['+'] = UNRESERVED,
	['('] = DELIM,
	[')'] = DELIM,
	[','] = DELIM,
	[';'] = DELIM,
	['='] = DELIM,

	[':'] = PCHAR,
	['@'] = PCHAR,
	['/'] = PCHAR,
	['%'] = PATH | CHARS_TOKEN,
	['?'] = TARGET,

	/* not of RFC 3986 in these places, but sent by browsers */
	['['] = PATH,
	[']'] = PATH,
	['^'] = PATH | CHARS_TOKEN,
	['|'] = PATH | CHARS_TOKEN,
	['`'] = TARGET | CHARS_TOKEN,
	['{'] = TARGET,
	['}'] = TARGET,
	['\\'] = TARGET,

	[0x80 ... 0xff] = VISIBLE,
};

/* Eight bytes of which none is a control; HTAB counts as one here. */
static bool is_plain(const char *p)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	const uint64_t high = ones * 0x80;
	uint64_t word;
	uint64_t del;

	memcpy(&word, p, sizeof(word));
	del = word ^ (ones * 0x7f);
	return ((((word - ones * 0x20) & ~word) | ((del - ones) & ~del)) & high) == 0;
}

size_t chars_span_value(const char *p, size_t n)
{
	size_t i = 0;

	while (i < n) {
		if (n - i >= 8 && is_plain(p + i))
			i += 8;
		else if (n >= 8 && n - i < 8 && is_plain(p + n - 8)) /* the last ones, some again */
			i = n;
		else if (chars_is(p[i], CHARS_VALUE))
			i++;
		else
			break;
	}
	return i;
}

bool chars_lower_token(char *to, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!chars_is(p[i], CHARS_TOKEN))
			return false;
		to[i] = (char)str_lower((unsigned char)p[i]);
	}
	return n > 0;
}
