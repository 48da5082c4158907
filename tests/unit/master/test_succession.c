/* One master leaves what it has to another. Here both are in one process: the first is never turned
 * again, as if it had become the second. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "master/control.h"
#include "master/handover.h"
#include "master/reload.h"
#include "master/succession.h"
#include "net/sock.h"
#include "tls/ticket.h"
#include "toy.h"

enum { PATIENCE_MS = 20000 };

static sd_event *event, *event_before;
static struct reload before, reload;
static struct control control; /* closed */
static struct master_options options;
static struct handover handover;
static struct err e;
static unsigned heard[RELOAD_REJECTED + RELOAD_COMMITTED + RELOAD_CHANGED + 8]; /* by news */
static char directory[] = "/tmp/latchd-test-XXXXXX";
static char config_path[64], log_path[64];
static const char *extra = "";

static void on_news(struct reload *r, enum reload_news news)
{
	heard[news] += r == &reload;
}

static void configure(void)
{
	FILE *f = fopen(config_path, "w");

	cr_assert_not_null(f);
	fprintf(f,
		"workers = 2;\n%s\n%s\n"
		"log = { target = \"%s\"; level = \"error\"; };\n"
		"listeners = ( { name = \"a\"; address = \"127.0.0.1:0\"; tls = false; } );\n"
		"sites = ( { names = [ \"*\" ]; routes = ( { path = \"/\"; files = { root = "
		"\"%s\"; }; } ); } );\n",
		geteuid() == 0 ? "user = \"root\"; group = \"root\";" : "", extra, log_path,
		directory);
	cr_assert_eq(fclose(f), 0);
}

static bool before_is_idle(void)
{
	return !reload_is_busy(&before);
}

/* A master that serves, with two toy workers. */
static void setup(void)
{
	struct control_options co = { 0 };

	toy_setup();
	cr_assert_not_null(mkdtemp(directory));
	snprintf(config_path, sizeof(config_path), "%s/latchd.conf", directory);
	snprintf(log_path, sizeof(log_path), "%s/log", directory);
	configure();
	options = (struct master_options){ .config_path = config_path, .worker = toy_worker };
	cr_assert_geq(sd_event_new(&event), 0);
	cr_assert_geq(sd_event_new(&event_before), 0);
	co.event = event_before;
	control_init(&control, &co);
	cr_assert_eq(reload_init(&before, event_before, &options, on_news, &e), 0, "%s", e.text);
	reload_begin(&before);
	cr_assert(toy_turn_until(event_before, before_is_idle, PATIENCE_MS));
	cr_assert_not_null(before.serving);
}

static void teardown(void)
{
	/* Whoever has the workers ends them. */
	reload_done(reload.serving ? &reload : &before);
	handover_done(&handover);
	sd_event_unref(event);
	unlink(config_path);
	unlink(log_path);
	rmdir(directory);
}

TestSuite(succession, .init = setup, .fini = teardown, .timeout = 60);

static void collect(void)
{
	static char name[] = "latchd", *args[] = { name, NULL };

	cr_assert_eq(succession_collect(&handover, &before, &control, "/x/latchd", args, &e), 0,
		"%s", e.text);
}

static void take_over(void)
{
	struct handover read;
	int fd = handover_write(&handover, &e);

	cr_assert_geq(fd, 0, "%s", e.text);
	cr_assert_eq(handover_read(fd, &read, &e), 0, "%s", e.text);
	close(fd);
	cr_assert_eq(handover_verify(&read, &e), 0, "%s", e.text);
	reload_init_bare(&reload, event, &options, on_news);
	cr_assert_eq(succession_take_shared(&reload, &read, &e), 0, "%s", e.text);
	cr_assert_eq(succession_take_workers(&reload, &read, &e), 0, "%s", e.text);
	handover_done(&read);
}

static bool is_idle(void)
{
	return !reload_is_busy(&reload);
}

static bool nothing_drains(void)
{
	return is_idle() && !reload.retired.draining;
}

static void turn_until(bool (*done)(void))
{
	cr_assert(toy_turn_until(event, done, PATIENCE_MS));
}

static void begin(void)
{
	reload_begin(&reload);
	turn_until(is_idle);
}

