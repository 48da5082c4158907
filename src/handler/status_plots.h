/* The last minutes as pictures: SVG within the status page. */
#ifndef LATCH_HANDLER_STATUS_PLOTS_H
#define LATCH_HANDLER_STATUS_PLOTS_H

#include "base/buf.h"
#include "ipc/board.h"

/* Appends a figure for requests, their latency, bytes, and closures. False: no room. */
bool status_plots_write(struct buf *out, const struct board *b);

#endif
