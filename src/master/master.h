/* The parent process: owns sockets, keys, configuration and the workers' lives; never touches a
 * byte from the network.
 *
 *   STARTING --the first generation serves--> RUNNING --TERM, QUIT--> DRAINING --empty--> exit 0
 *      |                                         |                       | TERM, QUIT, INT
 *      +--it does not--> exit with its code      +--------INT------> STOPPING --empty--> exit 0
 *
 * SIGHUP begins a reload, SIGUSR1 reopens logs, SIGUSR2 begins an upgrade; under --serve SIGHUP is
 * SIGTERM. A master that took over from the image before, see master/upgrade, is RUNNING from the
 * start. */
#ifndef LATCH_MASTER_MASTER_H
#define LATCH_MASTER_MASTER_H

#include "ipc/inherit.h"

typedef int worker_fn(const struct inherit *in);

struct master_options {
	const char *config_path; /* or */
	const char *serve_dir;   /* --serve */
	unsigned serve_port;
	worker_fn *worker;
	char *const *argv; /* what the program was called with; for upgrades */
};

/* Runs until stopped; the exit status. */
int master_run(const struct master_options *o);

#endif