Test(succession, the_workers_go_on_and_then_drain)
{
	unsigned port = sock_local_port(before.serving->listener_fds[0]);
	int64_t rotated = ticket_ring_rotated_ms(before.ring);

	board_set(before.board->slot[0].requests, (uint64_t)5);
	collect();
	take_over();
	cr_expect(generation_is_inherited(reload.serving));
	cr_expect_eq(reload.serving->number, 1);
	cr_expect_eq(reload.serving->pool.ready, 2);
	cr_expect_eq(board_get(reload.board->slot[0].requests), 5);
	cr_expect_eq(ticket_ring_rotated_ms(reload.ring), rotated);
	begin();
	cr_assert_eq(heard[RELOAD_COMMITTED], 1);
	cr_expect_eq(heard[RELOAD_BEGUN], 0, "it was rehearsed before");
	cr_expect_eq(reload.serving->number, 2);
	cr_expect_not(generation_is_inherited(reload.serving));
	cr_expect_eq(sock_local_port(reload.serving->listener_fds[0]), port);
	cr_expect_eq(reload.sockets.n, 1);
	cr_expect_eq(reload.board->reloads_ok, 0, "an upgrade is no reload");
	turn_until(nothing_drains);
	cr_expect_eq(toy->drains, 2);
	begin();
	cr_expect_eq(heard[RELOAD_BEGUN], 1, "the next one is a reload");
	cr_expect_eq(reload.serving->number, 3);
}

Test(succession, another_board_is_left_to_its_workers)
{
	board_set(before.board->slot[0].requests, (uint64_t)5);
	collect();
	handover.layout++;
	toy->manner = TOY_OBEY;
	take_over();
	cr_expect_geq(reload.foreign_fd, 0);
	cr_expect_eq(board_get(reload.board->slot[0].requests), 0);
	cr_expect(pool_look_after(&reload.serving->pool, 1 << 20, 1), "it cannot hear them");
}

static char name[] = "latchd", *arguments[] = { name, NULL };

Test(succession, the_way_back_is_with_the_board_of_before)
{
	uint64_t layout;

	collect();
	layout = ++handover.layout;
	take_over();
	handover_done(&handover);
	cr_assert_eq(succession_collect(&handover, &reload, &control, "/x", arguments, &e), 0);
	cr_expect_eq(handover.layout, layout);
	cr_expect_eq(handover.board, reload.foreign_fd);
	begin();
	cr_assert_eq(heard[RELOAD_COMMITTED], 1);
	turn_until(nothing_drains);
	cr_expect_eq(toy->drains, 2);
	handover_done(&handover);
	cr_assert_eq(succession_collect(&handover, &reload, &control, "/x", arguments, &e), 0);
	cr_expect_neq(handover.layout, layout);
	cr_expect_eq(handover.board, reload.board_fd);
}

Test(succession, workers_of_another_board_are_not_handed_on_while_they_drain)
{
	before.serving->config->reload_drain_ms = 100000; /* handed over */
	kill(before.serving->pool.members[0].pid, SIGSTOP);
	collect();
	handover.layout++;
	take_over();
	begin();
	handover_done(&handover);
	cr_expect_eq(succession_collect(&handover, &reload, &control, "/x", arguments, &e), -1);
	cr_expect_eq(e.code, ERR_TEMPORARY);
	cr_expect_not_null(strstr(e.text, "still draining"));
}

Test(succession, what_is_rejected_leaves_the_workers_serving)
{
	collect();
	take_over();
	extra = "wrokers = 3;";
	configure();
	begin();
	cr_expect_eq(heard[RELOAD_REJECTED], 1);
	cr_expect_eq(reload.last.code, ERR_CONFIG);
	cr_expect(generation_is_inherited(reload.serving));
	cr_expect_eq(reload.serving->pool.alive, 2);
	cr_expect_eq(reload.board->reloads_failed, 0, "an upgrade is no reload");
	cr_expect_not(reload_is_empty(&reload));
	extra = "";
	configure();
	begin();
	cr_assert_eq(heard[RELOAD_COMMITTED], 1, "%s",
		reload.last.findings.n ? reload.last.findings.v[0].err.text : "");
	turn_until(nothing_drains);
	cr_expect_eq(toy->drains, 2);
}

static bool one_is_left(void)
{
	return reload.serving->pool.alive == 1;
}

static bool is_empty(void)
{
	return reload_is_empty(&reload);
}

