/* The grammar of libconfig 1.5, for the sentence that libconfig does not give. */
#ifndef LATCH_CONFIG_SYNTAX_H
#define LATCH_CONFIG_SYNTAX_H

#include "config/findings.h"
#include "config/source.h"

enum { SYNTAX_DEPTH_MAX = 32 };

/* Goes over the whole text. A syntax error ends it: -1, with what was expected in `f`. What
 * libconfig would stop at or get wrong in silence (a name given twice, an integer that wraps, a
 * string with a zero byte, a [ ] of mixed types) is in `f` too, but the setting is blanked out of
 * the text, so that libconfig reads the rest: 0. */
int syntax_check(struct config_source *s, struct findings *f);

#endif
