/* The tree -> struct config: every member against the table, lists into arrays, defaults where
 * nothing was written. */
#ifndef LATCH_CONFIG_FILL_H
#define LATCH_CONFIG_FILL_H

#include "config/config.h"
#include "config/findings.h"
#include "config/tree.h"

/* Every value at fault is a finding and keeps its default. `c` is zeroed but for path, directory,
 * files. */
void fill_config(struct config *c, const struct tree *root, struct findings *f);
/* The defaults of the listeners and sites that were added without a file, and of the rest. */
void fill_defaults(struct config *c, struct findings *f);

#endif
