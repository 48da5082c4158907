/* What `latchd ctl status` shows, a table for people or the same as JSON, and the one line for the
 * service manager. */
#ifndef LATCH_MASTER_REPORT_H
#define LATCH_MASTER_REPORT_H

#include <stdbool.h>

#include "base/buf.h"
#include "master/reload.h"
#include "master/rotation.h"

/* Lines of at most 100 columns, but for names. False: over the bound of `out`. */
bool report_table(const struct reload *r, const struct rotation *keys, struct buf *out);
/* One object on one line: the facts of the board, then what only the master knows. */
bool report_json(const struct reload *r, const struct rotation *keys, struct buf *out);
/* One line about it all: generation, workers, how long the certificates last. Returns dst. */
const char *report_line(const struct reload *r, char *dst, size_t size);

#endif
