/* Generations: with real configurations in a directory of their own, and toy workers. */
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
#include "master/reload.h"
#include "master/report.h"
#include "toy.h"

enum { PATIENCE_MS = 20000 };

static sd_event *event;
static struct reload reload;
static struct master_options options;
static unsigned heard[RELOAD_CHANGED + 1]; /* by enum reload_news */
static char directory[] = "/tmp/latchd-test-XXXXXX";
static char config_path[64], log_path[64], old_log_path[64];
static const char *listeners = "{ name = \"a\"; address = \"127.0.0.1:0\"; tls = false; }";
static const char *extra = "";

static void on_news(struct reload *r, enum reload_news news)
{
	cr_assert_eq(r, &reload);
	heard[news]++;
}

static void write_text(const char *path, const char *fmt, ...)
{
	FILE *f = fopen(path, "w");
	va_list args;

	cr_assert_not_null(f);
	va_start(args, fmt);
	vfprintf(f, fmt, args);
	va_end(args);
	cr_assert_eq(fclose(f), 0);
}

static void configure(void)
{
	write_text(config_path,
		"workers = 2;\n"
		"%s\n"
		"%s\n"
		"%s\n"
		"listeners = ( %s );\n"
		"sites = ( { names = [ \"*\" ]; routes = ( { path = \"/\"; files = { root = "
		"\"%s\"; }; } ); } );\n",
		geteuid() == 0 ? "user = \"root\"; group = \"root\";" : "",
		strstr(extra, "log =") ? "" : "log = { level = \"error\"; };", extra, listeners,
		directory);
}

static void setup(void)
{
	struct err e;

	toy_setup();
	cr_assert_not_null(mkdtemp(directory));
	snprintf(config_path, sizeof(config_path), "%s/latchd.conf", directory);
	snprintf(log_path, sizeof(log_path), "%s/log", directory);
	snprintf(old_log_path, sizeof(old_log_path), "%s/log.1", directory);
	configure();
	options = (struct master_options){ .config_path = config_path, .worker = toy_worker };
	cr_assert_geq(sd_event_new(&event), 0);
	cr_assert_eq(reload_init(&reload, event, &options, on_news, &e), 0, "%s", e.text);
}

static void teardown(void)
{
	reload_done(&reload);
	sd_event_unref(event);
	unlink(config_path);
	unlink(log_path);
	unlink(old_log_path);
	rmdir(directory);
}

TestSuite(reload, .init = setup, .fini = teardown, .timeout = 60);

static bool has_verdict(void)
{
	return !reload_is_busy(&reload) && !reload.wanted;
}

static bool has_candidate(void)
{
	return reload.candidate || has_verdict();
}

static bool nothing_drains(void)
{
	return has_verdict() && !reload.retired.draining;
}

static bool is_empty(void)
{
	return reload_is_empty(&reload);
}

static void turn_until(bool (*done)(void))
{
	cr_assert(toy_turn_until(event, done, PATIENCE_MS));
}

/* A start or a reload, until the verdict. */
static void begin(void)
{
	reload_begin(&reload);
	turn_until(has_verdict);
}

static void start(void)
{
	begin();
	cr_assert_eq(heard[RELOAD_COMMITTED], 1);
	cr_assert_not_null(reload.serving);
}

Test(reload, a_start_commits_the_first_generation)
{
	start();
	cr_expect_eq(heard[RELOAD_BEGUN], 0);
	cr_expect_eq(heard[RELOAD_REJECTED], 0);
	cr_expect_eq(reload.serving->number, 1);
	cr_expect_eq(reload.serving->pool.ready, 2);
	cr_expect_eq(reload.board->generation, 1);
	cr_expect_eq(reload.board->reloads_ok, 0, "a start is no reload");
	cr_expect_eq(reload.sockets.n, 1);
}

Test(reload, a_start_with_a_bad_configuration_leaves_nothing)
{
	extra = "wrokers = 3;";
	configure();
	begin();
	cr_expect_eq(heard[RELOAD_REJECTED], 1);
	cr_expect_eq(reload.last.code, ERR_CONFIG);
	cr_expect_null(reload.serving);
	cr_expect(is_empty());
	cr_expect_eq(reload.sockets.n, 0);
	cr_expect_eq(toy->births, 0);
}

