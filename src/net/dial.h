/* From a name and a port to a connected socket within one deadline: resolves, and races the
 * addresses of both families (RFC 8305). Blocks; for the client, and for the child that asks a
 * store of ticket keys. A worker never dials. */
#ifndef LATCH_NET_DIAL_H
#define LATCH_NET_DIAL_H

#include "base/err.h"

enum {
	DIAL_STAGGER_MS = 250, /* an address that says nothing is given company after this */
	DIAL_ADDRESSES_MAX = 16,
};

enum dial_result {
	DIAL_CONNECTED,
	DIAL_NO_NAME,
	DIAL_REFUSED, /* any failure that has no name of its own */
	DIAL_TIMED_OUT,
};

struct dial_target {
	const char *host; /* a name, or an address without brackets */
	unsigned port;
	int family;     /* AF_UNSPEC: both */
	int timeout_ms; /* of the resolver and the connection together */
};

/* `ret_fd`: non-blocking, close-on-exec, TCP_NODELAY; -1 on failure. The first address is the one
 * that the resolver puts first, the others follow it family by family in turn; each is tried when
 * the one before failed or was silent for DIAL_STAGGER_MS, and the first that answers wins. */
enum dial_result dial(const struct dial_target *t, int *ret_fd, struct err *e);

#endif
