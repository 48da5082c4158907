/* Fields -> libconfig text, the way back of config/value. */
#ifndef LATCH_CONFIG_FORMAT_H
#define LATCH_CONFIG_FORMAT_H

#include <stdbool.h>

#include "base/buf.h"
#include "config/table.h"

/* The field that `d` says, in the struct at `base`. False: out of memory. */
bool format_value(const struct directive *d, const void *base, struct buf *out);
/* A string in quotes, escaped so that libconfig reads it back byte for byte. */
bool format_string(const char *s, struct buf *out);

#endif
