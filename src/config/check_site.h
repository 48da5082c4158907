/* The truth of one site by itself: names, certificate, headers, routes. */
#ifndef LATCH_CONFIG_CHECK_SITE_H
#define LATCH_CONFIG_CHECK_SITE_H

#include "config/config.h"
#include "config/findings.h"

/* Also decides each route's `handler`. */
void check_site(struct config *c, struct config_site *site, struct findings *f);

#endif
