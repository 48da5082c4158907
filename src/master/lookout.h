/* Notices that something happened to files, wherever their names lead: renamed into place, written,
 * removed, or a symbolic link on the way to them exchanged. It watches directories (inotify), for a
 * file that is replaced is another file; so it tells that something happened near one of the files,
 * not what, and now and then it is nothing. */
#ifndef LATCH_MASTER_LOOKOUT_H
#define LATCH_MASTER_LOOKOUT_H

#include <stddef.h>
#include <systemd/sd-event.h>

#include "base/err.h"

typedef void lookout_fn(void *data);

/* Zero-initialise. */
struct lookout {
	int fd;              /* with `io` NULL: none */
	sd_event_source *io; /* NULL: not open */
	lookout_fn *happened;
	void *data;
	char *folder; /* of the file that was added last, watched; owned */
};

/* -1: `e`. */
int lookout_open(
	struct lookout *l, sd_event *event, lookout_fn *happened, void *data, struct err *e);
/* The file that is, or may come, at an absolute path. 0, or -1 with errno: not all of the way is
 * watched; ENOSPC: the kernel watches no more for this user. Again for a path whose links lead
 * elsewhere by now. */
int lookout_add(struct lookout *l, const char *path);
/* Nothing is watched any more. Idempotent. */
void lookout_close(struct lookout *l);

#endif
