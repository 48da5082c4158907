/* JSON writer: commas, keys, escaping.
 *
 * Always writes valid JSON whatever bytes it is given; numbers that JSON does not know (NaN, the
 * infinities) become null. It checks no nesting: the callers' code is the grammar. */
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void json_init(struct json *j, struct buf *out)
{
	*j = (struct json){ .out = out };
}

static void put(struct json *j, const void *p, size_t n)
{
	if (!j->failed && !buf_append(j->out, p, n))
		j->failed = true;
}

/* Length of the run at the start that needs no escape; bytes from 0x80 up are looked at apart. */
static size_t plain_run(struct str s)
{
	size_t i = 0;

	while (i < s.n) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
			break;
		i++;
	}
	return i;
}

static void put_code_point(struct json *j, unsigned code)
{
	static const char hex[] = "0123456789abcdef";
	const char text[6] = { '\\', 'u', '0', '0', hex[code >> 4 & 15], hex[code & 15] };

	put(j, text, sizeof(text));
}

/* One character that is not plain; returns how many bytes of the input it was. */
static size_t put_special(struct json *j, struct str s)
{
	static const char short_from[] = "\"\\\b\f\n\r\t", short_to[] = "\"\\bfnrt";
	unsigned char c = (unsigned char)s.p[0];
	const char *hit = c ? strchr(short_from, c) : NULL;
	size_t n = str_utf8_length(s);

	if (hit) {
		const char text[2] = { '\\', short_to[hit - short_from] };

		put(j, text, sizeof(text));
	} else if (c < 0x20 || c == 0x7f) {
		put_code_point(j, c);
	} else if (n == 0) {
		put(j, "\xef\xbf\xbd", 3);
		return 1;
	} else if (c == 0xc2 && (unsigned char)s.p[1] < 0xa0) { /* C1 controls */
		put_code_point(j, (unsigned char)s.p[1]);
	} else {
		put(j, s.p, n);
	}
	return n;
}

static void put_quoted(struct json *j, struct str s)
{
	put(j, "\"", 1);
	while (s.n) {
		size_t n = plain_run(s);

		if (n)
			put(j, s.p, n);
		else
			n = put_special(j, s);
		s.p += n;
		s.n -= n;
	}
	put(j, "\"", 1);
}

/* What stands in front of every value. */
static void begin(struct json *j, const char *key)
{
	if (j->comma)
		put(j, ",", 1);
	if (key) {
		put_quoted(j, str_of(key));
		put(j, ":", 1);
	}
	j->comma = true;
}

static void open_with(struct json *j, const char *key, const char *bracket)
{
	begin(j, key);
	put(j, bracket, 1);
	j->comma = false;
}

static void close_with(struct json *j, const char *bracket)
{
	put(j, bracket, 1);
	j->comma = true;
}

void json_object_open(struct json *j, const char *key)
{
	open_with(j, key, "{");
}

void json_object_close(struct json *j)
{
	close_with(j, "}");
}

void json_array_open(struct json *j, const char *key)
{
	open_with(j, key, "[");
}

void json_array_close(struct json *j)
{
	close_with(j, "]");
}

void json_str(struct json *j, const char *key, struct str s)
{
	begin(j, key);
	if (s.p)
		put_quoted(j, s);
	else
		put(j, "null", 4);
}

static void put_u64(struct json *j, uint64_t n)
{
	if (!j->failed && !buf_append_u64(j->out, n))
		j->failed = true;
}

void json_int(struct json *j, const char *key, int64_t n)
{
	begin(j, key);
	if (n < 0)
		put(j, "-", 1);
	put_u64(j, n < 0 ? -(uint64_t)n : (uint64_t)n);
}

void json_uint(struct json *j, const char *key, uint64_t n)
{
	begin(j, key);
	put_u64(j, n);
}

/* The shortest of the two spellings that reads back as the same number. */
void json_double(struct json *j, const char *key, double n)
{
	char text[40];
	int len;

	begin(j, key);
	if (!isfinite(n)) {
		put(j, "null", 4);
		return;
	}
	len = snprintf(text, sizeof(text), "%.15g", n);
	if (strtod(text, NULL) != n)
		len = snprintf(text, sizeof(text), "%.17g", n);
	put(j, text, (size_t)len);
}

void json_bool(struct json *j, const char *key, bool b)
{
	begin(j, key);
	put(j, b ? "true" : "false", b ? 4 : 5);
}
