/* The board: slots, totals, balance, and the gate of the fair accept. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "ipc/board.h"

static struct board *b;

static void setup(void)
{
	struct err e;

	clock_update();
	b = board_new(&e);
	cr_assert_not_null(b, "%s", e.text);
}

static void teardown(void)
{
	board_free(b);
}

TestSuite(board, .init = setup, .fini = teardown);

/* A worker that serves `generation` with `live` connections. */
static unsigned serving(uint32_t generation, uint32_t live)
{
	unsigned slot = b->nslots;

	board_claim(b, slot, generation);
	board_set(b->slot[slot].state, (uint32_t)BOARD_SERVING);
	board_set(b->slot[slot].live, live);
	return slot;
}

Test(board, starts_empty_and_knows_when)
{
	struct board_slot sum;

	board_total(b, &sum);
	cr_expect_eq(sum.connections, 0);
	cr_expect_eq(sum.live, 0);
	cr_expect_eq(b->nslots, 0);
	cr_expect_gt(b->started_wall, 0);
	cr_expect_eq(b->last_reload_ok, 1);
	cr_expect_float_eq(board_imbalance(b), 1.0, 1e-9);
}

/* ---- from one image of the program to the next ------------------------------------------ */

Test(board, can_be_mapped_again)
{
	int fd = -1;
	struct board *first, *second;
	struct err e;

	first = board_open(&fd, &e);
	cr_assert_not_null(first, "%s", e.text);
	cr_expect_eq(first->last_reload_ok, 1);
	board_set(first->slot[3].requests, (uint64_t)7);
	second = board_open(&fd, &e);
	cr_assert_not_null(second, "%s", e.text);
	cr_expect_neq(first, second);
	cr_expect_eq(board_get(second->slot[3].requests), 7);
	board_free(first);
	board_free(second);
	close(fd);
}

Test(board, another_memory_is_refused)
{
	int fd = memfd_create("test", MFD_ALLOW_SEALING);
	struct err e;

	cr_assert_eq(ftruncate(fd, sizeof(struct board)), 0);
	cr_expect_null(board_open(&fd, &e), "not sealed: it could shrink");
	cr_assert_eq(ftruncate(fd, sizeof(struct board) - 1), 0);
	cr_assert_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
	cr_expect_null(board_open(&fd, &e), "too short");
	cr_expect_eq(e.code, ERR_INTERNAL);
	close(fd);
}

