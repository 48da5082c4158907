/* The ticket ring: session-ticket keys in shared memory, made and rotated by the master, read by
 * all workers of all generations (RFC 5077 section 4, RFC 8446 section 4.6.1).
 *
 * A sealed memfd with a sequence lock. The newest key encrypts, all decrypt. A ticket that was
 * decrypted is renewed, also on a resumed TLS 1.3 connection (the callback returns 2), so that a
 * client that uses each ticket once can go on resuming. */
#ifndef LATCH_TLS_TICKET_H
#define LATCH_TLS_TICKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct ssl_ctx_st;
struct ticket_ring; /* the mapping; opaque */
struct tls_secret;

enum { TICKET_KEEP_MAX = 8 };

/* From which slice on the keys follow from which secret, for all we know. */
struct ticket_era {
	int64_t slice;
	struct tls_secret *secret;
	bool is_sure; /* other machines know it too */
};

/* A new ring with one key; the caller's mapping is writable. NULL: `e`. The descriptor (see
 * ticket_ring_fd) is close-on-exec, size-sealed. */
struct ticket_ring *ticket_ring_new(struct err *e);
/* The ring of a master before this one, from a descriptor of its memory: kept by the service
 * manager. NULL: it is not one of this version, or not whole; the descriptor is closed. */
struct ticket_ring *ticket_ring_adopt(int fd, struct err *e);
/* When the newest key was made, on the clock of clock_us_now(); never in the future. */
int64_t ticket_ring_rotated_ms(const struct ticket_ring *r);
/* A second, read-only view of the same memory for a worker; the writable one is unmapped in this
 * process. 0 or -1. */
int ticket_ring_make_readonly(struct ticket_ring *r, struct err *e);
void ticket_ring_free(struct ticket_ring *r);
int ticket_ring_fd(const struct ticket_ring *r); /* -1 once it is read-only */
/* Puts a new key in front; `keep` older ones stay (1 to TICKET_KEEP_MAX - 1), older are wiped. */
int ticket_ring_rotate(struct ticket_ring *r, unsigned keep, struct err *e);
/* Puts the keys of secrets into it for the time `now_ms` (of the wall clock), made for slices of
 * `rotate_ms`: that of this slice in front, `keep` before it, and, for machines whose clocks are
 * ahead, the next. The eras are in order, n of them; slices before the first have no key, and this
 * slice must have one. Tickets are made with the last era that is sure, and those of machines that
 * know one more or one less are taken too. Keys that were there before, and are none of these, are
 * taken for as long as their tickets live, `keep` slices. */
int ticket_ring_derive(struct ticket_ring *r, const struct ticket_era *eras, size_t n,
	int64_t now_ms, int64_t rotate_ms, unsigned keep, struct err *e);
/* Are its keys those of a secret? */
bool ticket_ring_is_derived(const struct ticket_ring *r);
/* Installs the callback. The ring must outlive the context. One ticket a handshake. */
void ticket_ring_use(struct ticket_ring *r, struct ssl_ctx_st *ctx);

#endif
