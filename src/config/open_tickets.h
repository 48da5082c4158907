/* What the ticket keys of several machines follow from: the secret, or the address of the store. */
#ifndef LATCH_CONFIG_OPEN_TICKETS_H
#define LATCH_CONFIG_OPEN_TICKETS_H

#include "config/config.h"
#include "config/findings.h"

/* Fills tickets_secret and tickets_store_url. No store is asked. */
void open_tickets(struct config *c, struct findings *f);

#endif
