/* The verdict as a table (verdict.def): how far the message had come by how the connection ended.
 *
 * Does no I/O and reads no bytes; fetch.c tells it what it saw. */
#include "client/verdict.h"

#include <assert.h>

/* Ends in the order of the table's columns. */
enum end { END_EOF, END_TRUNCATED, END_RESET, END_FAIL, END_TIMEOUT, END_COUNT };

struct cell {
	enum outcome lenient, strict;
	const char *sentence;
};

static const struct cell cells[VERDICT_STAGES][END_COUNT] = {
#define VERDICT(stage, end, lenient, strict, sentence)                                             \
	[VERDICT_##stage][END_##end] = { OUTCOME_##lenient, OUTCOME_##strict, sentence },
#include "client/verdict.def"
#undef VERDICT
};

static enum end end_of(enum io_status status)
{
	switch (status) {
	case IO_EOF:
		return END_EOF;
	case IO_TRUNCATED:
		return END_TRUNCATED;
	case IO_RESET:
		return END_RESET;
	case IO_FAIL:
		return END_FAIL;
	default:
		return END_TIMEOUT;
	}
}

static enum closure closure_of(enum end end, enum closing_mode mode)
{
	static const enum closure closures[END_COUNT] = {
		[END_EOF] = CLOSURE_CLEAN,
		[END_TRUNCATED] = CLOSURE_TRUNCATED,
		[END_RESET] = CLOSURE_RESET,
		[END_FAIL] = CLOSURE_RESET,
		[END_TIMEOUT] = CLOSURE_TIMEOUT,
	};

	if (end == END_TIMEOUT && mode == CLOSING_LENIENT)
		return CLOSURE_LOCAL;
	return closures[end];
}

struct verdict verdict_of(enum verdict_stage stage, enum io_status status, enum closing_mode mode)
{
	enum end end = end_of(status);
	const struct cell *cell;
	struct verdict v;

	assert((unsigned)stage < VERDICT_STAGES);
	cell = &cells[stage][end];
	v = (struct verdict){
		.outcome = mode == CLOSING_STRICT ? cell->strict : cell->lenient,
		.sentence = cell->sentence,
		.closure = closure_of(end, stage == VERDICT_WHOLE ? mode : CLOSING_STRICT),
	};
	/* A message that is whole by its framing gets no warning in lenient. */
	if (v.outcome == OUTCOME_OK && stage == VERDICT_WHOLE)
		v.sentence = NULL;
	return v;
}