Test(reload, a_start_without_a_configuration)
{
	unlink(config_path);
	begin();
	cr_expect_eq(heard[RELOAD_REJECTED], 1);
	cr_expect_eq(reload.last.code, ERR_CONFIG);
}

Test(reload, the_next_generation_takes_over_the_sockets)
{
	int fd;

	start();
	fd = reload.serving->listener_fds[0];
	begin();
	cr_expect_eq(heard[RELOAD_BEGUN], 1);
	cr_expect_eq(heard[RELOAD_COMMITTED], 2);
	cr_expect_eq(reload.serving->number, 2);
	cr_expect_eq(reload.serving->listener_fds[0], fd);
	cr_expect_eq(reload.board->generation, 2);
	cr_expect_eq(reload.board->reloads_ok, 1);
	cr_expect_eq(reload.board->last_reload_ok, 1);
	turn_until(nothing_drains);
	cr_expect_eq(toy->drains, 2);
	cr_expect_eq(toy->last_idle_ms, RELOAD_IDLE_MS);
	cr_expect_eq(toy->births, 4);
}

Test(reload, idle_connections_are_not_awaited_longer_than_the_drain)
{
	extra = "reload = { drain = \"1200ms\"; };";
	configure();
	start();
	begin();
	turn_until(nothing_drains);
	cr_expect_eq(toy->last_idle_ms, 1200);
}

Test(reload, listeners_come_and_go_at_the_commit)
{
	int gone;

	start();
	gone = reload.serving->listener_fds[0];
	listeners = "{ name = \"b\"; address = \"[::1]:0\"; tls = false; }";
	configure();
	reload_begin(&reload);
	cr_expect_eq(reload.sockets.n, 1, "a rehearsal binds nothing");
	turn_until(has_candidate);
	cr_expect_eq(reload.sockets.n, 2, "both while it is not decided");
	cr_expect_geq(fcntl(gone, F_GETFD), 0);
	turn_until(has_verdict);
	cr_expect_eq(reload.sockets.n, 1);
	cr_expect_eq(fcntl(gone, F_GETFD), -1);
	cr_expect_neq(reload.serving->listener_fds[0], gone);
}

static void expect_untouched(const struct generation *before, const int32_t pids[2])
{
	cr_expect_eq(reload.serving, before);
	cr_expect_eq(reload.serving->number, 1);
	cr_expect_eq(reload.serving->pool.state, POOL_SERVING);
	cr_expect_eq(reload.serving->pool.ready, 2);
	cr_expect_eq(reload.board->slot[0].pid, pids[0]);
	cr_expect_eq(reload.board->slot[1].pid, pids[1]);
	cr_expect_eq(reload.board->generation, 1);
	cr_expect_eq(reload.board->last_reload_ok, 0);
	cr_expect_eq(reload.sockets.n, 1);
	cr_expect_eq(toy->drains, 0);
	cr_expect_eq(heard[RELOAD_REJECTED], 1);
}

/* Starts, spoils, reloads: rejected with `code`, and all is as it was. */
static void try_rejected(void (*spoil)(void), enum err_code code)
{
	const struct generation *before;
	int32_t pids[2];

	start();
	before = reload.serving;
	for (int i = 0; i < 2; i++)
		pids[i] = reload.board->slot[i].pid;
	spoil();
	begin();
	cr_expect_eq(reload.last.code, code, "%d", (int)reload.last.code);
	turn_until(nothing_drains);
	expect_untouched(before, pids);
	cr_expect_eq(reload.board->reloads_failed, 1);
	cr_expect_eq(heard[RELOAD_BEGUN], 1);
}

static void spoil_syntax(void)
{
	write_text(config_path, "workers = = 2;\n");
}

static void spoil_key(void)
{
	extra = "wrokers = 3;";
	configure();
}

static void spoil_file(void)
{
	unlink(config_path);
}

