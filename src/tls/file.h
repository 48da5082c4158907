/* Reads the files of TLS (certificates, keys, pass phrases, ...) whole, and tells what each was:
 * its digest, and the stamp by which a later look tells whether it is the same. */
#ifndef LATCH_TLS_FILE_H
#define LATCH_TLS_FILE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "tls/digest.h"

enum { FILE_SIZE_MAX = 1 << 20 };

/* The content of a regular file of at most 1 MiB into `b`, which is empty and gets its bound here.
 * What was read is added to `digests` (NULL: not wanted). -1: `e` at the file, in words for whoever
 * named it; then too the caller gives `b` back, with file_forget(). */
int file_read(const char *path, struct digest_list *digests, struct buf *b, struct err *e);
/* Wipes what was read: it may be a secret. */
void file_forget(struct buf *b);

/* The stamp of the file that is at `path` now; all zero: there is none, or it changed so recently
 * that another change might not show. */
struct digest_stamp file_stamp(const char *path);
/* Is the file at `path` surely the one that had this stamp? */
bool file_has_stamp(const char *path, const struct digest_stamp *stamp);

#endif
