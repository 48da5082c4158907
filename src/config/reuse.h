/* What a new configuration need not load again: certificates and keys whose files hold what they
 * held for the configuration before, with their contexts. */
#ifndef LATCH_CONFIG_REUSE_H
#define LATCH_CONFIG_REUSE_H

#include <stddef.h>

#include "config/config.h"

/* Zero-initialise. */
struct reuse {
	const struct config *before;
	const struct config_site **index; /* by name and certificate */
	size_t n;
};

/* `before` NULL: there is none. Out of memory: nothing will be found. */
void reuse_init(struct reuse *r, const struct config *before);
void reuse_done(struct reuse *r);
/* The site of the configuration before that had this name and these files, each of them with the
 * same content; the digests of `c` have them then. NULL: none. A file is read only where its stamp
 * does not tell. */
const struct config_site *reuse_find(
	const struct reuse *r, struct config *c, const struct config_site *site);

#endif
