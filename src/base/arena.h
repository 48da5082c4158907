/* Bump allocator of one stream: everything a stream needs comes from its arena and goes with it.
 * Bounded: a stream cannot take more than `max` bytes. */
#ifndef LATCH_BASE_ARENA_H
#define LATCH_BASE_ARENA_H

#include <stddef.h>

#include "base/str.h"

struct arena_chunk;
struct arena {
	struct arena_chunk *chunks; /* newest first; owned */
	size_t used;                /* bytes handed out */
	size_t max;
};

void arena_init(struct arena *a, size_t max);
/* How far it is used. */
struct arena_mark {
	struct arena_chunk *chunk;
	size_t chunk_used, used;
};
struct arena_mark arena_mark(const struct arena *a);
/* Takes back what was handed out since the mark, which must be of this use of the arena. */
void arena_rewind(struct arena *a, struct arena_mark mark);
/* Frees all but the first chunk, which the next stream uses again. */
void arena_reset(struct arena *a);
/* Frees everything. NULL and a zeroed arena are fine. */
void arena_done(struct arena *a);
/* Aligned for any type, not zeroed; NULL: over `max` or out of memory. */
void *arena_alloc(struct arena *a, size_t n);
/* A terminated copy; NULL as above. */
char *arena_strdup(struct arena *a, struct str s);

#endif
