/* Work that takes processor time and leaves nothing behind but errors, spread over the processors.
 */
#ifndef LATCH_CONFIG_SPREAD_H
#define LATCH_CONFIG_SPREAD_H

#include <stddef.h>

#include "base/err.h"

enum { SPREAD_FEW = 64, SPREAD_PROCESSES_MAX = 16 };

/* Piece `i`; -1: `e`. What else it changes may be lost. */
typedef int spread_fn(void *data, size_t i, struct err *e);
/* Called here, for every piece that failed, in no order. */
typedef void spread_failed_fn(void *data, size_t i, const struct err *e);

/* Pieces 0 to n - 1: as few as SPREAD_FEW in this process, more in one a processor, which are
 * awaited. -1: not all could be done, `e`. */
int spread_run(size_t n, spread_fn *work, spread_failed_fn *failed, void *data, struct err *e);

#endif
