/* Writes values so that reading them gives the same field again. Strings keep to one line and to
 * ASCII that libconfig cannot misread: what is not plain becomes \xHH. */
#include "config/format.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "config/config.h"

bool format_string(const char *s, struct buf *out)
{
	bool ok = buf_append(out, "\"", 1);

	for (; ok && *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			ok = buf_appendf(out, "\\%c", c);
		else if (c < ' ' || c == 0x7f)
			ok = buf_appendf(out, "\\x%02x", c);
		else
			ok = buf_append(out, s, 1);
	}
	return ok && buf_append(out, "\"", 1);
}

static int64_t integer(const struct directive *d, const void *field)
{
	uint32_t small;
	int64_t value;

	if (d->width == sizeof(small)) {
		memcpy(&small, field, sizeof(small));
		return small;
	}
	memcpy(&value, field, sizeof(value));
	return value;
}

static bool format_integer(int64_t value, struct buf *out)
{
	return buf_appendf(out, "%lld%s", (long long)value, value > INT32_MAX ? "L" : "");
}

static bool format_word(const char *words, size_t i, struct buf *out)
{
	struct str w = STR("");

	table_word(words, i, &w);
	return buf_appendf(out, "\"" STR_FMT "\"", STR_ARG(w));
}

static bool format_log(const struct directive *d, const void *base, struct buf *out)
{
	static const char *const words[] = {
		[LOG_TARGET_AUTO] = "auto",
		[LOG_TARGET_JOURNAL] = "journal",
		[LOG_TARGET_STDERR] = "stderr",
		[LOG_TARGET_OFF] = "off",
	};
	const enum log_target *target = (const void *)((const char *)base + d->offset);
	const char *const *path = (const void *)((const char *)base + d->offset2);

	return format_string(*target == LOG_TARGET_FILE ? *path : words[*target], out);
}

static bool format_range(const struct sock_range *r, struct buf *out)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	bool v4 = r->prefix >= 96 && !memcmp(r->address, mapped, sizeof(mapped));
	char text[INET6_ADDRSTRLEN] = "";

	if (v4)
		inet_ntop(AF_INET, r->address + 12, text, sizeof(text));
	else
		inet_ntop(AF_INET6, r->address, text, sizeof(text));
	if (r->prefix == 128)
		return buf_appendf(out, "\"%s\"", text);
	return buf_appendf(out, "\"%s/%u\"", text, r->prefix - (v4 ? 96 : 0));
}

static bool format_list(const struct directive *d, const void *base, struct buf *out)
{
	const void *v = *(const void *const *)(const void *)((const char *)base + d->offset);
	size_t n = *(const size_t *)(const void *)((const char *)base + d->offset2);
	bool ok = buf_append(out, "[ ", 2);

	for (size_t i = 0; ok && i < n; i++) {
		ok = i == 0 || buf_append(out, ", ", 2);
		if (ok && d->type != DIRECTIVE_RANGES)
			ok = format_string(((char *const *)v)[i], out);
		else if (ok)
			ok = format_range(&((const struct sock_range *)v)[i], out);
	}
	return ok && (n ? buf_append(out, " ]", 2) : buf_append(out, "]", 1));
}

static bool format_text(const void *field, struct buf *out)
{
	const char *s = *(const char *const *)field;

	return format_string(s ? s : "", out);
}

bool format_value(const struct directive *d, const void *base, struct buf *out)
{
	const void *field = (const char *)base + d->offset;
	char text[32];

	switch (d->type) {
	case DIRECTIVE_GROUP:
	case DIRECTIVE_LIST:
		return true;
	case DIRECTIVE_BOOL:
		return buf_append_str(out, *(const bool *)field ? STR("true") : STR("false"));
	case DIRECTIVE_INT:
	case DIRECTIVE_CHOICE:
		return format_integer(integer(d, field), out);
	case DIRECTIVE_SIZE:
		str_format_size(integer(d, field), text, sizeof(text));
		return format_string(text, out);
	case DIRECTIVE_DURATION:
		str_format_duration(integer(d, field), text, sizeof(text));
		return format_string(text, out);
	case DIRECTIVE_ENUM:
		return format_word(d->unit, (size_t)integer(d, field), out);
	case DIRECTIVE_STRINGS:
	case DIRECTIVE_PATHS:
	case DIRECTIVE_RANGES:
		return format_list(d, base, out);
	case DIRECTIVE_LOG:
		return format_log(d, base, out);
	default:
		return format_text(field, out);
	}
}
