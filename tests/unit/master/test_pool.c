/* The pool against workers that obey, die, hang and lie. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/config.h"
#include "ipc/channel.h"
#include "master/pool.h"
#include "toy.h"

enum { PATIENCE_MS = 15000 };

static sd_event *event;
static struct board *board;
static struct slots slots;
static struct pool pool;
static unsigned heard[POOL_EMPTY + 1]; /* by enum pool_news */

static void on_news(struct pool *p, enum pool_news news)
{
	cr_assert_eq(p, &pool);
	heard[news]++;
}

static void setup(void)
{
	struct err e;

	toy_setup();
	cr_assert_geq(sd_event_new(&event), 0);
	board = board_new(&e);
	cr_assert_not_null(board);
	slots_init(&slots, board, -1);
}

static void teardown(void)
{
	pool_done(&pool);
	slots_done(&slots);
	board_free(board);
	sd_event_unref(event);
}

TestSuite(pool, .init = setup, .fini = teardown, .timeout = 60);

static struct pool_options options(unsigned n)
{
	return (struct pool_options){
		.member = {
			.event = event,
			.slots = &slots,
			.worker = toy_worker,
			.inherit = {
				.generation = 7,
				.uid = (uid_t)-1,
				.gid = (gid_t)-1,
				.master = getpid(),
			},
			.ready_ms = PATIENCE_MS,
		},
		.n = n,
		.news = on_news,
	};
}

static bool is_ready(void)
{
	return heard[POOL_READY] > 0;
}

static bool has_failed(void)
{
	return heard[POOL_FAILED] > 0;
}

static bool is_empty(void)
{
	return heard[POOL_EMPTY] > 0;
}

static bool all_serve(void)
{
	return pool.ready == pool.o.n;
}

static void start(const struct pool_options *o)
{
	struct err e;

	cr_assert_eq(pool_start(&pool, o, &e), 0, "%s", e.text);
}

static void start_and_serve(unsigned n)
{
	struct pool_options o = options(n);

	start(&o);
	cr_assert(toy_turn_until(event, is_ready, PATIENCE_MS));
}

static void turn_until(bool (*done)(void))
{
	cr_assert(toy_turn_until(event, done, PATIENCE_MS));
}

Test(pool, tells_once_when_all_are_ready)
{
	start_and_serve(3);
	cr_expect_eq(heard[POOL_READY], 1);
	cr_expect_eq(heard[POOL_FAILED], 0);
	cr_expect_eq(pool.state, POOL_SERVING);
	cr_expect_eq(pool.ready, 3);
	cr_expect_eq(pool.alive, 3);
	for (unsigned i = 0; i < 3; i++) {
		cr_expect_eq(board->slot[i].generation, 7);
		cr_expect_gt(board->slot[i].pid, 0);
	}
	cr_expect_eq(board->slot[3].state, BOARD_FREE);
}

static bool three_take_connections(void)
{
	return toy->serves == 3;
}

static bool four_take_connections(void)
{
	return toy->serves == 4;
}

Test(pool, workers_take_connections_when_they_are_told_and_their_replacements_at_once)
{
	start_and_serve(3);
	cr_expect_eq(toy->serves, 0);
	pool_serve(&pool);
	turn_until(three_take_connections);
	cr_assert_eq(kill(board->slot[1].pid, SIGKILL), 0);
	turn_until(four_take_connections);
}

static bool one_takes_connections(void)
{
	return toy->serves == 1;
}

Test(pool, a_worker_that_cannot_be_told_to_take_connections_is_replaced)
{
	toy->manner = TOY_DEAF;
	toy->lives_until_it_obeys = 1;
	start_and_serve(1);
	while (channel_send(pool.members[0].channel, CHANNEL_REOPEN, 0, -1) == 0)
		;
	pool_serve(&pool);
	turn_until(one_takes_connections);
	cr_expect_eq(toy->births, 2);
}

Test(pool, no_worker_of_a_failed_start_takes_a_connection)
{
	struct pool_options o = options(2);

	toy->manner = TOY_SILENT;
	toy->lives_until_it_obeys = 1;
	o.member.ready_ms = 2000;
	start(&o);
	turn_until(has_failed);
	cr_expect_eq(pool.ready, 1);
	cr_expect_eq(toy->serves, 0);
}

Test(pool, workers_inherit_what_they_need)
{
	start_and_serve(2);
	for (unsigned i = 0; i < 2; i++) {
		cr_expect_eq(toy->seen[i].slot, i);
		cr_expect_eq(toy->seen[i].generation, 7);
		cr_expect_eq(toy->seen[i].board, board);
		cr_expect_eq(toy->seen[i].master, getpid());
		cr_expect_geq(toy->seen[i].channel, 0);
	}
	cr_expect_eq(toy->unseen_pokes, 0, "all know each other");
	cr_expect_neq(slots.pokes[0], slots.pokes[1]);
}

