/* What must be true of the fields and error pages of a site or a route. */
#ifndef LATCH_CONFIG_CHECK_EXTRA_H
#define LATCH_CONFIG_CHECK_EXTRA_H

#include "config/config.h"
#include "config/findings.h"

/* `site`: that of the site, where `x` is that of a route; else NULL. */
void check_extra(const struct config *c, const struct route_extra *x,
	const struct route_extra *site, const struct config_place *place, struct findings *f);

#endif