static void spoil_address(void)
{
	static char two[256];
	int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(listen(other, 1), 0);
	snprintf(two, sizeof(two), "%s, { name = \"b\"; address = \"127.0.0.1:%u\"; tls = false; }",
		listeners, sock_local_port(other));
	listeners = two;
	configure();
}

static void spoil_worker(void)
{
	listeners = "{ name = \"b\"; address = \"[::1]:0\"; tls = false; }";
	configure();
	toy->manner = TOY_EXIT;
}

static void spoil_patience(void)
{
	extra = "reload = { ready = \"100ms\"; };";
	configure();
	toy->manner = TOY_SILENT;
}

Test(reload, a_syntax_error_changes_nothing)
{
	try_rejected(spoil_syntax, ERR_CONFIG);
}

Test(reload, an_unknown_key_changes_nothing)
{
	try_rejected(spoil_key, ERR_CONFIG);
}

Test(reload, a_missing_file_changes_nothing)
{
	try_rejected(spoil_file, ERR_CONFIG);
}

Test(reload, an_address_in_use_changes_nothing)
{
	try_rejected(spoil_address, ERR_UNAVAILABLE);
}

Test(reload, workers_that_die_change_nothing)
{
	try_rejected(spoil_worker, ERR_SYSTEM);
}

Test(reload, workers_that_are_not_ready_in_time_change_nothing)
{
	try_rejected(spoil_patience, ERR_INTERNAL);
}

Test(reload, after_a_rejected_one_comes_a_good_one)
{
	try_rejected(spoil_worker, ERR_SYSTEM);
	toy->manner = TOY_OBEY;
	begin();
	cr_expect_eq(heard[RELOAD_COMMITTED], 2);
	cr_expect_eq(reload.board->last_reload_ok, 1);
	cr_expect_eq(reload.sockets.n, 1);
}

Test(reload, those_wanted_during_one_run_once_after_it)
{
	start();
	for (int i = 0; i < 4; i++)
		reload_begin(&reload);
	turn_until(has_verdict);
	cr_expect_eq(reload.serving->number, 3);
	cr_expect_eq(heard[RELOAD_COMMITTED], 3);
	cr_expect_eq(heard[RELOAD_BEGUN], 2);
}

Test(reload, at_the_cap_of_draining_generations_it_waits)
{
	pid_t first;

	toy->manner = TOY_DEAF;
	extra = "reload = { drain = \"1h\"; };";
	configure();
	start();
	first = reload.board->slot[0].pid;
	for (int i = 0; i < RELOAD_DRAINING_MAX; i++)
		begin();
	cr_assert_eq(reload.serving->number, RELOAD_DRAINING_MAX + 1);
	reload_begin(&reload);
	cr_expect(reload.wanted);
	cr_expect_null(reload.candidate);
	kill(first, SIGKILL);
	while (reload.board->slot[0].pid == first)
		cr_assert_geq(sd_event_run(event, UINT64_MAX), 0);
	cr_expect(reload.wanted, "one of two workers is left of the first generation");
	kill(reload.board->slot[1].pid, SIGKILL);
	turn_until(has_verdict);
	cr_expect_eq(reload.serving->number, RELOAD_DRAINING_MAX + 2);
}

Test(reload, drain_ends_with_nobody)
{
	start();
	reload_drain(&reload);
	cr_expect_eq(reload.sockets.n, 0, "nobody accepts any more, so nobody may queue");
	turn_until(is_empty);
	cr_expect_eq(toy->last_idle_ms, RELOAD_STOP_IDLE_MS);
	reload_begin(&reload);
	cr_expect_null(reload.candidate, "no reload any more");
}

Test(reload, drain_gives_up_the_candidate)
{
	start();
	reload_begin(&reload);
	turn_until(has_candidate);
	cr_assert_not_null(reload.candidate);
	reload_drain(&reload);
	turn_until(is_empty);
	cr_expect_eq(heard[RELOAD_COMMITTED], 1);
	cr_expect_eq(toy->drains, 2);
}

