/* Opens a path beneath a folder, following symbolic links that do not lead out of it, without
 * openat2(2): for kernels and sandboxes that have none (RestrictSUIDSGID= of systemd 252). */
#ifndef LATCH_HANDLER_BENEATH_H
#define LATCH_HANDLER_BENEATH_H

#include <stdbool.h>

/* As openat2(root, path, flags, RESOLVE_BENEATH [| RESOLVE_NO_SYMLINKS]). -1 with errno; EXDEV: it
 * leads out of the folder; ELOOP: a link where none may be, or too many. */
int beneath_open(int root, const char *path, int flags, bool links);

#endif
