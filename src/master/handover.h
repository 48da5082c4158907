/* What one image of the master leaves to the next one, which the same process becomes by exec:
 * plain data, and the numbers of the descriptors that stay open. It travels in a memory file that
 * nobody can change any more; whoever reads it counts everything, and takes all of it or nothing.
 */
#ifndef LATCH_MASTER_HANDOVER_H
#define LATCH_MASTER_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum {
	HANDOVER_VERSION = 1, /* of the format; no other one is understood */
	HANDOVER_ARGS_MAX = 32,
	HANDOVER_SOCKETS_MAX = 1024,
	HANDOVER_GENERATIONS_MAX = 64,
	HANDOVER_LOGS_MAX = 65536,
	HANDOVER_CLIENTS_MAX = 64,
	HANDOVER_TEXT_MAX = 4096,
	HANDOVER_BYTES_MAX = 32 << 20,
};

/* A listening socket. */
struct handover_socket {
	char *address; /* as configured, see sock_parse_address() */
	char *name;    /* by which the service manager gave it; "": we opened it */
	int fd;
	bool stored; /* the service manager keeps a copy */
	bool held;   /* the serving generation listens on it */
};

struct handover_worker {
	pid_t pid;
	unsigned slot;
	int channel; /* -1: it closed its end */
	int poke;
	bool ready; /* it said so */
};

/* Generations with one configuration (one that came back) have its files in common: the same path
 * and descriptor. */
struct handover_log {
	char *path;
	int fd;
};

/* Its configuration is not part of it, but for what concerns the master while it ends. */
struct handover_generation {
	uint32_t number;
	bool serves;         /* exactly one does */
	int64_t deadline_us; /* on the clock of clock_us_now(), then what is left is killed; 0: none
			      */
	int64_t ready_ms, drain_ms;
	char *user, *group; /* whose its log files are */
	unsigned log_target, log_level;
	struct handover_log *logs;
	size_t nlogs;
	struct handover_worker *workers; /* those that live */
	size_t nworkers;
};

/* One that speaks on the control socket. */
struct handover_client {
	int fd;
	bool waits;    /* for the answer to `request` */
	char *request; /* what came so far, or the whole line */
};

struct handover {
	pid_t master;
	char *version; /* of the program that wrote it */
	char *binary;  /* absolute path of the program, fixed at the first start */
	char **args;   /* it was called with */
	size_t nargs;
	uint64_t layout; /* board_layout() */
	int board, ring;
	bool ring_is_stored;
	uint32_t number; /* of the newest generation there was */
	bool reload_wanted;
	char *control; /* path of the control socket; "": none */
	int control_fd;
	uint64_t control_device, control_inode; /* of its file */
	int refused_code; /* of the program that gives up and becomes the one before; 0: none did */
	char *refused;    /* why, in lines */
	struct handover_socket *sockets;
	size_t nsockets;
	struct handover_generation *generations;
	size_t ngenerations;
	struct handover_client *clients;
	size_t nclients;
};

/* NULL is fine. Descriptors stay open. */
void handover_done(struct handover *h);

/* As bytes, and back. 0 or -1. What is not exactly what handover_pack() writes, or contradicts
 * itself (two generations that serve, a descriptor or a slot twice, ...), is refused, and nothing
 * is in `ret` then. */
int handover_pack(const struct handover *h, struct buf *out, struct err *e);
int handover_unpack(struct str in, struct handover *ret, struct err *e);

/* In a sealed memory file, close-on-exec; -1: `e`. */
int handover_write(const struct handover *h, struct err *e);
int handover_read(int fd, struct handover *ret, struct err *e);

/* Is each descriptor open, and what it is said to be? Sockets are; memory is looked at by who maps
 * it. */
int handover_verify(const struct handover *h, struct err *e);
/* Those of logs, of which who takes them over makes copies. */
void handover_close_logs(const struct handover *h);
/* Do the descriptors go when the process becomes another program? */
void handover_close_on_exec(const struct handover *h, bool close);

#endif
