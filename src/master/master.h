/* The parent process: owns sockets, keys, configuration and the workers' lives; never touches a byte
 * from the network. */
#ifndef LATCH_MASTER_MASTER_H
#define LATCH_MASTER_MASTER_H

#include "ipc/inherit.h"

typedef int worker_fn(const struct inherit *in);

struct master_options {
	const char *config_path; /* or */
	const char *serve_dir;   /* --serve */
	unsigned serve_port;
	worker_fn *worker;
};

/* Runs until stopped; the exit status. */
int master_run(const struct master_options *o);

#endif
