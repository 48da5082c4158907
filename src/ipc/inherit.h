/* Everything a worker gets at fork, in one struct. What is not named here, the worker closes. */
#ifndef LATCH_IPC_INHERIT_H
#define LATCH_IPC_INHERIT_H

#include <stdint.h>
#include <sys/types.h>

struct board;
struct config;
struct session_cache;
struct tally;
struct ticket_ring;

struct inherit {
	const struct config *config; /* with what config/open opened: roots, logs, contexts */
	struct board *board;
	int board_fd;  /* to make all of it but our slot read-only; -1: nobody else has it */
	unsigned slot; /* ours on the board */
	uint32_t generation;
	int channel;             /* the worker's end */
	const int *listener_fds; /* by index of config->listeners */
	/* An eventfd a slot that anybody may write, to make its holder look at the gate again. */
	const int *pokes;            /* by slot, BOARD_SLOTS of them; -1: none. Ours: pokes[slot] */
	struct tally *tally;         /* of the generation; NULL: addresses are not counted */
	struct ticket_ring *ring;    /* to be made read-only; NULL: tickets off */
	struct session_cache *cache; /* NULL: sessions are not cached */
	uid_t uid;                   /* to become; (uid_t)-1: stay */
	gid_t gid;
	pid_t master; /* to notice that it died before we could */
};

#endif
