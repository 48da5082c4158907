/* The error record: filling it, putting context in front, printing it.
 *
 * Every text is cut at the record's size rather than refused, so that reporting an error can
 * itself never fail and never allocates. This room prints nothing: only the top logs. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void set_file(struct err *e, const char *file, int line)
{
	size_t n = file ? strlen(file) : 0;
	size_t skip = n < sizeof(e->file) ? 0 : n - (sizeof(e->file) - 1);

	n -= skip; /* the end of a path says more than its start */
	if (n)
		memmove(e->file, file + skip, n);
	e->file[n] = '\0';
	e->line = line;
}

/* By way of a copy, because an argument may point into the record itself. */
static void set_text(struct err *e, const char *fmt, va_list ap)
{
	char text[sizeof(e->text)];

	vsnprintf(text, sizeof(text), fmt, ap);
	memcpy(e->text, text, sizeof(text));
}

static void append_text(struct err *e, const char *text)
{
	size_t used = strlen(e->text);
	size_t room = sizeof(e->text) - 1 - used;
	size_t n = strlen(text);

	if (n > room)
		n = room;
	memcpy(e->text + used, text, n);
	e->text[used + n] = '\0';
}

int err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return -1;
	va_start(ap, fmt);
	set_text(e, fmt, ap);
	va_end(ap);
	e->code = code;
	set_file(e, NULL, 0);
	return -1;
}

int err_at(struct err *e, enum err_code code, const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return -1;
	va_start(ap, fmt);
	set_text(e, fmt, ap);
	va_end(ap);
	e->code = code;
	set_file(e, file, line);
	return -1;
}

int err_errno(struct err *e, enum err_code code, int errnum, const char *fmt, ...)
{
	char reason[128];
	va_list ap;

	if (!e)
		return -1;
	va_start(ap, fmt);
	set_text(e, fmt, ap);
	va_end(ap);
	e->code = code;
	set_file(e, NULL, 0);
	append_text(e, ": ");
	append_text(e, strerror_r(errnum, reason, sizeof(reason)));
	return -1;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
	char old[sizeof(e->text)];
	va_list ap;

	if (!e)
		return -1;
	memcpy(old, e->text, sizeof(old));
	va_start(ap, fmt);
	set_text(e, fmt, ap);
	va_end(ap);
	append_text(e, ": ");
	append_text(e, old);
	return -1;
}

const char *err_format(const struct err *e, char *dst, unsigned long size)
{
	if (!e->file[0])
		snprintf(dst, size, "%s", e->text);
	else if (e->line > 0)
		snprintf(dst, size, "%s:%d: %s", e->file, e->line, e->text);
	else
		snprintf(dst, size, "%s: %s", e->file, e->text);
	return dst;
}
