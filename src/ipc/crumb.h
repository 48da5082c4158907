/* Bread crumbs: what a worker is about to do for whom, left in its slot of the board, so that the
 * master can say so when the worker has died of it. Written with a few stores and a short copy, no
 * system call. For the reader it is hostile: the worker that wrote it may be anybody's by then. */
#ifndef LATCH_IPC_CRUMB_H
#define LATCH_IPC_CRUMB_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/str.h"

enum {
	CRUMB_TEXT_MAX = 192,
	CRUMB_PEER_SIZE = 28, /* of the largest address that is told: struct sockaddr_in6 */
	CRUMB_WORDS_SIZE = 4 * CRUMB_TEXT_MAX + 4,
};

enum crumb_phase {
	CRUMB_NONE, /* it has not had a connection yet */
	CRUMB_HANDSHAKE,
	CRUMB_READING, /* text: what has come of a request line, maybe nothing */
	CRUMB_SERVING, /* text: method and target */
	CRUMB_ANSWERED,
	CRUMB_PHASES
};

struct crumb {
	uint32_t phase; /* enum crumb_phase */
	uint32_t n;     /* bytes of text */
	unsigned char peer[CRUMB_PEER_SIZE];
	char text[CRUMB_TEXT_MAX];
};

/* Worker: it turns to a connection; no text yet. */
void crumb_peer(struct crumb *c, enum crumb_phase phase, const struct sockaddr_storage *peer);
/* Worker: raw input, of which the first line counts. */
void crumb_input(struct crumb *c, const char *p, size_t n);
/* Worker: a request of that connection, parsed. */
void crumb_request(struct crumb *c, struct str method, struct str target);
#define crumb_answered(c) ((c)->phase = CRUMB_ANSWERED)

/* Master: a copy of what is there, with nothing out of bounds. */
void crumb_read(const struct crumb *shared, struct crumb *ret);
/* The text of a copy, as printable ASCII without quotes, the rest as \xNN; "..." behind what was
 * cut. `dst` has CRUMB_WORDS_SIZE bytes. Returns dst. */
const char *crumb_words(const struct crumb *c, char *dst);

#endif
