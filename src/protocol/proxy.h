/* The PROXY protocol, versions 1 and 2: the header that a proxy puts in front of a connection, to
 * tell who connected to it (the specification is proxy-protocol.txt of HAProxy). Pure: bytes in, a
 * decision out. Strict: what is not exactly such a header ends the connection, because a guess
 * would let a client choose its own address. */
#ifndef LATCH_PROTOCOL_PROXY_H
#define LATCH_PROTOCOL_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "http/message.h"

/* The longest header that is taken, with all its TLVs (which are skipped). */
enum { PROXY_HEADER_MAX = 4096 };

struct proxy_header {
	/* LOCAL, UNKNOWN or UNSPEC: the proxy itself speaks, the address of the socket is right. */
	bool is_own;
	struct sockaddr_storage
		source; /* with its port; a unix address has no path; unless is_own */
};

/* The n bytes that have come, from the first on. DONE: the header is the first *ret_used of them.
 * MORE: all of them belong to the header. BAD: `ret_reason` is a static sentence. */
enum parse_status proxy_parse(const char *p, size_t n, struct proxy_header *ret, size_t *ret_used,
	const char **ret_reason);

#endif
