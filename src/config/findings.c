/* The list of what was found. It only grows and never decides: who reads the list decides. When
 * memory runs out the errors are still counted, so that a rejected configuration is never taken for
 * good. */
#include "config/findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void findings_done(struct findings *f)
{
	if (!f)
		return;
	free(f->v);
	*f = (struct findings){ 0 };
}

/* One line, and nothing that a terminal would obey. */
static void make_plain(char *text)
{
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
}

static void add(struct findings *f, bool is_error, enum err_code code, const char *file, int line,
	const char *fmt, va_list ap)
{
	char text[sizeof(((struct err *)0)->text)];

	if (is_error)
		f->errors++;
	if (f->n == f->cap) {
		size_t cap = f->cap ? 2 * f->cap : 16;
		void *v = realloc(f->v, cap * sizeof(*f->v));
		if (!v)
			return;
		f->v = v;
		f->cap = cap;
	}
	vsnprintf(text, sizeof(text), fmt, ap);
	make_plain(text);
	f->v[f->n] = (struct finding){ .is_error = is_error };
	err_at(&f->v[f->n].err, code, file, line, "%s", text);
	make_plain(f->v[f->n].err.file);
	f->n++;
}

void findings_error(
	struct findings *f, enum err_code code, const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(f, true, code, file, line, fmt, ap);
	va_end(ap);
}

void findings_warning(struct findings *f, const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(f, false, ERR_NONE, file, line, fmt, ap);
	va_end(ap);
}

/* By file (in the order of the names), line, and then as they came. */
static int compare(const void *a, const void *b)
{
	const struct finding *x = a, *y = b;
	bool no_x = !x->err.file[0], no_y = !y->err.file[0];
	int r = strcmp(x->err.file, y->err.file);

	if (no_x != no_y)
		return no_x - no_y;
	if (r)
		return r;
	return x->err.line < y->err.line ? -1 : x->err.line > y->err.line;
}

static bool is_same(const struct finding *a, const struct finding *b)
{
	return a->is_error == b->is_error && a->err.line == b->err.line &&
	       !strcmp(a->err.file, b->err.file) && !strcmp(a->err.text, b->err.text);
}

/* An insertion sort, because it keeps the order of equals; there are as many as one person made. */
void findings_sort(struct findings *f)
{
	size_t kept = 0;

	for (size_t i = 1; i < f->n; i++) {
		struct finding one = f->v[i];
		size_t k = i;

		for (; k > 0 && compare(&f->v[k - 1], &one) > 0; k--)
			f->v[k] = f->v[k - 1];
		f->v[k] = one;
	}
	for (size_t i = 0; i < f->n; i++) {
		bool repeated = false;

		for (size_t k = kept; k > 0 && !compare(&f->v[k - 1], &f->v[i]) && !repeated; k--)
			repeated = is_same(&f->v[k - 1], &f->v[i]);
		if (repeated)
			f->errors -= f->v[i].is_error;
		else
			f->v[kept++] = f->v[i];
	}
	f->n = kept;
}

const struct err *findings_first(const struct findings *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->v[i].is_error)
			return &f->v[i].err;
	return NULL;
}

int findings_code(const struct findings *f)
{
	const struct err *first = findings_first(f);

	if (first)
		return (int)first->code;
	return f->errors ? (int)ERR_SYSTEM : 0;
}
