/* What must be true of client authentication in a site and its routes. */
#ifndef LATCH_CONFIG_CHECK_CLIENT_H
#define LATCH_CONFIG_CHECK_CLIENT_H

#include "config/config.h"
#include "config/findings.h"

void check_client_auth(const struct config *c, const struct config_site *site, struct findings *f);
/* Also brings the fingerprints into the form that is compared. */
void check_client_require(const struct config *c, const struct config_site *site,
	struct config_route *r, struct findings *f);

#endif
