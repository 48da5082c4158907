/* Memory for secrets of the master: a fork does not inherit it (a child reads zeros there), it is
 * left out of cores, and out of the swap where the limits allow that. */
#ifndef LATCH_TLS_VAULT_H
#define LATCH_TLS_VAULT_H

#include <stddef.h>

#include "base/err.h"

/* Zeroed, a page at least: for few things. NULL: `e`. */
void *vault_new(size_t n, struct err *e);
void vault_free(void *p, size_t n); /* wiped; NULL is fine */

#endif
