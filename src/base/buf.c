/* The growable byte buffer: making room, moving consumed space away, appending.
 *
 * The capacity never exceeds the bound, so whoever writes into the room that is there cannot
 * break it either. A failed call leaves the content untouched. Doubles when it grows; never
 * shrinks (buf_done() gives the memory back). */
#include "base/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { BUF_FIRST = 256 };

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void buf_done(struct buf *b)
{
	if (!b)
		return;
	free(b->data);
	*b = (struct buf){ .max = b->max };
}

static void move_to_front(struct buf *b)
{
	size_t len = buf_len(b);

	if (!b->off)
		return;
	memmove(b->data, b->data + b->off, len);
	b->off = 0;
	b->end = len;
}

/* `need` bytes are within the bound. */
static bool grow(struct buf *b, size_t need)
{
	size_t bound = b->max ? b->max : SIZE_MAX;
	size_t cap = b->cap ? b->cap : BUF_FIRST;
	char *data;

	while (cap < need && cap <= bound / 2)
		cap *= 2;
	if (cap < need || cap > bound)
		cap = bound == SIZE_MAX ? need : bound;
	data = realloc(b->data, cap);
	if (!data)
		return false;
	b->data = data;
	b->cap = cap;
	return true;
}

char *buf_reserve(struct buf *b, size_t n)
{
	size_t len = buf_len(b);
	size_t need;

	if (b->data && n <= b->cap - b->end)
		return b->data + b->end;
	if (__builtin_add_overflow(len, n, &need) || (b->max && need > b->max))
		return NULL;
	if ((!b->data || need > b->cap) && !grow(b, need))
		return NULL;
	if (n > b->cap - b->end)
		move_to_front(b);
	return b->data + b->end;
}

bool buf_append(struct buf *b, const void *p, size_t n)
{
	char *dst;

	if (!n)
		return true;
	dst = buf_reserve(b, n);
	if (!dst)
		return false;
	memcpy(dst, p, n);
	buf_commit(b, n);
	return true;
}

bool buf_appendf(struct buf *b, const char *fmt, ...)
{
	size_t room = b->data ? buf_room(b) : 0;
	va_list ap;
	char *dst;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(room ? b->data + b->end : NULL, room, fmt, ap);
	va_end(ap);
	if (n < 0)
		return false;
	if ((size_t)n < room) {
		buf_commit(b, (size_t)n);
		return true;
	}
	/* vsnprintf() wants a byte for its terminator; give it one of the bound's if there is. */
	dst = buf_reserve(b, (size_t)n + 1);
	if (!dst)
		return false;
	va_start(ap, fmt);
	vsnprintf(dst, (size_t)n + 1, fmt, ap);
	va_end(ap);
	buf_commit(b, (size_t)n);
	return true;
}

bool buf_append_u64(struct buf *b, unsigned long long n)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	return buf_append(b, digits + at, sizeof(digits) - at);
}

const char *buf_cstring(struct buf *b)
{
	char *end = buf_reserve(b, 1);

	if (!end)
		return NULL;
	*end = '\0';
	return buf_head(b);
}