/* How a child ends that confines itself to slot 1 and does something. */
static int end_of_confined(void (*fn)(struct board *, int fd))
{
	int fd = -1, status;
	struct err e;
	struct board *shared = board_open(&fd, &e);
	pid_t pid;

	cr_assert_not_null(shared, "%s", e.text);
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		if (board_confine(shared, fd, 1, &e))
			_exit(99);
		fn(shared, fd);
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		cr_expect_eq(board_get(shared->slot[1].requests), 7, "the master sees it");
	board_free(shared);
	close(fd);
	return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

static void write_own(struct board *shared, int fd)
{
	(void)fd;
	board_set(shared->slot[1].requests, (uint64_t)7);
	if (mprotect(shared, BOARD_PAGE, PROT_READ | PROT_WRITE) == 0 || errno != EACCES)
		_exit(98);
	if (mprotect(&shared->slot[2], BOARD_PAGE, PROT_READ | PROT_WRITE) == 0)
		_exit(97);
}

static void write_next(struct board *shared, int fd)
{
	(void)fd;
	board_set(shared->slot[2].requests, (uint64_t)7);
}

static void write_head(struct board *shared, int fd)
{
	(void)fd;
	board_set(shared->generation, 7u);
}

Test(board, a_worker_writes_to_its_slot_alone)
{
	if (sysconf(_SC_PAGESIZE) > BOARD_PAGE)
		cr_skip("slots share pages here");
	cr_expect_eq(end_of_confined(write_own), 0);
	cr_expect_eq(end_of_confined(write_next), SIGSEGV);
	cr_expect_eq(end_of_confined(write_head), SIGSEGV);
}

static int a_code(unsigned index)
{
	return (int)index + 200;
}

static int another_code(unsigned index)
{
	return (int)index + 201;
}

Test(board, the_layout_depends_on_what_codes_mean)
{
	cr_expect_eq(board_layout(a_code), board_layout(a_code));
	cr_expect_neq(board_layout(a_code), board_layout(another_code));
}

Test(board, a_claimed_slot_is_of_a_worker_that_starts)
{
	board_claim(b, 0, 1);
	board_claim(b, 2, 2);
	cr_expect_eq(b->slot[0].state, BOARD_STARTING);
	cr_expect_eq(b->slot[1].state, BOARD_FREE);
	cr_expect_eq(b->slot[2].generation, 2);
	cr_expect_eq(b->nslots, 3);
	board_release(b, 1);
	board_claim(b, 1, 3);
	cr_expect_eq(b->nslots, 3, "a slot used again is no new one");
	board_claim(b, BOARD_SLOTS - 1, 1);
	cr_expect_eq(b->nslots, BOARD_SLOTS);
}

Test(board, release_keeps_counters_and_clears_gauges)
{
	unsigned slot = serving(4, 12);
	struct board_slot *s = &b->slot[slot];

	board_add(s->requests, 7u);
	board_add(s->responses[2], 5u);
	board_add(s->closures[BOARD_CLOSURES - 1], 3u);
	board_set(s->pid, 4711);
	board_set(s->accepting, 1u);
	board_set(s->turns, (uint64_t)99);
	board_release(b, slot);
	cr_expect_eq(s->state, BOARD_FREE);
	cr_expect_eq(s->pid, 0);
	cr_expect_eq(s->generation, 0);
	cr_expect_eq(s->live, 0);
	cr_expect_eq(s->accepting, 0);
	cr_expect_eq(s->turns, 0);
	cr_expect_eq(s->beat_ms, 0);
	cr_expect_eq(s->requests, 7);
	cr_expect_eq(s->responses[2], 5);
	cr_expect_eq(s->closures[BOARD_CLOSURES - 1], 3);
}

Test(board, totals_survive_the_holder_and_gauges_do_not)
{
	unsigned gone = serving(1, 10), here = serving(1, 3);
	struct board_slot sum;

	board_add(b->slot[gone].bytes_sent, 1000u);
	board_add(b->slot[here].bytes_sent, 24u);
	board_add(b->slot[gone].sigpipes, 1u);
	board_add(b->slot[here].handshakes_full_13, 2u);
	board_set(b->slot[here].accepting, 1u);
	board_release(b, gone);
	board_total(b, &sum);
	cr_expect_eq(sum.bytes_sent, 1024);
	cr_expect_eq(sum.sigpipes, 1);
	cr_expect_eq(sum.handshakes_full_13, 2);
	cr_expect_eq(sum.live, 3);
	cr_expect_eq(sum.accepting, 1);
	cr_expect_eq(sum.state, 0);
	cr_expect_eq(sum.pid, 0);
}

Test(board, totals_add_every_counter)
{
	struct board_slot *s = &b->slot[serving(1, 0)], *t = &b->slot[serving(1, 0)], sum;
	uint64_t *const from = &s->connections, *const to = &t->connections;
	size_t first = offsetof(struct board_slot, connections);
	size_t n = (offsetof(struct board_slot, timed_us) - first) / sizeof(uint64_t) + 1;

	for (size_t i = 0; i < n; i++) {
		from[i] = i + 1;
		to[i] = 1000;
	}
	board_total(b, &sum);
	for (size_t i = 0; i < n; i++)
		cr_expect_eq((&sum.connections)[i], 1001 + i, "counter %zu", i);
}

Test(board, total_survives_a_scribbled_slot_count)
{
	struct board_slot sum;

	serving(1, 5);
	b->nslots = UINT32_MAX;
	board_total(b, &sum);
	cr_expect_eq(sum.live, 5);
}

Test(board, is_shared_with_a_forked_process)
{
	unsigned slot = serving(1, 0);
	int status;
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid == 0) {
		board_add(b->slot[slot].requests, 41u);
		board_add(b->slot[slot].requests, 1u);
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(board_get(b->slot[slot].requests), 42);
}

Test(board, imbalance_is_max_over_mean_of_the_serving_generation)
{
	unsigned old;

	serving(2, 10);
	serving(2, 30);
	old = serving(1, 500);
	board_set(b->slot[old].state, (uint32_t)BOARD_DRAINING);
	board_claim(b, 3, 2); /* starting: not counted */
	b->generation = 2;
	cr_expect_float_eq(board_imbalance(b), 1.5, 1e-9);
	b->generation = 3;
	cr_expect_float_eq(board_imbalance(b), 1.0, 1e-9, "nobody serves it");
}

Test(board, gate_is_open_for_a_worker_alone)
{
	unsigned relief = 77, slot = serving(1, 100000);

	cr_expect(board_gate(b, slot, NULL, &relief));
	cr_expect_eq(relief, 77, "untouched");
}

Test(board, gate_closes_above_mean_and_slack)
{
	unsigned relief = 77, mine = serving(1, 4), other = serving(1, 0);

	cr_expect(board_gate(b, mine, NULL, &relief), "4 is at mean 2 and slack 2");
	board_set(b->slot[mine].live, 5u);
	cr_expect_not(board_gate(b, mine, NULL, &relief), "5 is over mean 2.5 and slack 2");
	cr_expect_eq(relief, other);
	cr_expect(board_gate(b, other, NULL, &relief));
}

Test(board, gate_slack_grows_with_the_load)
{
	unsigned relief, mine = serving(1, 3260), other = serving(1, 2940);

	/* mean 3100, slack 2 + 96.9 */
	cr_expect_not(board_gate(b, mine, NULL, &relief));
	board_set(b->slot[mine].live, 3190u);
	board_set(b->slot[other].live, 3010u);
	cr_expect(board_gate(b, mine, NULL, &relief));
}

Test(board, relief_is_the_least_loaded_other)
{
	unsigned relief, mine = serving(1, 90), least;

	serving(1, 30);
	least = serving(1, 5);
	serving(1, 6);
	cr_expect_not(board_gate(b, mine, NULL, &relief));
	cr_expect_eq(relief, least);
}

Test(board, gate_looks_at_its_own_generation_only)
{
	unsigned relief, mine = serving(2, 50), drained = serving(2, 0);

	serving(1, 0);
	board_set(b->slot[drained].state, (uint32_t)BOARD_DRAINING);
	board_claim(b, 3, 2);
	cr_expect(board_gate(b, mine, NULL, &relief));
}

Test(board, a_stopped_worker_does_not_close_the_gate_for_others)
{
	unsigned relief, mine = serving(1, 50), stopped = serving(1, 0);

	cr_expect_not(board_gate(b, mine, NULL, &relief));
	board_set(b->slot[stopped].beat_ms, clock_ms() - BOARD_STALE_MS);
	cr_expect_not(board_gate(b, mine, NULL, &relief), "late, not stale");
	board_set(b->slot[stopped].beat_ms, clock_ms() - BOARD_STALE_MS - 1);
	cr_expect(board_gate(b, mine, NULL, &relief));
}

Test(board, one_that_has_not_turned_since_it_was_poked_is_left_out)
{
	uint64_t stuck[BOARD_SLOTS] = { 0 };
	unsigned relief, mine = serving(1, 50), poked = serving(1, 0);

	board_set(b->slot[poked].turns, (uint64_t)7);
	stuck[poked] = 7;
	cr_expect(board_gate(b, mine, stuck, &relief));
	board_set(b->slot[poked].turns, (uint64_t)8);
	cr_expect_not(board_gate(b, mine, stuck, &relief), "it turned");
	cr_expect_eq(relief, poked);
}

Test(board, listeners_keep_their_places)
{
	char name[2 * BOARD_LISTENER_NAME];

	board_add_listener(b, "https");
	board_add_listener(b, "http");
	board_add_listener(b, "https");
	cr_expect_eq(board_listener(b, "https"), 0);
	cr_expect_eq(board_listener(b, "http"), 1);
	cr_expect(str_eq(board_listener_name(b, 1), STR("http")));
	cr_expect_eq(board_listener_name(b, 2).n, 0);
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	board_add_listener(b, name);
	cr_expect_eq(board_listener(b, name), 2, "a long name is cut");
	cr_expect_eq(board_listener_name(b, 2).n, BOARD_LISTENER_NAME - 1);
}

Test(board, listeners_that_have_no_place_share_the_last_one)
{
	char name[16];

	for (int i = 0; i < BOARD_LISTENERS + 5; i++) {
		snprintf(name, sizeof(name), "l%d", i);
		board_add_listener(b, name);
		cr_expect_eq(board_listener(b, name),
			(unsigned)(i < BOARD_LISTENERS - 1 ? i : BOARD_LISTENERS - 1), "%s", name);
	}
	cr_expect(str_eq(board_listener_name(b, BOARD_LISTENERS - 1), STR("other")));
	cr_expect(str_eq(board_listener_name(b, BOARD_LISTENERS - 2), STR("l30")));
}

Test(board, sums_listeners_and_codes)
{
	unsigned x = serving(1, 0), y = serving(1, 0);
	struct board_slot sum;

	b->slot[x].accepted[3] = 1;
	b->slot[y].accepted[3] = 2;
	b->slot[y].codes[BOARD_CODES - 1] = 4;
	board_total(b, &sum);
	cr_expect_eq(sum.accepted[3], 3);
	cr_expect_eq(sum.codes[BOARD_CODES - 1], 4);
}

Test(board, names_of_states)
{
	cr_expect_str_eq(board_state_name(BOARD_SERVING), "serving");
	cr_expect_str_eq(board_state_name(99), "unknown");
}

Test(board, keeps_the_last_samples)
{
	unsigned x = serving(1, 7);
	struct board_sample s;

	cr_expect_not(board_interval(b, 0, &s));
	board_take_sample(b);
	cr_expect_not(board_interval(b, 0, &s));
	for (unsigned i = 1; i <= 2 * BOARD_SAMPLES; i++) {
		b->slot[x].requests += i;
		board_take_sample(b);
	}
	cr_assert(board_interval(b, 0, &s));
	cr_expect_eq(s.requests, 2 * BOARD_SAMPLES);
	cr_expect_eq(s.live, 7);
	cr_assert(board_interval(b, BOARD_SAMPLES - 2, &s));
	cr_expect_eq(s.requests, BOARD_SAMPLES + 2);
	cr_expect_not(board_interval(b, BOARD_SAMPLES - 1, &s));
}
