/* The verdict as a table of how far the message had come by how the connection ended.
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

#define BOTH(o, text) { OUTCOME_##o, OUTCOME_##o, text }
#define STRICT(o, text) { OUTCOME_OK, OUTCOME_##o, text }

static const struct cell cells[VERDICT_STAGES][END_COUNT] = {
	[VERDICT_SILENT] = {
		[END_EOF] = BOTH(TRUNCATED, "the server closed the connection without an answer"),
		[END_TRUNCATED] = BOTH(TRUNCATED,
			"the server closed the connection without an answer and without close_notify"),
		[END_RESET] = BOTH(TRUNCATED,
			"the server reset the connection without an answer"),
		[END_FAIL] = BOTH(HANDSHAKE, "the server ended TLS before it answered"),
		[END_TIMEOUT] = BOTH(TIMED_OUT, "the server did not answer in time; "
						"--timeout sets how long to wait"),
	},
	[VERDICT_HEAD] = {
		[END_EOF] = BOTH(TRUNCATED, "the connection ended inside the head of the answer"),
		[END_TRUNCATED] = BOTH(TRUNCATED,
			"the connection was cut inside the head of the answer, without close_notify"),
		[END_RESET] = BOTH(TRUNCATED,
			"the connection was reset inside the head of the answer"),
		[END_FAIL] = BOTH(TRUNCATED, "TLS failed inside the head of the answer"),
		[END_TIMEOUT] = BOTH(TIMED_OUT, "the head of the answer stopped coming; "
						"--timeout sets how long to wait"),
	},
	[VERDICT_CONTENT] = {
		[END_EOF] = BOTH(TRUNCATED, "the server closed the connection inside the content"),
		[END_TRUNCATED] = BOTH(TRUNCATED,
			"the connection was cut inside the content, without close_notify"),
		[END_RESET] = BOTH(TRUNCATED, "the connection was reset inside the content"),
		[END_FAIL] = BOTH(TRUNCATED, "TLS failed inside the content"),
		[END_TIMEOUT] = BOTH(TIMED_OUT, "the content stopped coming; "
						"--timeout sets how long to wait"),
	},
	[VERDICT_UNTIL_CLOSE] = {
		[END_EOF] = BOTH(OK, NULL),
		[END_TRUNCATED] = STRICT(TRUNCATED,
			"the content ends with the connection, and no close_notify came: "
			"part of it may be missing"),
		[END_RESET] = BOTH(TRUNCATED,
			"the content ends with the connection, and that was reset"),
		[END_FAIL] = BOTH(TRUNCATED,
			"the content ends with the connection, and TLS failed"),
		[END_TIMEOUT] = BOTH(TIMED_OUT, "the content stopped coming; "
						"--timeout sets how long to wait"),
	},
	[VERDICT_WHOLE] = {
		[END_EOF] = BOTH(OK, NULL),
		[END_TRUNCATED] = STRICT(NO_CLOSE_NOTIFY,
			"the message is whole, but the server closed without close_notify"),
		[END_RESET] = STRICT(NO_CLOSE_NOTIFY,
			"the message is whole, but the server reset the connection "
			"instead of sending close_notify"),
		[END_FAIL] = STRICT(NO_CLOSE_NOTIFY,
			"the message is whole, but TLS failed before the server's close_notify"),
		[END_TIMEOUT] = STRICT(NO_CLOSE_NOTIFY,
			"the message is whole, but the server's close_notify did not come in time"),
	},
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
