/* Bump allocator: chunks of memory handed out from the front and given back all at once.
 *
 * The first chunk is kept over resets, so that a connection that serves one stream after the other
 * allocates once. What is larger than a chunk gets a chunk of its own size. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_CHUNK = 4096 - 16 /* a page with malloc's own header */ };

struct arena_chunk {
	struct arena_chunk *next; /* the older one */
	size_t used;
	size_t size;
	alignas(max_align_t) unsigned char bytes[];
};

void arena_init(struct arena *a, size_t max)
{
	*a = (struct arena){ .max = max };
}

struct arena_mark arena_mark(const struct arena *a)
{
	return (struct arena_mark){ a->chunks, a->chunks ? a->chunks->used : 0, a->used };
}

void arena_rewind(struct arena *a, struct arena_mark mark)
{
	if (!mark.chunk) { /* the arena was new */
		arena_reset(a);
		return;
	}
	while (a->chunks != mark.chunk) {
		struct arena_chunk *older = a->chunks->next;

		free(a->chunks);
		a->chunks = older;
	}
	a->chunks->used = mark.chunk_used;
	a->used = mark.used;
}

void arena_reset(struct arena *a)
{
	struct arena_chunk *c = a->chunks;

	a->used = 0;
	if (!c)
		return;
	while (c->next) {
		struct arena_chunk *older = c->next;

		free(c);
		c = older;
	}
	c->used = 0;
	a->chunks = c;
}

void arena_done(struct arena *a)
{
	if (!a)
		return;
	arena_reset(a);
	free(a->chunks);
	a->chunks = NULL;
}

static struct arena_chunk *add_chunk(struct arena *a, size_t need)
{
	size_t size = ARENA_CHUNK - sizeof(struct arena_chunk);
	struct arena_chunk *c;

	if (size < need)
		size = need;
	c = malloc(sizeof(*c) + size);
	if (!c)
		return NULL;
	c->next = a->chunks;
	c->used = 0;
	c->size = size;
	a->chunks = c;
	return c;
}

static void *take(struct arena *a, size_t n, size_t align)
{
	struct arena_chunk *c = a->chunks;
	size_t at;

	if (n > a->max - a->used)
		return NULL;
	at = c ? (c->used + align - 1) & ~(align - 1) : 0;
	if (!c || at > c->size || n > c->size - at) {
		c = add_chunk(a, n);
		if (!c)
			return NULL;
		at = 0;
	}
	c->used = at + n;
	a->used += n;
	return c->bytes + at;
}

void *arena_alloc(struct arena *a, size_t n)
{
	return take(a, n, alignof(max_align_t));
}

char *arena_strdup(struct arena *a, struct str s)
{
	char *copy = s.n < SIZE_MAX ? take(a, s.n + 1, 1) : NULL;

	if (!copy)
		return NULL;
	if (s.n)
		memcpy(copy, s.p, s.n);
	copy[s.n] = '\0';
	return copy;
}
