/* One value of the tree -> one field of a struct, by the table: type, bounds, default. */
#ifndef LATCH_CONFIG_VALUE_H
#define LATCH_CONFIG_VALUE_H

#include "config/config.h"
#include "config/findings.h"
#include "config/table.h"
#include "config/tree.h"

/* Sets the field that `d` says, in the struct at `base`, to `t`; what the field held before is
 * freed. 0; -1: the field is as it was, the reason is in `f`. */
int value_set(const struct config *c, const struct directive *d, const struct tree *t, void *base,
	struct findings *f);
/* Sets it to the default; nothing where there is none or that of another key. 0 or -1: out of
 * memory. */
int value_set_default(
	const struct config *c, const struct directive *d, void *base, struct findings *f);
/* Copies the field `from` (another directive of the same type) in `from_base`. */
int value_copy(
	const struct directive *d, void *base, const struct directive *from, const void *from_base);

#endif
