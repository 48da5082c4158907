/* The wheel of deadlines, under a clock that the test moves. */
#include <criterion/criterion.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "fake_clock.h"
#include "net/timer.h"

static struct timer_wheel w;
static int64_t start; /* clock_ms() when the wheel was made */

struct probe {
	struct timer timer;
	int fired;
	int64_t fired_at;
};

static struct probe *probe_of(struct timer *t)
{
	return (void *)((char *)t - offsetof(struct probe, timer));
}

static void on_fire(struct timer *t)
{
	probe_of(t)->fired++;
	probe_of(t)->fired_at = clock_ms();
}

static struct probe make_probe(void)
{
	return (struct probe){ .timer = { .fn = on_fire } };
}

static void setup(void)
{
	fake_clock_us = INT64_C(1000000007000);
	clock_update();
	start = clock_ms();
	timer_wheel_init(&w);
}

TestSuite(timer, .init = setup);

/* A turn `ms` after the start. */
static void turn_at(int64_t ms)
{
	fake_clock_us = (start + ms) * 1000;
	clock_update();
	timer_wheel_run(&w);
}

/* Turns as a loop makes them, waiting as long as the wheel says, until `ms` after the start. */
static int run_until(int64_t ms)
{
	int turns = 0;

	for (;;) {
		int wait = timer_wheel_wait(&w);
		int64_t now = clock_ms() - start;

		if (wait < 0 || now + wait > ms)
			break;
		cr_assert_lt(++turns, 100000, "the wheel spins");
		turn_at(now + wait);
	}
	turn_at(ms);
	return turns;
}

Test(timer, no_timer_means_no_wait)
{
	cr_expect_eq(timer_wheel_wait(&w), -1);
	timer_wheel_run(&w);
	turn_at(1000000);
	cr_expect_eq(timer_wheel_wait(&w), -1);
}

Test(timer, fires_once_never_early_at_most_a_tick_late)
{
	for (int64_t after = 1; after < 1200; after += 7) {
		struct probe p = make_probe();

		start = clock_ms();
		timer_set(&w, &p.timer, start + after);
		cr_expect(timer_is_set(&p.timer));
		run_until(after + TIMER_TICK_MS);
		cr_expect_eq(p.fired, 1, "after %d", (int)after);
		cr_expect_geq(p.fired_at, start + after);
		cr_expect_leq(p.fired_at, start + after + TIMER_TICK_MS);
		cr_expect_not(timer_is_set(&p.timer));
		run_until(after + 40000);
		cr_expect_eq(p.fired, 1);
	}
}

Test(timer, a_deadline_in_the_past_fires_in_the_next_tick)
{
	struct probe now = make_probe(), past = make_probe(), ancient = make_probe();
	struct probe just_run = make_probe();

	timer_set(&w, &just_run.timer, w.tick * TIMER_TICK_MS);
	timer_set(&w, &now.timer, start);
	timer_set(&w, &past.timer, start - 5000);
	timer_set(&w, &ancient.timer, INT64_MIN);
	cr_expect_leq(timer_wheel_wait(&w), TIMER_TICK_MS);
	run_until(TIMER_TICK_MS);
	cr_expect_eq(now.fired, 1);
	cr_expect_eq(past.fired, 1);
	cr_expect_eq(ancient.fired, 1);
	cr_expect_eq(just_run.fired, 1, "not in the slot that has just been run");
}

Test(timer, waits_for_more_than_a_revolution)
{
	struct probe p = make_probe();
	int turns;

	timer_set(&w, &p.timer, start + 60000);
	turns = run_until(59999);
	cr_expect_eq(p.fired, 0);
	cr_expect_leq(turns, 5, "%d turns for nothing", turns);
	run_until(60000 + TIMER_TICK_MS);
	cr_expect_eq(p.fired, 1);
}

Test(timer, exactly_one_revolution_away)
{
	const int64_t revolution = (int64_t)TIMER_SLOTS * TIMER_TICK_MS;

	for (int64_t d = -40; d <= 40; d += 8) {
		struct probe p = make_probe();

		start = clock_ms();
		timer_set(&w, &p.timer, start + revolution + d);
		run_until(revolution + d - 1);
		cr_expect_eq(p.fired, 0, "%d", (int)d);
		run_until(revolution + d + TIMER_TICK_MS);
		cr_expect_eq(p.fired, 1, "%d", (int)d);
	}
}

