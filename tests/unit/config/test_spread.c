/* Work over several processes. */
#include <criterion/criterion.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config/spread.h"

enum { MANY = 5000 };

static unsigned char *done; /* by piece; shared with the helpers */
static size_t failures, last;

static void setup(void)
{
	done = mmap(NULL, MANY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(done, MAP_FAILED);
}

TestSuite(spread, .init = setup, .timeout = 60);

static int work(void *data, size_t i, struct err *e)
{
	size_t every = *(size_t *)data;

	done[i]++;
	return every && i % every == 0 ? err_set(e, ERR_CONFIG, "piece %zu", i) : 0;
}

static int die(void *data, size_t i, struct err *e)
{
	(void)data;
	(void)e;
	if (i == MANY / 2)
		raise(SIGKILL);
	return 0;
}

static void on_failed(void *data, size_t i, const struct err *e)
{
	char expected[32];

	(void)data;
	snprintf(expected, sizeof(expected), "piece %zu", i);
	cr_expect_str_eq(e->text, expected);
	cr_expect_eq(e->code, ERR_CONFIG);
	failures++;
	last = i;
}

Test(spread, every_piece_is_done_once)
{
	size_t sizes[] = { 0, 1, SPREAD_FEW, SPREAD_FEW + 1, MANY }, every = 0;
	struct err e;

	for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		memset(done, 0, MANY);
		cr_assert_eq(spread_run(sizes[k], work, on_failed, &every, &e), 0);
		for (size_t i = 0; i < MANY; i++)
			cr_assert_eq(done[i], i < sizes[k], "%zu of %zu", i, sizes[k]);
	}
	cr_expect_eq(failures, 0);
}

Test(spread, failures_are_told_with_their_piece)
{
	size_t every = 7;
	struct err e;

	cr_assert_eq(spread_run(MANY, work, on_failed, &every, &e), 0);
	cr_expect_eq(failures, (MANY + 6) / 7);
	failures = 0;
	cr_assert_eq(spread_run(8, work, on_failed, &every, &e), 0);
	cr_expect_eq(failures, 2);
	cr_expect_eq(last, 7);
}

Test(spread, a_helper_that_dies_is_an_error)
{
	struct err e = { 0 };
	cpu_set_t cpus;

	if (sched_getaffinity(0, sizeof(cpus), &cpus) || CPU_COUNT(&cpus) < 2)
		cr_skip_test("one processor");
	cr_expect_eq(spread_run(MANY, die, on_failed, NULL, &e), -1);
	cr_expect_eq(e.code, ERR_SYSTEM);
}