Test(reload, drain_gives_up_the_rehearsal)
{
	start();
	reload_begin(&reload);
	cr_assert_not_null(reload.rehearsal);
	cr_expect(reload_is_busy(&reload));
	reload_drain(&reload);
	cr_expect_null(reload.rehearsal);
	turn_until(is_empty);
	cr_expect_eq(heard[RELOAD_COMMITTED], 1);
}

Test(reload, a_commit_says_what_changed)
{
	start();
	extra = "timeouts = { idle = \"7s\"; };";
	configure();
	begin();
	cr_expect_eq(reload.turn, 2);
	cr_expect_neq(reload.last.ended, 0);
	cr_expect_not_null(strstr(reload.last.text, "generation 2 serves"));
	cr_expect_str_eq(buf_cstring(&reload.last.changes), "timeouts.idle: \"1m\" -> \"7s\"\n");
	begin();
	cr_expect_eq(buf_len(&reload.last.changes), 0);
}

Test(reload, a_rejection_keeps_its_findings)
{
	start();
	spoil_key();
	begin();
	cr_assert_eq(reload.last.findings.errors, 1);
	for (size_t i = 0; i < reload.last.findings.n; i++)
		cr_expect(!reload.last.findings.v[i].is_error ||
			  reload.last.findings.v[i].err.line == 4);
	extra = "";
	configure();
	begin();
	cr_expect_eq(reload.last.findings.errors, 0);
}

Test(reload, what_is_not_what_was_rehearsed_is_refused)
{
	struct digest_list rehearsed = { 0 };
	struct findings f = { 0 };

	start();
	cr_expect_null(generation_new(&reload.shared, 2, &rehearsed, NULL, NULL, &f));
	cr_expect_eq(findings_code(&f), ERR_TEMPORARY, "a file that it did not read");
	cr_expect_str_eq(f.v[0].err.file, config_path);
	findings_done(&f);
	digest_list_add(&rehearsed, config_path, "other", 5);
	digest_list_finish(&rehearsed);
	cr_expect_null(generation_new(&reload.shared, 2, &rehearsed, NULL, NULL, &f));
	cr_expect_eq(findings_code(&f), ERR_TEMPORARY, "other bytes");
	findings_done(&f);
	digest_list_done(&rehearsed);
}

static bool is_free_again(void)
{
	time_t until;

	return !reload_is_capped(&reload, &until);
}

Test(reload, the_cap_says_until_when)
{
	time_t until = 0;

	toy->manner = TOY_DEAF;
	extra = "reload = { drain = \"100s\"; };";
	configure();
	start();
	cr_expect_not(reload_is_capped(&reload, &until));
	for (int i = 0; i < RELOAD_DRAINING_MAX; i++)
		begin();
	cr_expect(reload_is_capped(&reload, &until));
	cr_expect_geq(until, time(NULL) + 90);
	cr_expect_leq(until, time(NULL) + 110);
	for (int i = 0; i < 2; i++)
		kill(reload.board->slot[i].pid, SIGKILL);
	turn_until(is_free_again);
}

Test(reload, workers_of_all_generations_are_known)
{
	pid_t old;

	toy->manner = TOY_DEAF;
	start();
	old = reload.board->slot[0].pid;
	cr_expect(reload_has_worker(&reload, old));
	begin();
	cr_expect(reload_has_worker(&reload, old), "it drains");
	cr_expect_not(reload_has_worker(&reload, getpid()));
	cr_expect_not(reload_has_worker(&reload, 0));
}

Test(reload, stop_reaches_the_draining_too)
{
	toy->manner = TOY_DEAF;
	extra = "reload = { drain = \"1h\"; };";
	configure();
	start();
	begin();
	reload_stop(&reload);
	turn_until(is_empty);
}

Test(reload, a_hundred_reloads_leave_no_descriptor)
{
	int before;

	start();
	begin();
	turn_until(nothing_drains);
	before = toy_count_fds();
	for (int i = 0; i < 100; i++) {
		begin();
		turn_until(nothing_drains);
	}
	cr_expect_eq(reload.serving->number, 102);
	cr_expect_eq(toy_count_fds(), before);
	for (int i = 0; i < 20; i++) {
		spoil_key();
		begin();
	}
	cr_expect_eq(heard[RELOAD_REJECTED], 20);
	cr_expect_eq(toy_count_fds(), before);
}

