/* The contents of error pages, and what each route has of its own and of its site. */
#ifndef LATCH_CONFIG_PAGES_H
#define LATCH_CONFIG_PAGES_H

#include "config/config.h"
#include "config/findings.h"

/* Reads them all; what cannot be read is a finding. */
void pages_read(struct config *c, struct findings *f);
/* Fills in r->serving. 0; -1: out of memory. */
int pages_merge(const struct config_site *site, struct config_route *r);

#endif
