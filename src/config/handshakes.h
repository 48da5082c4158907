/* Trial handshakes with every certificate of an opened configuration. */
#ifndef LATCH_CONFIG_HANDSHAKES_H
#define LATCH_CONFIG_HANDSHAKES_H

#include "config/config.h"
#include "config/findings.h"

/* What fails is an error at the line of the certificate. Sites whose files are what they were in
 * `before`, under the same TLS options, are left out; NULL: none is. */
void config_handshakes(const struct config *c, const struct config *before, struct findings *f);

#endif
