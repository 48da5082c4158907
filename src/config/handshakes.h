/* Trial handshakes with every certificate of an opened configuration. */
#ifndef LATCH_CONFIG_HANDSHAKES_H
#define LATCH_CONFIG_HANDSHAKES_H

#include "config/config.h"
#include "config/findings.h"

/* What one start tries in full; of more certificates, HANDSHAKES_MANY of each kind are. */
enum { HANDSHAKES_MANY = 256 };
enum { HANDSHAKES_NAME_SIZE = 300 };

/* A name that leads to the site and, as far as can be, to no other one. */
void handshakes_name(const struct config_site *site, char dst[HANDSHAKES_NAME_SIZE]);

/* What fails is an error at the line of the certificate. Where there is no `before`, and many
 * certificates are of one kind (type and size of key, signature), a handshake with some of them
 * tells what it would with all: of the rest only the keys are proven, by a signature. Sites whose
 * files are what they were in `before`, under the same TLS options, are left out; NULL: none is. */
void config_handshakes(const struct config *c, const struct config *before, struct findings *f);

#endif
