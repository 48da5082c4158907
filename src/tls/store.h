/* The secrets of ticket keys in a store that machines share, a secret for each slice of time: who
 * comes first makes it (SET NX), all others get that one. A conversation of a few commands, which
 * blocks: for a child of the master. What the store says is hostile. */
#ifndef LATCH_TLS_STORE_H
#define LATCH_TLS_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "net/store_url.h"
#include "tls/ticket.h"

enum {
	STORE_SECRET_SIZE = 32,
	STORE_SLOTS_MAX = TICKET_KEEP_MAX + 1, /* those that are kept, this one, the next */
};

struct store_query {
	const struct store_url *url;
	int64_t rotate_ms;
	int64_t slice; /* the one of now: it and the next are made if they are not there */
	unsigned keep; /* how many before it are asked for, less than TICKET_KEEP_MAX */
	int timeout_ms;
	/* Called once the connection is there, before a byte of it is read: rights can go. NULL:
	 * nothing. */
	void (*connected)(void *data);
	void *data;
};

/* By slice, the oldest first; this slice and the next are always among them. */
struct store_answer {
	unsigned n;
	struct {
		int64_t slice;
		unsigned char secret[STORE_SECRET_SIZE];
	} slot[STORE_SLOTS_MAX];
};

/* -1: `e`, a sentence about the store that quotes nothing of it but the word of its error. */
int store_ask(const struct store_query *q, struct store_answer *ret, struct err *e);

#endif