Test(pool, a_death_before_ready_fails_the_start)
{
	struct pool_options o = options(2);

	toy->manner = TOY_EXIT;
	start(&o);
	turn_until(has_failed);
	cr_expect_eq(pool.failure.code, ERR_SYSTEM, "the worker's own exit status");
	cr_expect_not_null(strstr(pool.failure.text, "ended with status 71 before it was ready"),
		"%s", pool.failure.text);
	cr_expect_eq(heard[POOL_FAILED], 1);
	cr_expect_eq(heard[POOL_READY], 0);
	if (!pool_is_empty(&pool))
		turn_until(is_empty);
	cr_expect_eq(toy->births, 2, "no one is forked again");
	cr_expect_eq(heard[POOL_FAILED], 1, "once, however many die");
}

Test(pool, silence_fails_the_start)
{
	struct pool_options o = options(1);

	toy->manner = TOY_SILENT;
	o.member.ready_ms = 50;
	start(&o);
	turn_until(has_failed);
	cr_expect_not_null(
		strstr(pool.failure.text, "was not ready in time"), "%s", pool.failure.text);
	cr_expect(pool_is_empty(&pool));
	cr_expect_not(slots.used[0]);
}

Test(pool, a_killed_worker_is_replaced_in_its_slot)
{
	int32_t pid;
	int poke;

	start_and_serve(2);
	pid = board->slot[1].pid;
	poke = slots.pokes[1];
	board_add(board->slot[1].requests, 5u);
	board_set(board->slot[1].live, 3u);
	kill(pid, SIGKILL);
	while (toy->births < 3 || !all_serve())
		cr_assert_geq(sd_event_run(event, UINT64_MAX), 0);
	cr_expect_neq(board->slot[1].pid, pid);
	cr_expect_eq(slots.pokes[1], poke, "the others know this one");
	cr_expect_eq(board->slot[1].requests, 5);
	cr_expect_eq(board->slot[1].live, 0);
	cr_expect_eq(board->slot[1].generation, 7);
	cr_expect_eq(board->respawns, 1);
	cr_expect_eq(pool.alive, 2);
	cr_expect_eq(heard[POOL_READY], 1);
}

Test(pool, dying_at_once_again_and_again_waits_longer_and_longer)
{
	int64_t begun = toy_now_ms();

	toy->manner = TOY_EXIT_READY;
	toy->lives_until_it_obeys = 3;
	start_and_serve(1);
	while (toy->births < 4 || !all_serve())
		cr_assert_geq(sd_event_run(event, UINT64_MAX), 0);
	cr_expect_geq(toy_now_ms() - begun, 100 + 200 + 400);
	cr_expect_eq(board->respawns, 3);
}

static bool is_crashing(void)
{
	return heard[POOL_CRASHING] > 0;
}

Test(pool, tells_once_when_its_workers_die_young_again_and_again)
{
	toy->manner = TOY_EXIT_READY;
	toy->lives_until_it_obeys = 4;
	start_and_serve(1);
	turn_until(is_crashing);
	cr_expect_eq(pool.young_deaths, 3, "more than twice their number");
	while (toy->births < 5 || !all_serve())
		cr_assert_geq(sd_event_run(event, UINT64_MAX), 0);
	cr_expect_eq(heard[POOL_CRASHING], 1);
	cr_expect(pool.is_crashing);
}

Test(pool, deaths_that_somebody_wanted_are_no_crashes)
{
	start_and_serve(1);
	for (unsigned i = 0; i < 4; i++) {
		kill(board->slot[0].pid, SIGKILL);
		while (toy->births < i + 2 || !all_serve())
			cr_assert_geq(sd_event_run(event, UINT64_MAX), 0);
	}
	cr_expect_eq(pool.young_deaths, 0);
	cr_expect_eq(heard[POOL_CRASHING], 0);
}

Test(pool, a_death_by_sigpipe_is_policy_where_that_is_the_policy)
{
	struct pool_options o = options(1);
	int64_t begun;

	toy->manner = TOY_SIGPIPE;
	toy->lives_until_it_obeys = 6;
	o.sigpipe_is_policy = true;
	start(&o);
	turn_until(is_ready);
	begun = toy_now_ms();
	while (toy->births < 7 || !all_serve())
		cr_assert_geq(sd_event_run(event, UINT64_MAX), 0);
	cr_expect_eq(board->respawns, 6);
	cr_expect_lt(toy_now_ms() - begun, 6000, "6 deaths with back-off take 6.3 s");
}

