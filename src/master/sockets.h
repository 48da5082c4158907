/* The listening sockets. They belong to the master and outlive generations: a listener of a new
 * configuration whose address is already listened on takes over that very socket, queue and all. */
#ifndef LATCH_MASTER_SOCKETS_H
#define LATCH_MASTER_SOCKETS_H

#include <stddef.h>

#include "config/config.h"
#include "config/findings.h"

struct socket_entry;

/* Zero-initialise. */
struct sockets {
	struct socket_entry *v;
	size_t n, cap;
};

/* A descriptor for each listener of `c`, in its order, each acquired socket counted; the array is
 * the caller's, to be given to sockets_release(). NULL: findings (all that could not be had, each
 * with the place of its listener), and nothing is held. ERR_UNAVAILABLE or ERR_PERMISSION. */
int *sockets_acquire(struct sockets *s, const struct config *c, struct findings *f);
/* Gives the array back; sockets that nobody holds any more are closed (and a unix socket's path is
 * removed). Returns how many were. NULL is fine. */
size_t sockets_release(struct sockets *s, int *fds, size_t n);
/* The new configuration is in force: its backlogs apply to the sockets that were kept. */
void sockets_apply_backlogs(const struct config *c, const int *fds);
void sockets_done(struct sockets *s);

#endif
