/* Truncation told apart from a whole message: CLOSURE in latch(1). */
#include <criterion/criterion.h>

#include "client/verdict.h"

static const enum io_status ends[] = { IO_EOF, IO_TRUNCATED, IO_RESET, IO_FAIL, IO_WANT_READ };
enum { NENDS = sizeof(ends) / sizeof(ends[0]) };
static const enum closing_mode modes[] = { CLOSING_LENIENT, CLOSING_STRICT };

static enum outcome outcome(enum verdict_stage stage, enum io_status end, enum closing_mode mode)
{
	return verdict_of(stage, end, mode).outcome;
}

Test(verdict, a_message_cut_inside_is_truncated_in_both_modes)
{
	static const enum verdict_stage inside[] = { VERDICT_HEAD, VERDICT_CONTENT };
	static const enum io_status cuts[] = { IO_EOF, IO_TRUNCATED, IO_RESET, IO_FAIL };

	for (size_t m = 0; m < 2; m++)
		for (size_t s = 0; s < 2; s++)
			for (size_t i = 0; i < 4; i++)
				cr_expect_eq(outcome(inside[s], cuts[i], modes[m]),
					OUTCOME_TRUNCATED, "stage %d end %d", inside[s], cuts[i]);
}

Test(verdict, no_answer_at_all_is_truncated_but_an_alert_is_a_handshake_that_failed)
{
	for (size_t m = 0; m < 2; m++) {
		cr_expect_eq(outcome(VERDICT_SILENT, IO_EOF, modes[m]), OUTCOME_TRUNCATED);
		cr_expect_eq(outcome(VERDICT_SILENT, IO_TRUNCATED, modes[m]), OUTCOME_TRUNCATED);
		cr_expect_eq(outcome(VERDICT_SILENT, IO_RESET, modes[m]), OUTCOME_TRUNCATED);
		cr_expect_eq(outcome(VERDICT_SILENT, IO_FAIL, modes[m]), OUTCOME_HANDSHAKE);
	}
}

Test(verdict, silence_before_the_end_of_the_message_is_a_timeout)
{
	for (size_t m = 0; m < 2; m++)
		for (int s = VERDICT_SILENT; s < VERDICT_WHOLE; s++)
			cr_expect_eq(outcome((enum verdict_stage)s, IO_WANT_READ, modes[m]),
				OUTCOME_TIMED_OUT, "stage %d", s);
}

Test(verdict, close_delimited_content_without_close_notify_is_the_modes_question)
{
	struct verdict v = verdict_of(VERDICT_UNTIL_CLOSE, IO_TRUNCATED, CLOSING_LENIENT);

	cr_expect_eq(v.outcome, OUTCOME_OK);
	cr_expect_not_null(v.sentence, "lenient warns");
	v = verdict_of(VERDICT_UNTIL_CLOSE, IO_TRUNCATED, CLOSING_STRICT);
	cr_expect_eq(v.outcome, OUTCOME_TRUNCATED);
	cr_expect_eq(v.closure, CLOSURE_TRUNCATED);
	for (size_t m = 0; m < 2; m++) {
		v = verdict_of(VERDICT_UNTIL_CLOSE, IO_EOF, modes[m]);
		cr_expect_eq(v.outcome, OUTCOME_OK);
		cr_expect_null(v.sentence, "a close_notify needs no warning");
		cr_expect_eq(outcome(VERDICT_UNTIL_CLOSE, IO_RESET, modes[m]), OUTCOME_TRUNCATED);
	}
}

Test(verdict, a_whole_message_needs_close_notify_only_in_strict)
{
	for (size_t i = 0; i < NENDS; i++) {
		struct verdict lenient = verdict_of(VERDICT_WHOLE, ends[i], CLOSING_LENIENT);
		enum outcome strict = outcome(VERDICT_WHOLE, ends[i], CLOSING_STRICT);

		cr_expect_eq(lenient.outcome, OUTCOME_OK);
		cr_expect_null(lenient.sentence, "lenient does not warn of it");
		cr_expect_eq(strict, ends[i] == IO_EOF ? OUTCOME_OK : OUTCOME_NO_CLOSE_NOTIFY);
	}
}

Test(verdict, every_failure_has_a_sentence)
{
	for (int s = 0; s < VERDICT_STAGES; s++) {
		for (size_t i = 0; i < NENDS * 2; i++) {
			struct verdict v =
				verdict_of((enum verdict_stage)s, ends[i / 2], modes[i % 2]);

			if (v.outcome != OUTCOME_OK)
				cr_expect_not_null(v.sentence, "stage %d end %d", s, ends[i / 2]);
		}
	}
}

Test(verdict, closures_are_named_by_what_was_seen)
{
	static const enum closure expected[NENDS] = { CLOSURE_CLEAN, CLOSURE_TRUNCATED,
		CLOSURE_RESET, CLOSURE_RESET, CLOSURE_TIMEOUT };

	for (size_t i = 0; i < NENDS; i++)
		cr_expect_eq(
			verdict_of(VERDICT_WHOLE, ends[i], CLOSING_STRICT).closure, expected[i]);
	cr_expect_eq(verdict_of(VERDICT_WHOLE, IO_WANT_READ, CLOSING_LENIENT).closure,
		CLOSURE_LOCAL, "lenient does not wait");
	cr_expect_eq(verdict_of(VERDICT_CONTENT, IO_WANT_READ, CLOSING_LENIENT).closure,
		CLOSURE_TIMEOUT, "but for content it does");
}
