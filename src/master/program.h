/* A program run as a child to its end: what it says, how it ends, and that it does. The master's
 * loop goes on meanwhile.
 *
 *   start --> runs --ended by itself--> its result
 *               +--`limit_ms` passed--> SIGKILL, to all of its process group, and its result */
#ifndef LATCH_MASTER_PROGRAM_H
#define LATCH_MASTER_PROGRAM_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/err.h"
#include "base/str.h"

enum { PROGRAM_OUTPUT_MAX = 64 * 1024 }; /* what is over that is left out */

struct program; /* heap */

struct program_result {
	bool is_late;
	siginfo_t how;     /* it ended */
	struct str output; /* standard output and standard error */
};

/* Called once, from the loop; the program is gone afterwards, with every process of its group. */
typedef void program_fn(void *data, const struct program_result *result);

struct program_options {
	sd_event *event;
	const char *path;
	char *const *argv;
	/* In the child, before it becomes the program; NULL: nothing. -1: it does not. */
	int (*prepare)(void *data);
	int64_t limit_ms;
	program_fn *done;
	void *data;
};

/* Its standard input is empty, and what it inherits is what is not close-on-exec. NULL: `e`. */
struct program *program_start(const struct program_options *o, struct err *e);
/* Nobody wants to know any more. NULL is fine. */
void program_stop(struct program *p);

#endif
