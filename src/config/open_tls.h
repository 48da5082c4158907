/* The certificates and keys of a configuration -> contexts. */
#ifndef LATCH_CONFIG_OPEN_TLS_H
#define LATCH_CONFIG_OPEN_TLS_H

#include "config/config.h"
#include "config/findings.h"

struct ticket_ring;

/* A context for each site that has a certificate, and warnings about what the certificates say.
 * Faults of one site do not hide those of the next. */
void open_tls_contexts(struct config *c, struct ticket_ring *ring, struct findings *f);
/* Before them: finds out whether tls.ktls works here. A `test` binds nothing, and takes the word of
 * the configuration before. */
void open_tls_offload(struct config *c, bool test);

#endif
