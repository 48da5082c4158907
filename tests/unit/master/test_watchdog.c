/* Who is fed, and who is ended. */
#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "ipc/board.h"
#include "master/watchdog.h"
#include "toy.h"

enum { PATIENCE_MS = 15000 };

static int manager = -1;
static unsigned fed, wanted;
static sd_event *event;
static struct slots slots;
static struct board *board;
static struct generation generation;
static struct reload reload;
static struct watchdog dog;

static void setup(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char name[64];
	int n = snprintf(name, sizeof(name), "@latchd-watchdog-test-%d", (int)getpid());
	struct err e;

	toy_setup();
	memcpy(a.sun_path + 1, name + 1, (size_t)n - 1);
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	cr_assert_eq(bind(manager, (struct sockaddr *)&a,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n)),
		0);
	setenv("NOTIFY_SOCKET", name, 1);
	unsetenv("WATCHDOG_PID");
	setenv("WATCHDOG_USEC", "20000000", 1);
	cr_assert_geq(sd_event_new(&event), 0);
	board = board_new(&e);
	slots_init(&slots, board, -1);
}

static void teardown(void)
{
	watchdog_stop(&dog);
	pool_done(&generation.pool);
	slots_done(&slots);
	board_free(board);
	sd_event_unref(event);
}

TestSuite(watchdog, .init = setup, .fini = teardown, .timeout = 60);

/* With a time of patience short enough for a test. */
static void start(int64_t hung_ms)
{
	struct err e;

	cr_assert_eq(watchdog_start(&dog, event, &reload, &e), 0);
	dog.hung_ms = hung_ms;
	sd_event_source_set_time_relative(dog.timer, 0);
}

static void listen_to_it(void)
{
	char text[256];
	ssize_t n;

	while ((n = recv(manager, text, sizeof(text), 0)) > 0)
		fed += n == 10 && !memcmp(text, "WATCHDOG=1", 10);
}

static bool is_fed(void)
{
	listen_to_it();
	return fed >= wanted;
}

static bool is_given_up(void)
{
	listen_to_it();
	return generation.pool.members[0].sentence;
}

/* Who does not listen blocks the one who feeds, after as many words as the kernel keeps. */
static bool has_come_back(void)
{
	listen_to_it();
	return toy->births >= 2 && generation.pool.ready == 1;
}

static void on_news(struct pool *p, enum pool_news news)
{
	(void)p;
	(void)news;
}

static bool serves(void)
{
	return generation.pool.state == POOL_SERVING;
}

static void start_worker(void)
{
	struct pool_options o = {
		.member = {
			.event = event,
			.slots = &slots,
			.worker = toy_worker,
			.inherit = {
				.generation = 1,
				.master = getpid(),
				.uid = (uid_t)-1,
				.gid = (gid_t)-1,
			},
			.ready_ms = PATIENCE_MS,
		},
		.n = 1,
		.news = on_news,
	};
	struct err e;

	cr_assert_eq(pool_start(&generation.pool, &o, &e), 0);
	cr_assert(toy_turn_until(event, serves, PATIENCE_MS));
	reload.serving = &generation;
}

static int64_t hung_ms_for(const char *usec)
{
	struct err e;
	int64_t ms;

	if (usec)
		setenv("WATCHDOG_USEC", usec, 1);
	else
		unsetenv("WATCHDOG_USEC");
	cr_assert_eq(watchdog_start(&dog, event, &reload, &e), 0);
	ms = dog.hung_ms;
	cr_expect_eq(dog.is_fed, usec != NULL);
	watchdog_stop(&dog);
	return ms;
}

Test(watchdog, patience_is_half_of_the_managers_within_bounds)
{
	cr_expect_eq(hung_ms_for(NULL), WATCHDOG_HUNG_MS);
	cr_expect_eq(hung_ms_for("60000000"), WATCHDOG_HUNG_MS);
	cr_expect_eq(hung_ms_for("12000000"), 6000);
	cr_expect_eq(hung_ms_for("1000000"), WATCHDOG_HUNG_MIN_MS);
}

Test(watchdog, another_process_is_not_fed_for)
{
	struct err e;

	setenv("WATCHDOG_PID", "1", 1);
	cr_assert_eq(watchdog_start(&dog, event, &reload, &e), 0);
	cr_expect_not(dog.is_fed);
}

Test(watchdog, feeds_again_and_again)
{
	start(100);
	wanted = 3;
	cr_expect(toy_turn_until(event, is_fed, PATIENCE_MS));
}

Test(watchdog, feeds_for_workers_that_stir)
{
	start_worker();
	start(100000);
	/* Silent since the worker was born, but not for long. */
	sd_event_source_set_time_relative(dog.timer, 0);
	wanted = 1;
	cr_expect(toy_turn_until(event, is_fed, PATIENCE_MS));
	cr_expect_eq(toy->births, 1);
}

Test(watchdog, a_worker_that_hangs_starves_it_and_is_replaced)
{
	start_worker();
	start(200);
	cr_expect(toy_turn_until(event, is_given_up, PATIENCE_MS));
	cr_expect_leq(fed, WATCHDOG_LOOKS, "it is fed at no look after the patience of one life");
	cr_expect(toy_turn_until(event, has_come_back, PATIENCE_MS));
}

Test(watchdog, stop_takes_nothing)
{
	struct watchdog w = { 0 };

	watchdog_stop(&w);
}
