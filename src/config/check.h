/* Cross-field truth: names distinct, listeners distinct, sites reach a listener, TLS sites have
 * certificates and plain ones do not, routes have one handler, at most one default a listener. */
#ifndef LATCH_CONFIG_CHECK_H
#define LATCH_CONFIG_CHECK_H

#include "config/config.h"
#include "config/findings.h"

void config_check(struct config *c, struct findings *f);

#endif