Test(pool, a_death_by_sigpipe_is_a_death_elsewhere)
{
	int64_t begun = toy_now_ms();

	toy->manner = TOY_SIGPIPE;
	toy->lives_until_it_obeys = 2;
	start_and_serve(1);
	while (toy->births < 3 || !all_serve())
		cr_assert_geq(sd_event_run(event, UINT64_MAX), 0);
	cr_expect_geq(toy_now_ms() - begun, 100 + 200);
}

Test(pool, drains_and_is_empty)
{
	start_and_serve(3);
	pool_drain(&pool, 1234, PATIENCE_MS);
	cr_expect_not(pool_is_empty(&pool));
	turn_until(is_empty);
	cr_expect_eq(toy->drains, 3);
	cr_expect_eq(toy->last_idle_ms, 1234);
	cr_expect_eq(toy->births, 3, "nobody is replaced any more");
	cr_expect_eq(heard[POOL_EMPTY], 1);
	for (unsigned i = 0; i < 3; i++) {
		cr_expect_not(slots.used[i]);
		cr_expect_eq(slots.pokes[i], -1);
		cr_expect_eq(board->slot[i].state, BOARD_FREE);
	}
}

Test(pool, a_deaf_worker_is_killed_when_its_time_is_up)
{
	int64_t begun;

	toy->manner = TOY_DEAF;
	start_and_serve(2);
	begun = toy_now_ms();
	pool_drain(&pool, 10, 150);
	turn_until(is_empty);
	cr_expect_geq(toy_now_ms() - begun, 149);
	cr_expect_eq(pool.alive, 0);
}

Test(pool, a_second_drain_does_not_give_more_time)
{
	int64_t begun;

	toy->manner = TOY_DEAF;
	start_and_serve(1);
	begun = toy_now_ms();
	pool_drain(&pool, 10, 200);
	pool_drain(&pool, 10, 100000);
	turn_until(is_empty);
	cr_expect_geq(toy_now_ms() - begun, 199);
}

Test(pool, a_second_drain_may_give_less_time)
{
	toy->manner = TOY_DEAF;
	start_and_serve(1);
	pool_drain(&pool, 10, 100000);
	pool_drain(&pool, 10, 50);
	turn_until(is_empty);
}

Test(pool, stops_at_once)
{
	start_and_serve(2);
	pool_stop(&pool);
	turn_until(is_empty);
	cr_expect_eq(toy->stops, 2);
}

Test(pool, kills)
{
	toy->manner = TOY_DEAF;
	start_and_serve(2);
	pool_kill(&pool);
	turn_until(is_empty);
}

Test(pool, one_that_closes_its_channel_and_lives_on_is_replaced)
{
	toy->manner = TOY_MUTE;
	toy->lives_until_it_obeys = 1;
	start_and_serve(1);
	while (toy->births < 2 || !all_serve())
		cr_assert_geq(sd_event_run(event, UINT64_MAX), 0);
	cr_expect_eq(board->respawns, 1);
}

static bool is_down(void)
{
	return pool.down == 1;
}

Test(pool, one_that_waits_for_its_next_life_does_not_hold_up_the_end)
{
	toy->manner = TOY_EXIT_READY;
	start_and_serve(1);
	turn_until(is_down);
	pool_drain(&pool, 10, PATIENCE_MS);
	cr_expect(pool_is_empty(&pool));
	cr_expect_not(slots.used[0]);
	cr_expect_eq(heard[POOL_EMPTY], 0);
}

static bool both_reopened(void)
{
	return toy->reopens == 2;
}

Test(pool, hands_a_reopened_log_to_every_worker)
{
	struct log_file log = { 0 };
	char text[64] = "";
	int ends[2];

	cr_assert_eq(pipe(ends), 0);
	log.fd = ends[1];
	start_and_serve(2);
	pool_reopen_logs(&pool, &log, 1);
	while (!both_reopened())
		sd_event_run(event, 1000);
	cr_expect_eq(read(ends[0], text, sizeof(text) - 1), 18);
	cr_expect_str_eq(text, "reopened\nreopened\n");
	cr_expect_eq(toy->last_index, 0);
}

enum { MANY_LOGS = 1000 };

