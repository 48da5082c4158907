/* The pulse of one worker. */
#include <criterion/criterion.h>
#include <stdint.h>

#include "master/heart.h"

Test(heart, a_first_beat_is_no_silence)
{
	struct heart h = { 0 };

	cr_expect_eq(heart_listen(&h, 12345, 1000), 0);
}

Test(heart, silence_adds_up_until_a_beat)
{
	struct heart h = { 0 };

	heart_listen(&h, 5, 1000);
	cr_expect_eq(heart_listen(&h, 5, 1000), 1000);
	cr_expect_eq(heart_listen(&h, 5, 700), 1700);
	cr_expect_eq(heart_listen(&h, 6, 1000), 0);
	cr_expect_eq(heart_listen(&h, 6, 1), 1);
}

Test(heart, any_change_is_a_beat_and_no_value_is_one)
{
	struct heart h = { 0 };

	heart_listen(&h, INT64_MAX, 1000);
	cr_expect_eq(heart_listen(&h, INT64_MAX, 1000), 1000, "a time in the future is no life");
	cr_expect_eq(heart_listen(&h, INT64_MIN, 1000), 0);
}

Test(heart, time_that_nobody_looked_does_not_count)
{
	struct heart h = { 0 };

	heart_listen(&h, 5, 1000);
	cr_expect_eq(heart_listen(&h, 5, 0), 0);
}

Test(heart, one_that_never_beats_is_silent_from_the_start)
{
	struct heart h = { 0 };

	cr_expect_eq(heart_listen(&h, 0, 1000), 1000);
}
