/* What must be true of one route. */
#ifndef LATCH_CONFIG_CHECK_ROUTE_H
#define LATCH_CONFIG_CHECK_ROUTE_H

#include "config/config.h"
#include "config/findings.h"

/* Chooses its handler, too. */
void check_route(struct config *c, const struct config_site *site, struct config_route *r,
	struct findings *f);

#endif
