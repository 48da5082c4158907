/* The report of `latch check` for people. */
#ifndef LATCH_CLIENT_DRAW_H
#define LATCH_CLIENT_DRAW_H

#include "client/judge.h"

struct draw_style {
	bool colour; /* ANSI colours */
	bool utf8;   /* check marks and branches, not ASCII */
};

/* What suits the descriptor: colours for a terminal, unless NO_COLOR or TERM=dumb says otherwise.
 */
struct draw_style draw_style_of(int fd);
/* A block of lines: one a finding, the chain drawn as a tree below its own, the names below theirs.
 * What the server said is escaped. False: out of memory. */
bool draw_report(const struct probe *p, const struct findings *f, const char *url,
	struct draw_style style, struct buf *out);

#endif
