/* The program that an upgrade runs: its path is fixed at the start, and nobody whom a break-in
 * could reach may change what is there. */
#ifndef LATCH_MASTER_BINARY_H
#define LATCH_MASTER_BINARY_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/err.h"

/* Where this program came from: absolute, links resolved; the caller's. NULL: `e`. */
char *binary_path(struct err *e);
/* A descriptor of this very program, to be run again whatever happens to its path; close-on-exec.
 */
int binary_open_self(struct err *e);
/* Is there a program at `path` that the service's user, whose ids these are, can neither write nor
 * replace? Root may, of course, if that is who it is. *ret identifies the file. -1: `e`,
 * ERR_PERMISSION or ERR_UNAVAILABLE. */
int binary_judge(const char *path, uid_t uid, gid_t gid, struct stat *ret, struct err *e);
/* Is it still the file that was judged, unchanged? */
bool binary_is_same(const char *path, const struct stat *judged);

#endif
