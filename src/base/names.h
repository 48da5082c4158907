/* Host names to values: exact, one-label wildcards ("*.example.org" is a.example.org, but neither
 * example.org nor a.b.example.org), and "*" for any. Case-blind, O(1). Used for SNI and Host. */
#ifndef LATCH_BASE_NAMES_H
#define LATCH_BASE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct names; /* heap */

struct names *names_new(void);
void names_free(struct names *t);
/* `value` is borrowed and not NULL. 0; 1: the name is there already (unchanged); -1: out of memory.
 * A name is taken without its final dot; IPv6 addresses are equal however they are spelt. */
int names_add(struct names *t, struct str name, void *value);
/* Exact before wildcard before "*"; NULL: none. `ret_any` (may be NULL): only "*" matched. */
void *names_find(const struct names *t, struct str name, bool *ret_any);
/* Is this a name that a configuration may hold: LDH labels of at most 63 bytes, 253 in all, an
 * optional "*." in front, or "*" alone, or an IP address literal (no brackets)? */
bool names_is_valid(struct str name);

#endif
