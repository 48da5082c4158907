/* How a fetch ended: latch's exit codes, and the sentence that goes with one. */
#ifndef LATCH_CLIENT_OUTCOME_H
#define LATCH_CLIENT_OUTCOME_H

#include "base/err.h"

enum outcome {
#define OUTCOME(number, name, sentence) OUTCOME_##name = number,
#include "client/outcome.def"
#undef OUTCOME
	OUTCOME_COUNT
};

/* Fills the record with the sentence for people and returns `o`, which is not OK. `e` may be NULL.
 * A function that returns an outcome fills its record on every other outcome than OK. */
enum outcome outcome_set(struct err *e, enum outcome o, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* What the exit code means, static. */
const char *outcome_sentence(enum outcome o);

#endif
