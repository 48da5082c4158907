/* From one image of the master to the next, which the same process becomes by exec: what the one
 * has is collected, the other takes it over. */
#ifndef LATCH_MASTER_SUCCESSION_H
#define LATCH_MASTER_SUCCESSION_H

#include <stdbool.h>

#include "master/control.h"
#include "master/handover.h"
#include "master/reload.h"

/* What the environment says of a handover, once: it is taken out. */
struct succession {
	int fd;     /* of the handover; -1: there is none, this is a first start */
	int before; /* of the program before, to become again; -1: there is no way back */
};
void succession_find(struct succession *s);
/* For the image or the child that comes next, in this process; `before` may be -1. 0 or -1. */
int succession_announce(int fd, int before);
/* It did not come. */
void succession_withdraw(int fd, int before);

/* All that there is, with what identifies the program; `h` is zeroed or done before. -1: `e`, and
 * `h` may be half filled. ERR_TEMPORARY: workers of the image before have a board of their own,
 * which cannot be handed on. Gives nothing away. */
int succession_collect(struct handover *h, const struct reload *r, const struct control *c,
	const char *binary, char *const *args, struct err *e);

/* Ring, board and sockets. `r` comes from reload_init_bare(). */
int succession_take_shared(struct reload *r, const struct handover *h, struct err *e);
/* Generations with their workers, after that. On failure they live on. */
int succession_take_workers(struct reload *r, const struct handover *h, struct err *e);

#endif
