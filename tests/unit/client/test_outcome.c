/* The exit codes are promised to users: their numbers do not move. */
#include <criterion/criterion.h>
#include <string.h>

#include "client/outcome.h"

Test(outcome, numbers_are_the_promised_ones)
{
	cr_expect_eq(OUTCOME_OK, 0);
	cr_expect_eq(OUTCOME_OTHER, 1);
	cr_expect_eq(OUTCOME_USAGE, 2);
	cr_expect_eq(OUTCOME_NO_NAME, 3);
	cr_expect_eq(OUTCOME_NO_CONNECTION, 4);
	cr_expect_eq(OUTCOME_HANDSHAKE, 5);
	cr_expect_eq(OUTCOME_CHAIN, 6);
	cr_expect_eq(OUTCOME_IDENTITY, 7);
	cr_expect_eq(OUTCOME_TRUNCATED, 8);
	cr_expect_eq(OUTCOME_NO_CLOSE_NOTIFY, 9);
	cr_expect_eq(OUTCOME_MALFORMED, 10);
	cr_expect_eq(OUTCOME_TIMED_OUT, 11);
	cr_expect_eq(OUTCOME_STATUS, 12);
	cr_expect_eq(OUTCOME_OUTPUT, 13);
	cr_expect_eq(OUTCOME_COUNT, 14);
}

Test(outcome, every_one_has_a_sentence_of_its_own)
{
	for (int i = 0; i < OUTCOME_COUNT; i++) {
		cr_assert_not_null(outcome_sentence((enum outcome)i));
		for (int j = 0; j < i; j++)
			cr_expect_str_neq(outcome_sentence((enum outcome)i),
				outcome_sentence((enum outcome)j));
	}
}

Test(outcome, set_fills_the_record_and_returns_the_outcome)
{
	struct err e = { .line = 7, .file = "old" };

	cr_expect_eq(outcome_set(&e, OUTCOME_CHAIN, "%s %d", "because", 3), OUTCOME_CHAIN);
	cr_expect_str_eq(e.text, "because 3");
	cr_expect_str_empty(e.file);
	cr_expect_eq(e.line, 0);
	cr_expect_eq(outcome_set(NULL, OUTCOME_USAGE, "nobody listens"), OUTCOME_USAGE);
}

Test(outcome, a_sentence_may_be_built_on_the_one_before)
{
	struct err e = { 0 };

	outcome_set(&e, OUTCOME_OTHER, "cut");
	outcome_set(&e, OUTCOME_OTHER, "%s; %d bytes came", e.text, 3);
	cr_expect_str_eq(e.text, "cut; 3 bytes came");
}

Test(outcome, a_long_sentence_is_cut_and_terminated)
{
	char text[2000];
	struct err e;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	outcome_set(&e, OUTCOME_OTHER, "%s", text);
	cr_expect_eq(strlen(e.text), sizeof(e.text) - 1);
}