/* Its channel takes a few hundred at a time, and none while it is busy. */
Test(pool, a_worker_hears_of_more_logs_than_its_channel_takes)
{
	static struct log_file logs[MANY_LOGS];
	int fd = open("/dev/null", O_WRONLY);

	for (int i = 0; i < MANY_LOGS; i++)
		logs[i].fd = fd;
	start_and_serve(1);
	pool_serve(&pool);
	kill(pool.members[0].pid, SIGSTOP);
	pool_reopen_logs(&pool, logs, MANY_LOGS);
	cr_expect_gt(pool.members[0].log_next, 0);
	cr_assert_lt(pool.members[0].log_next, MANY_LOGS);
	pool_reopen_logs(&pool, logs, MANY_LOGS); /* again, before it has heard of all */
	cr_assert_eq(pool.members[0].log_next, 0);
	kill(pool.members[0].pid, SIGCONT);
	while (toy->last_index < MANY_LOGS - 1)
		cr_assert_geq(sd_event_run(event, 1000), 0);
	cr_expect_eq(pool.members[0].log_next, MANY_LOGS);
	cr_expect_eq(toy->births, 1);
}

Test(pool, workers_do_not_run_the_handlers_of_the_master)
{
	toy->manner = TOY_EXIT_READY;
	toy->lives_until_it_obeys = 1;
	start_and_serve(1);
	turn_until(is_down);
	cr_expect_eq(toy->exits, 0);
}

/* A pool's whole life; afterwards the event loop has what it keeps for itself. */
static void live_once(void)
{
	start_and_serve(1);
	pool_drain(&pool, 0, PATIENCE_MS);
	turn_until(is_empty);
	pool_done(&pool);
	memset(heard, 0, sizeof(heard));
	toy->births = 0;
}

Test(pool, done_leaves_no_process_and_no_descriptor)
{
	int32_t pid;
	int before;

	live_once();
	before = toy_count_fds();
	toy->manner = TOY_DEAF;
	start_and_serve(3);
	pid = board->slot[2].pid;
	pool_done(&pool);
	cr_expect_eq(toy_count_fds(), before);
	cr_expect_eq(kill(pid, 0), -1);
	cr_expect_eq(errno, ESRCH);
	pool_done(&pool);
	pool_done(NULL);
}

Test(pool, lives_and_deaths_leave_no_descriptor)
{
	int before;

	live_once();
	before = toy_count_fds();
	for (int round = 0; round < 5; round++) {
		memset(heard, 0, sizeof(heard));
		start_and_serve(2);
		kill(board->slot[0].pid, SIGKILL);
		while (toy->births < 3 * (unsigned)(round + 1) || !all_serve())
			cr_assert_geq(sd_event_run(event, UINT64_MAX), 0);
		pool_drain(&pool, 0, PATIENCE_MS);
		turn_until(is_empty);
		pool_done(&pool);
	}
	cr_expect_eq(toy_count_fds(), before);
}

Test(pool, says_when_there_is_no_slot_left)
{
	struct pool_options o = options(2);
	struct err e;

	for (int i = 0; i < BOARD_SLOTS - 1; i++)
		slots.used[i] = true;
	cr_expect_eq(pool_start(&pool, &o, &e), -1);
	cr_expect_eq(e.code, ERR_TEMPORARY);
	cr_expect_eq(toy->births, 0);
	pool_done(&pool);
	cr_expect_not(slots.used[BOARD_SLOTS - 1], "what was taken is given back");
}

static bool has_come_back(void)
{
	return toy->births == 3 && pool.ready == 2;
}

/* Looks with the heartbeat of slot 0 kept going. */
static bool look(int64_t elapsed_ms)
{
	board_set(board->slot[0].beat_ms, board_get(board->slot[0].beat_ms) + 1);
	return pool_look_after(&pool, elapsed_ms, 10000);
}

Test(pool, a_worker_without_heartbeat_is_aborted_and_replaced)
{
	start_and_serve(2);
	cr_expect(look(1000));
	cr_expect(look(6000));
	cr_expect_not(look(6000), "silent for 12 seconds");
	turn_until(has_come_back);
	cr_expect_eq(board_get(board->respawns), 1);
	cr_expect(look(6000), "its successor starts anew");
}

Test(pool, a_worker_that_does_not_hear_sigabrt_is_killed)
{
	int64_t begun = toy_now_ms();

	toy->manner = TOY_HANG;
	start_and_serve(2);
	look(1000);
	cr_expect_not(look(11000));
	cr_expect_not(look(1000), "still there");
	turn_until(has_come_back);
	cr_expect_geq(toy_now_ms() - begun, POOL_GRACE_MS);
}

Test(pool, only_serving_workers_are_looked_after)
{
	struct pool_options o = options(2);

	toy->manner = TOY_SILENT;
	start(&o);
	cr_expect(pool_look_after(&pool, 60000, 10000), "reload.ready bounds a start");
	cr_expect(pool_look_after(&pool, 60000, 10000));
	pool_kill(&pool);
	cr_expect(pool_look_after(&pool, 60000, 10000));
	turn_until(is_empty);
	cr_expect_leq(toy->births, 2);
}
