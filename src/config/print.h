/* The effective configuration (-T) and --explain. */
#ifndef LATCH_CONFIG_PRINT_H
#define LATCH_CONFIG_PRINT_H

#include <stdio.h>

#include "config/config.h"

/* Loadable again, every default filled in, and printing that gives the same text. */
void config_print(const struct config *c, FILE *out);
/* One directive by its dotted name ("timeouts.idle", "sites.routes.files.root"; list indices are
 * left out), or all with NULL. -1: unknown; *ret_nearest is the nearest known name. */
int config_explain(const char *name, FILE *out, const char **ret_nearest);

#endif
