/* One-shot timers. */
#include <criterion/criterion.h>

#include "master/delay.h"
#include "toy.h"

static sd_event *event;
static sd_event_source *delay;
static unsigned calls;

static void setup(void)
{
	toy_setup();
	cr_assert_geq(sd_event_new(&event), 0);
}

static void teardown(void)
{
	delay_stop(&delay);
	sd_event_unref(event);
}

TestSuite(delay, .init = setup, .fini = teardown, .timeout = 60);

static int on_time(sd_event_source *s, uint64_t now, void *data)
{
	(void)s;
	(void)now;
	*(unsigned *)data += 1;
	return 0;
}

static bool was_called(void)
{
	return calls > 0;
}

Test(delay, comes_once)
{
	int64_t begun = toy_now_ms();

	delay_set(event, &delay, 20, on_time, &calls);
	cr_assert(toy_turn_until(event, was_called, 15000));
	cr_expect_geq(toy_now_ms() - begun, 20);
	cr_expect_geq(sd_event_run(event, 50000), 0);
	cr_expect_eq(calls, 1);
}

Test(delay, set_anew_forgets_the_time_before)
{
	unsigned before = 0;

	delay_set(event, &delay, 0, on_time, &before);
	delay_set(event, &delay, -5, on_time, &calls);
	cr_assert(toy_turn_until(event, was_called, 15000), "what is past is due now");
	cr_expect_eq(before, 0);
}

Test(delay, stopped_never_comes)
{
	delay_set(event, &delay, 0, on_time, &calls);
	delay_stop(&delay);
	cr_expect_null(delay);
	delay_stop(&delay);
	cr_expect_geq(sd_event_run(event, 20000), 0);
	cr_expect_eq(calls, 0);
}
