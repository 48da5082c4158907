/* Document roots: each directory is opened once, however many routes and generations serve it. */
#ifndef LATCH_CONFIG_ROOTS_H
#define LATCH_CONFIG_ROOTS_H

#include <stdint.h>

#include "config/config.h"
#include "config/findings.h"

struct root {
	char *path;
	int fd; /* O_PATH */
	uint64_t device, inode;
	unsigned holds; /* of configurations */
};

/* Opens the roots of all routes into c->roots, or takes those that c->before has, where the path
 * still leads to the same directory. Each that cannot be opened is an error at each of its routes.
 */
void roots_open(struct config *c, struct findings *f);
void roots_close(struct config *c);

#endif
