/* The listening sockets. They belong to the master and outlive generations: a listener of a new
 * configuration whose address is already listened on takes over that very socket, queue and all.
 *
 * Sockets may also be given by the service manager (latchd.socket): they are matched to listeners
 * by name (FileDescriptorName=), else by address, and never closed. Where some are given, all
 * listeners of that kind (unix or not) must find one, and every one given must be wanted: half of
 * each would hide a mistake until the day when the other half is missed. */
#ifndef LATCH_MASTER_SOCKETS_H
#define LATCH_MASTER_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"
#include "config/findings.h"

struct handover;
struct socket_entry;

/* Zero-initialise. */
struct sockets {
	struct socket_entry *v;
	size_t n, cap;
	int ring_fd; /* of sockets_take_ring() */
	bool has_stored_ring;
	bool ending;
};

/* Takes the sockets that the service manager gives, and those that it kept for us, once, at the
 * start. -1: `e`. */
int sockets_adopt(struct sockets *s, struct err *e);
/* The memory of the ticket ring that the manager kept, now the caller's; -1: none. If it is not
 * good, the manager may drop it. */
int sockets_take_ring(struct sockets *s);
void sockets_drop_ring(struct sockets *s);
/* The service manager's store (FileDescriptorStoreMax=) keeps copies of the ring and of the sockets
 * that we opened, so that neither goes with this process; for the sockets in service, after a
 * commit. */
void sockets_store(struct sockets *s, int ring_fd);
/* From here on sockets are released because we end: the store keeps its copies for the next start.
 * Before, one that is released is dropped there too. */
void sockets_keep_stored(struct sockets *s);
/* A descriptor for each listener of `c`, in its order, each acquired socket counted; the array is
 * the caller's, to be given to sockets_release(). NULL: findings (all that could not be had, each
 * with the place of its listener), and nothing is held. ERR_UNAVAILABLE or ERR_PERMISSION;
 * ERR_CONFIG where listeners and given sockets do not fit together. */
int *sockets_acquire(struct sockets *s, const struct config *c, struct findings *f);
/* Gives the array back; sockets that nobody holds any more are closed (and a unix socket's path is
 * removed). Returns how many were. NULL is fine. */
size_t sockets_release(struct sockets *s, int *fds, size_t n);
/* The new configuration is in force: its backlogs apply to the sockets that were kept. */
void sockets_apply_backlogs(const struct config *c, const int *fds);
void sockets_done(struct sockets *s);

/* Those that there are, for the next image of this process; what fails is lack of memory. */
int sockets_leave(const struct sockets *s, struct handover *ret, struct err *e);
/* Those of the image before; each that its serving generation listens on is held once. */
int sockets_take_over(struct sockets *s, const struct handover *h, struct err *e);

#endif
