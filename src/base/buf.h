/* The one growable byte buffer. Bytes are appended at the end and consumed from the front;
 * `max` is a hard bound, so that no peer can make it grow without limit. */
#ifndef LATCH_BASE_BUF_H
#define LATCH_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/str.h"

struct buf {
	char *data; /* owned; NULL while nothing was ever stored */
	size_t off; /* first byte not yet consumed */
	size_t end; /* one behind the last byte */
	size_t cap;
	size_t max; /* 0: no bound (cold paths only) */
};

void buf_init(struct buf *b, size_t max);
/* Frees the memory; the buffer stays usable with its bound. NULL is fine. */
void buf_done(struct buf *b);

static inline size_t buf_len(const struct buf *b)
{
	return b->end - b->off;
}
static inline char *buf_head(struct buf *b)
{
	return b->data + b->off;
}
static inline struct str buf_str(const struct buf *b)
{
	return (struct str){ b->data + b->off, b->end - b->off };
}
static inline void buf_clear(struct buf *b)
{
	b->off = b->end = 0;
}
/* n <= buf_len(b). */
static inline void buf_consume(struct buf *b, size_t n)
{
	b->off += n;
	if (b->off == b->end)
		b->off = b->end = 0;
}

/* Makes room for n more bytes behind the end and returns where they go (then buf_commit()), or
 * NULL: over the bound or out of memory; the buffer is as it was. Moves consumed space away. */
char *buf_reserve(struct buf *b, size_t n);
static inline void buf_commit(struct buf *b, size_t n)
{
	b->end += n;
}
/* Room behind the end that needs no call. */
static inline size_t buf_room(const struct buf *b)
{
	return b->cap - b->end;
}
/* All of it or nothing; false: over the bound or out of memory. */
bool buf_append(struct buf *b, const void *p, size_t n);
static inline bool buf_append_str(struct buf *b, struct str s)
{
	return buf_append(b, s.p, s.n);
}
/* All or nothing as well; needs a byte of room more than it writes. */
bool buf_appendf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Decimal, without printf. */
bool buf_append_u64(struct buf *b, unsigned long long n);
/* A terminated view of the content until the next change, for cold paths; NULL: no room within the
 * bound for the terminator, or out of memory. */
const char *buf_cstring(struct buf *b);

#endif
