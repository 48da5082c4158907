/* The exit codes of latch as a table, and the record that carries the sentence of a failure.
 *
 * Knows nothing of how a fetch works; which end has which outcome is decided in verdict.c and
 * link.c. */
#include "client/outcome.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const sentences[OUTCOME_COUNT] = {
#define OUTCOME(number, name, sentence) [number] = sentence,
#include "client/outcome.def"
#undef OUTCOME
};

enum outcome outcome_set(struct err *e, enum outcome o, const char *fmt, ...)
{
	char text[sizeof(e->text)]; /* an argument may be e->text itself */
	va_list ap;

	assert(o != OUTCOME_OK);
	if (!e)
		return o;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	memset(e, 0, sizeof(*e));
	e->code = o == OUTCOME_USAGE ? ERR_USAGE : ERR_UNAVAILABLE;
	memcpy(e->text, text, sizeof(text));
	return o;
}

const char *outcome_sentence(enum outcome o)
{
	assert((unsigned)o < OUTCOME_COUNT);
	return sentences[o];
}
