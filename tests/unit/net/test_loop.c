/* The event loop on pipes and socket pairs. A turn blocks until something is ready, so that no
 * test has to wait; a timer of its own ends the turns of those that expect nothing. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/loop.h"

static bool stopped; /* by the callback under test */
static struct loop l;

struct end {
	struct watch watch;
	int calls;
	unsigned seen;          /* of the last call */
	struct end *take_along; /* unwatched by the callback */
};

static struct end *end_of(struct watch *w)
{
	return (void *)((char *)w - offsetof(struct end, watch));
}

static void on_event(struct watch *w, unsigned events)
{
	struct end *end = end_of(w);

	end->calls++;
	end->seen = events;
	if (end->take_along)
		loop_unwatch(&l, &end->take_along->watch);
}

static void setup(void)
{
	struct err e;

	cr_assert_eq(loop_init(&l, &e), 0, "%s", e.text);
}

static void teardown(void)
{
	loop_done(&l);
}

TestSuite(loop, .init = setup, .fini = teardown);

static void make_pair(struct end *a, struct end *b)
{
	int fd[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	*a = (struct end){ .watch = { .fd = fd[0], .fn = on_event } };
	*b = (struct end){ .watch = { .fd = fd[1], .fn = on_event } };
}

static void poke(const struct end *end)
{
	cr_assert_eq(write(end->watch.fd, "x", 1), 1);
}

static void on_deadline(struct timer *t)
{
	(void)t;
	stopped = true;
}

/* Turns until a deadline that is due now has run: every event that is ready was handled. */
static void turns(void)
{
	struct timer t = { .fn = on_deadline };

	stopped = false;
	timer_set(&l.timers, &t, clock_ms());
	while (!stopped)
		loop_turn(&l);
}

Test(loop, done_takes_null_zeroed_and_twice)
{
	struct loop zeroed = { 0 };

	loop_done(NULL);
	loop_done(&zeroed);
	loop_done(&l);
	loop_done(&l);
	cr_expect_neq(fcntl(0, F_GETFD), -1, "standard input is not the loop's");
}

Test(loop, without_descriptors_the_init_fails)
{
	struct rlimit before, none;
	struct loop other;
	struct err e;
	int rc;

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){ 0, before.rlim_max };
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	rc = loop_init(&other, &e);
	setrlimit(RLIMIT_NOFILE, &before);
	cr_expect_eq(rc, -1);
	cr_expect_eq(e.code, ERR_SYSTEM);
	loop_done(&other);
}

Test(loop, the_descriptor_is_closed_on_exec)
{
	cr_expect(fcntl(l.fd, F_GETFD) & FD_CLOEXEC);
}

Test(loop, tells_what_is_ready)
{
	struct end a, b;

	make_pair(&a, &b);
	cr_assert(loop_watch(&l, &a.watch, LOOP_READ));
	turns();
	cr_expect_eq(a.calls, 0);
	poke(&b);
	loop_turn(&l);
	cr_expect_eq(a.calls, 1);
	cr_expect_eq(a.seen, LOOP_READ);
	loop_turn(&l);
	cr_expect_eq(a.calls, 2, "bytes left behind are told again");
	cr_assert(loop_watch(&l, &a.watch, LOOP_READ | LOOP_WRITE));
	loop_turn(&l);
	cr_expect_eq(a.seen, LOOP_READ | LOOP_WRITE);
	cr_assert(loop_watch(&l, &a.watch, LOOP_WRITE));
	loop_turn(&l);
	cr_expect_eq(a.seen, LOOP_WRITE);
}

Test(loop, no_interest_leaves_the_hang_up)
{
	struct end a, b;

	make_pair(&a, &b);
	cr_assert(loop_watch(&l, &a.watch, 0));
	cr_expect(a.watch.added);
	poke(&b);
	turns();
	cr_expect_eq(a.calls, 0);
	close(b.watch.fd);
	loop_turn(&l);
	cr_expect_eq(a.calls, 1);
	cr_expect_eq(a.seen, LOOP_BROKEN);
}

Test(loop, a_half_close_is_something_to_read)
{
	struct end a, b;

	make_pair(&a, &b);
	cr_assert(loop_watch(&l, &a.watch, LOOP_READ));
	shutdown(b.watch.fd, SHUT_WR);
	loop_turn(&l);
	cr_expect_eq(a.seen, LOOP_READ, "and not broken");
}

Test(loop, a_broken_pipe_is_broken)
{
	struct end a = { .watch = { .fn = on_event } };
	int fd[2];

	cr_assert_eq(pipe(fd), 0);
	a.watch.fd = fd[1];
	cr_assert(loop_watch(&l, &a.watch, LOOP_WRITE));
	close(fd[0]);
	loop_turn(&l);
	cr_expect(a.seen & LOOP_BROKEN);
}

Test(loop, a_bad_descriptor_cannot_be_watched)
{
	struct end a = { .watch = { .fd = 9999, .fn = on_event } };

	cr_expect_not(loop_watch(&l, &a.watch, LOOP_READ));
	cr_expect_not(a.watch.added);
	loop_unwatch(&l, &a.watch);
}

