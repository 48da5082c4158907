/* Writers of HTTP/1 heads: one line a call, straight into the connection's buffer, whole or not at
 * all. Refuses what would break the line (response splitting); knows nothing about which fields a
 * message should have. */
#include "http/head_write.h"

#include "http/chars.h"

static char *put(char *at, struct str s)
{
	memcpy(at, s.p, s.n);
	return at + s.n;
}

static bool write_line(struct buf *out, const struct str *parts, unsigned n)
{
	size_t size = 0;
	char *at;

	for (unsigned i = 0; i < n; i++)
		size += parts[i].n;
	at = buf_reserve(out, size);
	if (!at)
		return false;
	for (unsigned i = 0; i < n; i++)
		if (parts[i].n > 0)
			at = put(at, parts[i]);
	buf_commit(out, size);
	return true;
}

static bool write_unknown_status(struct buf *out, int status)
{
	char code[3] = {
		(char)('0' + status / 100 % 10),
		(char)('0' + status / 10 % 10),
		(char)('0' + status % 10),
	};
	struct str parts[] = { STR("HTTP/1.1 "), { code, 3 }, STR(" "), http_reason(status),
		STR("\r\n") };

	return status >= 100 && status <= 999 && write_line(out, parts, 5);
}

bool head_write_status(struct buf *out, int status)
{
	switch (status) {
#define STATUS(code, phrase)                                                                       \
	case code:                                                                                 \
		return buf_append_str(out, STR("HTTP/1.1 " #code " " phrase "\r\n"));
#include "http/status.def"
#undef STATUS
	default:
		return write_unknown_status(out, status);
	}
}

bool head_write_field(struct buf *out, struct str name, struct str value)
{
	struct str parts[] = { name, STR(": "), value, STR("\r\n") };

	if (!http_is_token(name) || !http_is_field_value(value))
		return false;
	return write_line(out, parts, 4);
}

bool head_write_field_u64(struct buf *out, struct str name, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	return head_write_field(out, name, (struct str){ digits + at, sizeof(digits) - at });
}

bool head_write_end(struct buf *out)
{
	return buf_append_str(out, STR("\r\n"));
}

bool head_write_request_line(struct buf *out, struct str method, struct str target)
{
	struct str parts[] = { method, STR(" "), target, STR(" HTTP/1.1\r\n") };

	if (!http_is_token(method) || target.n == 0 ||
		chars_span(target.p, target.n, CHARS_TARGET) != target.n)
		return false;
	return write_line(out, parts, 4);
}
