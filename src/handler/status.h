/* The status page: what the board says, for people (HTML), for programs (JSON by Accept). */
#ifndef LATCH_HANDLER_STATUS_H
#define LATCH_HANDLER_STATUS_H

#include "protocol/stream.h"

handler_fn status_handle; /* options: none */

#endif
