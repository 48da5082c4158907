/* The CAs and revocation lists of sites that ask clients for certificates. */
#ifndef LATCH_CONFIG_OPEN_TRUST_H
#define LATCH_CONFIG_OPEN_TRUST_H

#include "config/config.h"
#include "config/findings.h"

/* site->trust of every site that needs one, shared where the settings are equal, with warnings
 * about what has ended or cannot work. */
void open_trust_all(struct config *c, struct findings *f);
/* The lists of all sites for the metrics, each issuer once, with the last of its lists. 0, or -1:
 * out of memory. */
int open_trust_metrics(struct config *c);

#endif