static bool all_reopened(void)
{
	return toy->reopens == 2;
}

static bool file_has(const char *path, const char *words)
{
	char text[8192];
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	if (f)
		fclose(f);
	text[n] = 0;
	return strstr(text, words) != NULL;
}

Test(reload, renamed_logs_are_reopened_by_all)
{
	static char text[128];
	int before;

	snprintf(text, sizeof(text), "log = { target = \"%s\"; };", log_path);
	extra = text;
	configure();
	start();
	cr_expect(file_has(log_path, "generation 1 serves"));
	before = toy_count_fds();
	cr_assert_eq(rename(log_path, old_log_path), 0);
	reload_reopen_logs(&reload);
	for (int i = 0; i < 1000 && !all_reopened(); i++)
		sd_event_run(event, 5000);
	cr_expect(all_reopened());
	log_notice("the master writes here");
	cr_expect(file_has(log_path, "the master writes here"));
	cr_expect(file_has(log_path, "reopened"), "so do the workers");
	cr_expect_not(file_has(old_log_path, "the master writes here"));
	cr_expect_eq(toy_count_fds(), before);
}

/* ---- quarantine ---------------------------------------------------------------------------- */

static bool is_back(void)
{
	return heard[RELOAD_COMMITTED] == 3 && has_verdict();
}

/* The second generation's workers die right after they were ready. */
static void start_and_reload_a_crashing_one(void)
{
	toy->manner = TOY_CRASH;
	toy->generation = 2;
	start();
	begin();
	cr_assert_eq(heard[RELOAD_COMMITTED], 2, "each worker was ready");
}

Test(reload, a_generation_that_crashes_is_quarantined_and_the_one_before_comes_back)
{
	const struct config *good;
	char text[160];

	toy->manner = TOY_CRASH;
	toy->generation = 2;
	start();
	good = reload.serving->config;
	listeners = "{ name = \"b\"; address = \"127.0.0.1:0\"; tls = false; }, "
		    "{ name = \"c\"; address = \"[::1]:0\"; tls = false; }";
	configure();
	begin();
	cr_expect_eq(reload.sockets.n, 2);
	turn_until(is_back);
	cr_expect_eq(reload.serving->number, 3);
	cr_expect_eq(reload.serving->config, good, "not read again: it is what it was");
	cr_expect_eq(reload.serving->pool.ready, 2);
	cr_expect_eq(reload.sockets.n, 1, "with its own listeners");
	cr_expect_str_eq(reload.serving->config->listeners[0].name, "a");
	cr_expect_eq(reload.last.quarantined, 2);
	cr_expect_eq(reload.last.code, ERR_INTERNAL);
	cr_expect_eq(reload.board->reloads_ok, 1);
	cr_expect_eq(reload.board->reloads_quarantined, 1);
	cr_expect_eq(reload.board->reloads_failed, 0);
	cr_expect_eq(reload.board->last_reload_ok, 0);
	cr_expect_eq(heard[RELOAD_BEGUN], 1);
	cr_expect_eq(heard[RELOAD_REJECTED], 0);
	cr_expect_not_null(
		strstr(report_line(&reload, text, sizeof(text)), "generation 2 quarantined"), "%s",
		text);
	cr_expect_null(reload.retired.previous, "there is nothing behind it");
	turn_until(nothing_drains);
	begin();
	cr_expect_eq(reload.serving->number, 4, "a reload by hand is welcome");
	cr_expect_eq(reload.last.quarantined, 0);
	cr_expect_eq(reload.board->last_reload_ok, 1);
}

Test(reload, it_comes_back_while_its_old_workers_still_drain)
{
	const struct generation *g;

	toy->manner = TOY_DEAF;
	extra = "reload = { drain = \"1h\"; };";
	configure();
	start();
	toy->manner = TOY_CRASH;
	toy->generation = 2;
	begin();
	turn_until(is_back);
	cr_expect_eq(reload.serving->number, 3);
	for (g = reload.retired.draining; g && g->number != 1; g = g->next)
		;
	cr_assert_not_null(g, "two generations share a configuration");
	cr_expect_eq(g->config, reload.serving->config);
	reload_stop(&reload);
	turn_until(is_empty);
}

