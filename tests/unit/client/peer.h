/* A scripted server for unit tests: a listener on a free loopback port and a thread that takes one
 * connection, reads a request head, sends what it was told to, and ends as it was told to. */
#ifndef LATCH_TESTS_CLIENT_PEER_H
#define LATCH_TESTS_CLIENT_PEER_H

#include <pthread.h>

#include "base/str.h"

enum peer_end {
	PEER_FIN,
	PEER_RESET,
	PEER_SILENT, /* stays open until peer_join() */
};

struct peer {
	int listener;
	unsigned port;
	pthread_t thread;
	struct str answer;
	enum peer_end end;
	int release[2];     /* a pipe; closing its end lets a silent peer go */
	char request[4096]; /* what came, terminated; read it after peer_join() */
};

void peer_start(struct peer *p, struct str answer, enum peer_end end);
void peer_join(struct peer *p);
/* A loopback port that refuses connections. */
unsigned peer_dead_port(void);

#endif