Test(timer, a_later_deadline_replaces_the_old_one)
{
	struct probe p = make_probe();

	timer_set(&w, &p.timer, start + 100);
	for (int64_t at = 50; at <= 5000; at += 50) {
		turn_at(at);
		timer_set(&w, &p.timer, start + at + 100);
	}
	cr_expect_eq(p.fired, 0);
	run_until(5099);
	cr_expect_eq(p.fired, 0);
	run_until(5100 + TIMER_TICK_MS);
	cr_expect_eq(p.fired, 1);
}

Test(timer, an_earlier_deadline_replaces_the_old_one)
{
	struct probe p = make_probe();

	timer_set(&w, &p.timer, start + 60000);
	timer_set(&w, &p.timer, start + 90000);
	timer_set(&w, &p.timer, start + 200);
	run_until(199);
	cr_expect_eq(p.fired, 0);
	run_until(200 + TIMER_TICK_MS);
	cr_expect_eq(p.fired, 1);
	run_until(100000);
	cr_expect_eq(p.fired, 1);
}

Test(timer, stopped_timers_are_silent)
{
	struct probe p = make_probe();

	timer_stop(&p.timer);
	timer_set(&w, &p.timer, start + 100);
	timer_stop(&p.timer);
	timer_stop(&p.timer);
	cr_expect_not(timer_is_set(&p.timer));
	cr_expect_eq(timer_wheel_wait(&w), -1, "an empty slot is nothing to wait for");
	run_until(1000);
	cr_expect_eq(p.fired, 0);
	timer_set(&w, &p.timer, start + 1100);
	run_until(1100 + TIMER_TICK_MS);
	cr_expect_eq(p.fired, 1);
}

Test(timer, the_wait_sees_behind_slots_left_empty)
{
	struct probe stopped[20], p = make_probe();

	for (int i = 0; i < 20; i++) {
		stopped[i] = make_probe();
		timer_set(&w, &stopped[i].timer, start + 100 + i * 90);
	}
	timer_set(&w, &p.timer, start + 3000);
	for (int i = 0; i < 20; i++)
		timer_stop(&stopped[i].timer);
	cr_expect_geq(timer_wheel_wait(&w), 3000);
	cr_expect_leq(timer_wheel_wait(&w), 3000 + TIMER_TICK_MS);
}

Test(timer, stopping_in_the_middle_of_a_slot)
{
	struct probe p[3] = { make_probe(), make_probe(), make_probe() };

	for (int i = 0; i < 3; i++)
		timer_set(&w, &p[i].timer, start + 100);
	timer_stop(&p[1].timer);
	run_until(200);
	cr_expect_eq(p[0].fired, 1);
	cr_expect_eq(p[1].fired, 0);
	cr_expect_eq(p[2].fired, 1);
}

Test(timer, a_long_absence_runs_everything_that_is_due)
{
	struct probe p[300], later = make_probe();

	for (int i = 0; i < 300; i++) {
		p[i] = make_probe();
		timer_set(&w, &p[i].timer, start + 1 + i * 331);
	}
	timer_set(&w, &later.timer, start + 200000);
	turn_at(150000);
	for (int i = 0; i < 300; i++)
		cr_expect_eq(p[i].fired, 1, "%d", i);
	cr_expect_eq(later.fired, 0);
	run_until(200000 + TIMER_TICK_MS);
	cr_expect_eq(later.fired, 1);
}

static void on_fire_again(struct timer *t)
{
	on_fire(t);
	timer_set(&w, t, clock_ms() + 10);
}

Test(timer, a_callback_may_set_itself_again)
{
	struct probe p = make_probe();

	p.timer.fn = on_fire_again;
	timer_set(&w, &p.timer, start + 10);
	run_until(1000);
	cr_expect_geq(p.fired, 25);
	cr_expect_leq(p.fired, 100);
	cr_expect(timer_is_set(&p.timer));
}