Test(succession, who_dies_cannot_be_replaced)
{
	struct generation *g;

	collect();
	take_over();
	g = reload.serving;
	kill(g->pool.members[0].pid, SIGKILL);
	turn_until(one_is_left);
	cr_expect_eq(g->pool.ready, 1);
	cr_expect_eq(g->pool.down, 0);
	cr_expect_eq(reload.board->respawns, 0);
	kill(g->pool.members[1].pid, SIGKILL);
	turn_until(is_empty);
	cr_expect_eq(reload.serving, g, "its log is the master's");
}

Test(succession, who_died_meanwhile_is_noticed)
{
	pid_t pid = before.serving->pool.members[1].pid;

	collect();
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	take_over();
	cr_expect_eq(reload.serving->pool.alive, 1);
	cr_expect_eq(reload.board->slot[1].state, BOARD_FREE);
	begin();
	cr_expect_eq(heard[RELOAD_COMMITTED], 1);
	turn_until(nothing_drains);
	cr_expect_eq(toy->drains, 1);
}

Test(succession, those_that_drain_are_killed_in_time)
{
	const struct generation *g;

	toy->manner = TOY_DEAF;
	before.serving->config->reload_drain_ms = 100;
	kill(before.serving->pool.members[0].pid, SIGSTOP); /* it will not hear */
	reload_begin(&before);
	cr_assert(toy_turn_until(event_before, before_is_idle, PATIENCE_MS));
	cr_assert_not_null(before.retired.draining);
	collect();
	cr_expect_eq(handover.ngenerations, 2);
	take_over();
	g = reload.retired.draining;
	cr_assert_not_null(g);
	cr_expect_eq(g->number, 1);
	cr_expect_eq(reload.serving->number, 2);
	cr_expect_eq(g->pool.deadline_us, before.retired.draining->pool.deadline_us);
	turn_until(nothing_drains);
	cr_expect_eq(reload.board->slot[0].state, BOARD_FREE);
}

Test(succession, logs_are_still_theirs)
{
	collect();
	cr_assert_eq(handover.ngenerations, 1);
	cr_assert_eq(handover.generations[0].nlogs, 1);
	cr_expect_str_eq(handover.generations[0].logs[0].path, log_path);
	cr_expect_eq(handover.generations[0].log_target, LOG_TARGET_FILE);
	take_over();
	cr_assert_eq(reload.serving->config->nlog_files, 1);
	generation_use_log(reload.serving);
	log_error("a line");
	cr_assert_eq(unlink(log_path), 0);
	reload_reopen_logs(&reload);
	cr_expect_eq(access(log_path, F_OK), 0);
}

/* ---- the way ---------------------------------------------------------------------------- */

Test(succession, is_announced_to_this_process_alone)
{
	struct succession s;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), way = open("/", O_PATH | O_CLOEXEC);
	char text[64];

	cr_assert_eq(succession_announce(fd, way), 0);
	cr_expect_eq(fcntl(fd, F_GETFD), 0);
	cr_expect_eq(fcntl(way, F_GETFD), 0);
	succession_find(&s);
	cr_expect_eq(s.fd, fd);
	cr_expect_eq(s.before, way);
	cr_expect_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	cr_expect_null(getenv("LATCHD_HANDOVER"));
	succession_find(&s);
	cr_expect_eq(s.fd, -1, "once");
	cr_assert_eq(succession_announce(fd, -1), 0);
	succession_find(&s);
	cr_expect_eq(s.fd, fd);
	cr_expect_eq(s.before, -1);
	cr_assert_eq(succession_announce(fd, way), 0);
	succession_withdraw(fd, way);
	cr_expect_eq(fcntl(way, F_GETFD), FD_CLOEXEC);
	succession_find(&s);
	cr_expect_eq(s.fd, -1);
	/* That of another process, and nonsense. */
	snprintf(text, sizeof(text), "%d:%d:%d", getpid() + 1, fd, way);
	setenv("LATCHD_HANDOVER", text, 1);
	succession_find(&s);
	cr_expect_eq(s.fd, -1);
	snprintf(text, sizeof(text), "%d:99999999999:x", getpid());
	setenv("LATCHD_HANDOVER", text, 1);
	succession_find(&s);
	cr_expect_eq(s.fd, -1);
	cr_expect_eq(s.before, -1);
}