Test(reload, what_comes_back_has_its_logs_reopened_with_it)
{
	static char text[128];

	snprintf(text, sizeof(text), "log = { target = \"%s\"; };", log_path);
	extra = text;
	configure();
	start();
	toy->manner = TOY_CRASH;
	toy->generation = 2;
	extra = "";
	configure();
	begin();
	while (reload.retired.draining)
		cr_assert_geq(sd_event_run(event, UINT64_MAX), 0);
	cr_assert_eq(reload.retired.previous->number, 1);
	cr_assert_eq(rename(log_path, old_log_path), 0);
	reload_reopen_logs(&reload);
	turn_until(is_back);
	cr_expect(file_has(log_path, "generation 2 is quarantined"));
}

Test(reload, behind_the_first_generation_there_is_none)
{
	toy->manner = TOY_CRASH;
	toy->lives_until_it_obeys = 8;
	start();
	while (toy->births < 10 || reload.serving->pool.ready < 2)
		cr_assert_geq(sd_event_run(event, UINT64_MAX), 0);
	cr_expect(reload.serving->pool.is_crashing);
	cr_expect_eq(reload.serving->number, 1);
	cr_expect_eq(heard[RELOAD_COMMITTED], 1);
	cr_expect_eq(reload.board->last_reload_ok, 1);
}

Test(reload, after_its_probation_a_generation_stays)
{
	start_and_reload_a_crashing_one();
	cr_assert_not_null(reload.retired.previous);
	retired_keep_on(&reload.retired, event, 0);
	while (!reload.serving->pool.is_crashing)
		cr_assert_geq(sd_event_run(event, UINT64_MAX), 0);
	cr_expect_null(reload.retired.previous);
	cr_expect_eq(reload.serving->number, 2);
	cr_expect_eq(heard[RELOAD_COMMITTED], 2);
}

static bool has_fallen_back(void)
{
	return heard[RELOAD_REJECTED] == 1 && has_verdict();
}

Test(reload, where_it_cannot_come_back_the_crashing_one_goes_on)
{
	char path[80], listener[160];

	snprintf(path, sizeof(path), "%s/socket", directory);
	snprintf(listener, sizeof(listener),
		"{ name = \"a\"; address = \"unix:%s\"; tls = false; }", path);
	listeners = listener;
	configure();
	start();
	listeners = "{ name = \"b\"; address = \"127.0.0.1:0\"; tls = false; }";
	configure();
	toy->manner = TOY_CRASH;
	toy->generation = 2;
	begin();
	cr_assert_eq(heard[RELOAD_COMMITTED], 2);
	cr_assert_eq(mkdir(path, 0700), 0, "its place is taken");
	turn_until(has_fallen_back);
	cr_expect_eq(reload.serving->number, 2);
	cr_expect_eq(reload.last.code, ERR_INTERNAL);
	cr_expect_null(reload.retired.previous, "it is not tried again and again");
	cr_expect_eq(reload.board->last_reload_ok, 0);
	rmdir(path);
}

Test(reload, describes_itself)
{
	char text[160];

	start();
	cr_expect_str_eq(
		report_line(&reload, text, sizeof(text)), "generation 1: 2 workers serving");
	toy->manner = TOY_DEAF;
	begin();
	begin();
	report_line(&reload, text, sizeof(text));
	cr_expect_not_null(strstr(text, "generation 3: 2 workers serving, "), "%s", text);
	cr_expect_not_null(strstr(text, " draining"), "%s", text);
	reload_drain(&reload);
	report_line(&reload, text, sizeof(text));
	cr_expect_eq(strncmp(text, "stopping: ", 10), 0, "%s", text);
	cr_expect_eq(strlen(report_line(&reload, text, 8)), 7, "cut, not written past");
}

Test(reload, done_takes_what_was_never_begun)
{
	struct reload none = { 0 };

	reload_done(&none);
	reload_done(NULL);
}