static void on_fire_at_once(struct timer *t)
{
	on_fire(t);
	timer_set(&w, t, clock_ms());
}

Test(timer, a_callback_that_is_always_due_does_not_hold_the_turn)
{
	struct probe p = make_probe();

	p.timer.fn = on_fire_at_once;
	timer_set(&w, &p.timer, start);
	turn_at(100000);
	cr_expect_geq(p.fired, 1);
	cr_expect_leq(p.fired, TIMER_SLOTS + 1);
}

/* Callbacks that change their neighbours in the very slot that runs. */
static struct probe *victims[4];

static void on_fire_stop_others(struct timer *t)
{
	on_fire(t);
	for (int i = 0; i < 4; i++)
		timer_stop(&victims[i]->timer);
}

Test(timer, a_callback_may_stop_its_neighbours)
{
	struct probe p[4];
	int fired = 0;

	for (int i = 0; i < 4; i++) {
		p[i] = make_probe();
		p[i].timer.fn = on_fire_stop_others;
		victims[i] = &p[i];
		timer_set(&w, &p[i].timer, start + 100);
	}
	run_until(1000);
	for (int i = 0; i < 4; i++)
		fired += p[i].fired;
	cr_expect_eq(fired, 1);
	cr_expect_eq(timer_wheel_wait(&w), -1);
}

static void on_fire_move_others(struct timer *t)
{
	on_fire(t);
	for (int i = 0; i < 4; i++)
		if (&victims[i]->timer != t && timer_is_set(&victims[i]->timer))
			timer_set(&w, &victims[i]->timer, clock_ms() + 500);
}

Test(timer, a_callback_may_move_its_neighbours)
{
	struct probe p[4];
	int fired = 0;

	for (int i = 0; i < 4; i++) {
		p[i] = make_probe();
		p[i].timer.fn = on_fire_move_others;
		victims[i] = &p[i];
		timer_set(&w, &p[i].timer, start + 100);
	}
	run_until(400);
	for (int i = 0; i < 4; i++)
		fired += p[i].fired;
	cr_expect_eq(fired, 1);
	run_until(5000);
	for (int i = 0; i < 4; i++)
		cr_expect_eq(p[i].fired, 1);
}

static void on_fire_free(struct timer *t)
{
	free(probe_of(t));
}

Test(timer, a_callback_may_free_its_owner)
{
	for (int i = 0; i < 10; i++) {
		struct probe *p = calloc(1, sizeof(*p));

		p->timer.fn = on_fire_free;
		timer_set(&w, &p->timer, start + 100);
	}
	run_until(1000);
	cr_expect_eq(timer_wheel_wait(&w), -1);
}

/* The same numbers in every run, so that a failure can be seen again. */
static int chance(int below)
{
	static uint64_t seed = 20260102;

	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (int)((seed >> 33) % (unsigned)below);
}

/* The wheel against the plainest model there is: a deadline and a flag each. */
Test(timer, behaves_like_a_list_of_deadlines)
{
	enum { TIMERS = 64, STEPS = 20000 };
	struct probe p[TIMERS];
	int64_t deadline[TIMERS];
	int64_t now = 0;

	for (int i = 0; i < TIMERS; i++) {
		p[i] = make_probe();
		deadline[i] = -1;
	}
	for (int step = 0; step < STEPS; step++) {
		int i = chance(TIMERS);

		if (chance(8) == 0) {
			timer_stop(&p[i].timer);
			deadline[i] = -1;
		} else {
			deadline[i] = now + chance(chance(16) ? 900 : 50000);
			timer_set(&w, &p[i].timer, start + deadline[i]);
		}
		now += chance(4) ? chance(60) : chance(3000);
		turn_at(now);
		for (int k = 0; k < TIMERS; k++) {
			bool gone = deadline[k] >= 0 && !timer_is_set(&p[k].timer);

			if (gone)
				cr_assert_geq(now, deadline[k], "early at step %d", step);
			else if (deadline[k] >= 0)
				cr_assert_lt(now, deadline[k] + 2 * TIMER_TICK_MS,
					"late at step %d", step);
			if (gone)
				deadline[k] = -1;
		}
	}
}
