/* The character classes of the HTTP and URI grammars as one table of 256 bytes. */
#ifndef LATCH_HTTP_CHARS_H
#define LATCH_HTTP_CHARS_H

#include <stdbool.h>
#include <stddef.h>

enum chars {
	CHARS_TOKEN = 1,  /* tchar, RFC 9110 section 5.6.2 */
	CHARS_VALUE = 2,  /* HTAB, SP, VCHAR and obs-text, RFC 9110 section 5.5 */
	CHARS_TARGET = 4, /* of a request target: all that RFC 3986 knows but "#", and what browsers
			   * send besides: [ ] \ ^ ` { | } */
	CHARS_PATH = 8,   /* of its path: pchar, "/", "%", and what browsers send there: [ ] ^ | */
	CHARS_PCHAR = 16, /* pchar of RFC 3986 section 3.3 but "%", and "/": goes as it is */
	CHARS_HOST = 32, /* unreserved and sub-delims: reg-name of RFC 3986 section 3.2.2 but "%" */
	CHARS_HEX = 64,
	CHARS_ETAG = 128, /* etagc, RFC 9110 section 8.8.3 */
};

extern const unsigned char chars_table[256];

static inline bool chars_is(char c, enum chars class)
{
	return chars_table[(unsigned char)c] & class;
}

/* How many bytes at the beginning of p[0..n) are of the class. */
static inline size_t chars_span(const char *p, size_t n, enum chars class)
{
	size_t i = 0;

	while (i < n && chars_is(p[i], class))
		i++;
	return i;
}

/* The same for CHARS_VALUE, eight bytes at a time. */
size_t chars_span_value(const char *p, size_t n);

/* A token in lower case to `to`, which has room for n bytes. False: it is none (or empty), and
 * what was written is of no use. */
bool chars_lower_token(char *to, const char *p, size_t n);

/* The value of a hexadecimal digit; -1 for any other byte. */
static inline int chars_hex(char c)
{
	if (!chars_is(c, CHARS_HEX))
		return -1;
	return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

#endif