Test(loop, unwatched_is_silent_and_can_come_back)
{
	struct end a, b;

	make_pair(&a, &b);
	loop_unwatch(&l, &a.watch);
	cr_assert(loop_watch(&l, &a.watch, LOOP_READ));
	poke(&b);
	loop_unwatch(&l, &a.watch);
	loop_unwatch(&l, &a.watch);
	cr_expect_not(a.watch.added);
	turns();
	cr_expect_eq(a.calls, 0);
	cr_assert(loop_watch(&l, &a.watch, LOOP_READ));
	loop_turn(&l);
	cr_expect_eq(a.calls, 1);
}

Test(loop, unwatching_takes_pending_events_along)
{
	struct end a, b, c, d;

	make_pair(&a, &b);
	make_pair(&c, &d);
	cr_assert(loop_watch(&l, &a.watch, LOOP_READ));
	cr_assert(loop_watch(&l, &c.watch, LOOP_READ));
	a.take_along = &c;
	c.take_along = &a;
	poke(&b);
	poke(&d);
	loop_turn(&l);
	cr_expect_eq(a.calls + c.calls, 1, "both were ready, the first took the other along");
	cr_expect_eq(l.batch_n, 0);
}

static void on_event_free(struct watch *w, unsigned events)
{
	(void)events;
	loop_forget(&l, w);
	close(w->fd);
	free(end_of(w));
}

Test(loop, a_callback_may_close_and_free_its_own_watch)
{
	struct end b[10];

	for (int i = 0; i < 10; i++) {
		struct end *a = calloc(1, sizeof(*a));

		make_pair(a, &b[i]);
		a->watch.fn = on_event_free;
		cr_assert(loop_watch(&l, &a->watch, LOOP_READ));
		poke(&b[i]);
	}
	loop_turn(&l);
	turns();
	for (int i = 0; i < 10; i++)
		cr_expect_eq(send(b[i].watch.fd, "x", 1, MSG_NOSIGNAL), -1, "%d is open", i);
}

Test(loop, forgetting_takes_pending_events_along)
{
	struct end a, b;

	make_pair(&a, &b);
	cr_assert(loop_watch(&l, &a.watch, LOOP_READ));
	l.batch[0] = &a.watch;
	l.batch_n = 1;
	loop_forget(&l, &a.watch);
	cr_expect_null(l.batch[0]);
	cr_expect_not(a.watch.added);
	cr_expect_eq(a.watch.events, 0);
}

Test(loop, an_exclusive_watch_can_change)
{
	struct end a, b;

	make_pair(&a, &b);
	cr_assert(loop_watch(&l, &a.watch, LOOP_READ | LOOP_EXCLUSIVE));
	poke(&b);
	loop_turn(&l);
	cr_expect_eq(a.seen, LOOP_READ, "the kind of watch is no event");
	cr_assert(loop_watch(&l, &a.watch, LOOP_EXCLUSIVE));
	a.calls = 0;
	turns();
	cr_expect_eq(a.calls, 0);
	cr_assert(loop_watch(&l, &a.watch, LOOP_READ));
	loop_turn(&l);
	cr_expect_eq(a.calls, 1);
	cr_assert(loop_watch(&l, &a.watch, LOOP_READ | LOOP_EXCLUSIVE));
	loop_turn(&l);
	cr_expect_eq(a.calls, 2);
}

Test(loop, more_ready_than_a_batch)
{
	enum { ENDS = LOOP_BATCH + 40 };
	static struct end a[ENDS], b[ENDS];

	for (int i = 0; i < ENDS; i++) {
		make_pair(&a[i], &b[i]);
		cr_assert(loop_watch(&l, &a[i].watch, LOOP_READ));
		poke(&b[i]);
	}
	loop_turn(&l);
	loop_turn(&l);
	for (int i = 0; i < ENDS; i++)
		cr_expect_geq(a[i].calls, 1, "%d", i);
}

Test(loop, sleeps_until_the_deadline_and_keeps_the_clock)
{
	struct timer t = { .fn = on_deadline };
	int64_t before = clock_us_now(), deadline;

	clock_update();
	deadline = clock_ms() + 50;
	timer_set(&l.timers, &t, deadline);
	while (!stopped)
		loop_turn(&l);
	cr_expect_geq(clock_us_now() - before, 50000 - 1000);
	cr_expect_geq(clock_ms(), deadline);
	cr_expect_leq(l.turns, 4, "%d turns", (int)l.turns);
}

static void on_alarm(int signo)
{
	(void)signo;
}

Test(loop, a_signal_ends_the_wait)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval often = { { 0, 10000 }, { 0, 10000 } }; /* one may come before the wait */

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	loop_turn(&l); /* no watch, no deadline: only the signal can end it */
	cr_expect_eq(l.turns, 1);
}

static void on_event_set_deadline(struct watch *w, unsigned events)
{
	static struct timer t = { .fn = on_deadline };

	on_event(w, events);
	loop_unwatch(&l, w);
	timer_set(&l.timers, &t, clock_ms() - 100);
}

Test(loop, deadlines_run_after_events)
{
	struct end a, b;

	make_pair(&a, &b);
	a.watch.fn = on_event_set_deadline;
	cr_assert(loop_watch(&l, &a.watch, LOOP_READ));
	poke(&b);
	loop_turn(&l);
	cr_expect_eq(a.calls, 1);
	while (!stopped)
		loop_turn(&l);
	cr_expect_leq(l.turns, 3);
}
