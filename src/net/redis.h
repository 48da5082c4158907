/* The protocol of Redis and Valkey (RESP2), as bytes: commands out of words, replies out of what a
 * server sent, which is hostile. No I/O. Without hiredis nothing of it works: redis_is_built(). */
#ifndef LATCH_NET_REDIS_H
#define LATCH_NET_REDIS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"

enum {
	REDIS_TEXT_MAX = 256,       /* of a reply, as kept */
	REDIS_INPUT_MAX = 64 << 10, /* of all replies of a parser together */
	REDIS_WORDS_MAX = 8,
};

enum redis_kind { REDIS_STATUS, REDIS_ERROR, REDIS_INTEGER, REDIS_NIL, REDIS_BYTES };

struct redis_reply {
	enum redis_kind kind;
	size_t n;                  /* how long it was */
	char text[REDIS_TEXT_MAX]; /* as much of it as there is room for, no end behind it */
};

enum redis_result { REDIS_COMPLETE, REDIS_MORE, REDIS_GARBAGE };

bool redis_is_built(void);
/* Appends the command; false: over the bound of `out`, or out of memory. */
bool redis_format(struct buf *out, const struct str *words, size_t n);

struct redis_parser;                            /* heap */
struct redis_parser *redis_parser_new(void);    /* NULL: out of memory */
void redis_parser_free(struct redis_parser *p); /* NULL is fine */
/* What came. False: it is too much, or out of memory. */
bool redis_feed(struct redis_parser *p, const void *bytes, size_t n);
/* The next reply. GARBAGE: no such protocol, or a reply of a kind that no command of ours has. */
enum redis_result redis_next(struct redis_parser *p, struct redis_reply *ret);

#endif
