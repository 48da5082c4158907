/* A handover as bytes, behind its head: numbers of 64 bits, texts with their length, lists with a
 * tag and their count, in the order of the structs. */
#ifndef LATCH_MASTER_HANDOVER_FORMAT_H
#define LATCH_MASTER_HANDOVER_FORMAT_H

#include "master/handover.h"

/* NULL, or what is wrong. Writing changes nothing. `ret` of reading is zeroed before, and may be
 * half filled after a failure. */
const char *handover_format_write(struct handover *h, struct buf *out);
const char *handover_format_read(struct str in, struct handover *ret);

#endif
