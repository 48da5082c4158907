/* Files coded for their way over the network, once for each content and coding: the result is kept
 * by filecache under what tells contents apart. gzip, zstd and brotli come from their libraries,
 * each of which a build may do without. */
#ifndef LATCH_HANDLER_COMPRESS_H
#define LATCH_HANDLER_COMPRESS_H

#include "handler/filecache.h"
#include "http/negotiate.h"

enum {
	COMPRESS_MIN = 1024,            /* bytes; less is not worth it */
	COMPRESS_MAX = 4 * 1024 * 1024, /* more is sent as it is */
};

enum compressed {
	COMPRESSED,       /* *ret, held */
	COMPRESS_LATER,   /* under way: ask again in the next turn */
	COMPRESS_USELESS, /* it would be no smaller, or cannot be done, or not now */
};

/* Is that coding in this build? */
bool compress_has(enum coding coding);
/* Is it text of a size that is worth it? */
bool compress_is_worth(const struct file *f);
/* `f` is held, and worth it. `must`: nothing else will do, so wait for the work of others too. */
enum compressed compress_get(
	struct filecache *c, struct file *f, enum coding coding, bool must, struct file **ret);

#endif
