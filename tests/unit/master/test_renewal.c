/* When certificates are renewed: with real files and configurations, and toy workers. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "master/reload.h"
#include "master/renewal.h"
#include "tls/throwaway.h"
#include "toy.h"

enum { PATIENCE_MS = 20000, PERIOD_MS = 100 };

static sd_event *event;
static struct reload reload;
static struct renewal renewal;
static struct master_options options;
static unsigned heard[RELOAD_CHANGED + 1]; /* by enum reload_news */
static char directory[] = "/tmp/latchd-test-XXXXXX";
static char config_path[64], pem_path[64], other_path[64];

static void on_news(struct reload *r, enum reload_news news)
{
	heard[news]++;
	if (news == RELOAD_COMMITTED)
		renewal_committed(&renewal);
	else if (news == RELOAD_UNFIT)
		renewal_unfit(&renewal);
	else if (news == RELOAD_NEEDLESS)
		renewal_needless(&renewal);
	else if (r->serving)
		renewal_go_on(&renewal);
}

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	cr_assert_not_null(f);
	fputs(text, f);
	cr_assert_eq(fclose(f), 0);
}

/* A new certificate with its key, in one file. */
static void renew(void)
{
	struct buf ca, pem;
	struct err e;

	buf_init(&ca, 65536);
	buf_init(&pem, 65536);
	cr_assert_eq(tls_throwaway_make(1, &ca, &pem, &e), 0);
	write_text(pem_path, buf_cstring(&pem));
	buf_done(&ca);
	buf_done(&pem);
}

static void setup(void)
{
	char text[512];
	struct err e;

	toy_setup();
	log_set(LOG_TARGET_STDERR, -1, LOG_LEVEL_ERROR);
	cr_assert_not_null(mkdtemp(directory));
	snprintf(config_path, sizeof(config_path), "%s/latchd.conf", directory);
	snprintf(pem_path, sizeof(pem_path), "%s/pem", directory);
	snprintf(other_path, sizeof(other_path), "%s.other", directory);
	snprintf(text, sizeof(text),
		"workers = 1; log = { level = \"error\"; }; %s\n"
		"listeners = ( { name = \"a\"; address = \"127.0.0.1:0\"; } );\n"
		"sites = ( { names = [ \"localhost\" ]; certificate = \"pem\";\n"
		"  routes = ( { path = \"/\"; status = {}; } ); } );\n",
		geteuid() == 0 ? "user = \"root\"; group = \"root\";" : "");
	write_text(config_path, text);
	renew();
	options = (struct master_options){ .config_path = config_path, .worker = toy_worker };
	cr_assert_geq(sd_event_new(&event), 0);
	cr_assert_eq(reload_init(&reload, event, &options, on_news, &e), 0, "%s", e.text);
}

static void teardown(void)
{
	renewal_stop(&renewal);
	renewal_stop(&renewal);
	reload_done(&reload);
	sd_event_unref(event);
	unlink(config_path);
	unlink(pem_path);
	unlink(other_path);
	rmdir(directory);
}

TestSuite(renewal, .init = setup, .fini = teardown, .timeout = 60);

static uint32_t wanted;

static bool serves(void)
{
	return reload.serving && reload.serving->number == wanted && !reload_is_busy(&reload);
}

static bool is_unfit(void)
{
	return heard[RELOAD_UNFIT] == wanted;
}

static bool is_settled(void)
{
	return !renewal.settle;
}

static void turn_until(bool (*done)(void), uint32_t number)
{
	wanted = number;
	cr_assert(toy_turn_until(event, done, PATIENCE_MS));
}

static void start(int64_t period_ms)
{
	renewal_init(&renewal, event, &reload, period_ms);
	reload_begin(&reload);
	turn_until(serves, 1);
	turn_until(is_settled, 0);
}

Test(renewal, a_new_file_is_a_new_generation)
{
	start(RENEWAL_PERIOD_MS);
	cr_expect_eq(renewal.seen.n, 1, "the configuration itself is not looked after");
	renew();
	turn_until(serves, 2);
	cr_expect(reload.renews);
	turn_until(is_settled, 0);
	cr_expect_eq(heard[RELOAD_COMMITTED], 2, "and one is enough");
}

static bool is_needless(void)
{
	return heard[RELOAD_NEEDLESS] == wanted && !reload_is_busy(&reload);
}

Test(renewal, what_serves_already_is_not_brought_in)
{
	start(RENEWAL_PERIOD_MS);
	reload_renew(&reload);
	turn_until(is_needless, 1);
	turn_until(is_settled, 0);
	cr_expect_eq(reload.serving->number, 1);
	cr_expect_eq(toy->births, 1);
	renew();
	turn_until(serves, 2);
}

Test(renewal, many_changes_are_one)
{
	start(RENEWAL_PERIOD_MS);
	for (int i = 0; i < 10; i++) {
		renew();
		sd_event_run(event, 10000);
	}
	turn_until(serves, 2);
	turn_until(is_settled, 0);
	cr_expect_eq(reload.serving->number, 2);
}

Test(renewal, without_an_event_the_period_sees_it)
{
	/* A second name in another directory: what is written through it is news to nobody. */
	cr_assert_eq(link(pem_path, other_path), 0);
	start(PERIOD_MS);
	snprintf(pem_path, sizeof(pem_path), "%s", other_path);
	renew();
	cr_expect(is_settled());
	turn_until(serves, 2);
	snprintf(pem_path, sizeof(pem_path), "%s/pem", directory);
}

Test(renewal, what_is_unfit_is_tried_once)
{
	start(PERIOD_MS);
	write_text(pem_path, "no certificate\n");
	turn_until(is_unfit, 1);
	cr_expect_eq(reload.unfit.code, ERR_CONFIG);
	cr_expect_not_null(strstr(renewal.warning, "holds no certificate"), "%s", renewal.warning);
	for (int i = 0; i < 5; i++)
		sd_event_run(event, 2 * PERIOD_MS * 1000);
	cr_expect_eq(heard[RELOAD_UNFIT], 1);
	cr_expect_eq(heard[RELOAD_BEGUN], 0);
	write_text(pem_path, "nor this\n");
	turn_until(is_unfit, 2);
	renew();
	turn_until(serves, 2);
	cr_expect_eq(reload.unfit.code, ERR_NONE);
	cr_expect_str_eq(renewal.warning, "");
}

Test(renewal, what_is_unfit_is_tried_again_later)
{
	start(PERIOD_MS);
	write_text(pem_path, "no certificate\n");
	turn_until(is_unfit, 1);
	renewal.tried_ms -= RENEWAL_RETRY_MS;
	turn_until(is_unfit, 2);
}

Test(renewal, what_was_rejected_is_tried_again_later)
{
	start(PERIOD_MS);
	toy->manner = TOY_EXIT;
	renew();
	while (heard[RELOAD_REJECTED] == 0)
		sd_event_run(event, UINT64_MAX);
	for (int i = 0; i < 5; i++)
		sd_event_run(event, 2 * PERIOD_MS * 1000);
	cr_expect_eq(heard[RELOAD_REJECTED], 1, "not at once");
	toy->manner = TOY_OBEY;
	renewal.tried_ms -= RENEWAL_RETRY_MS;
	turn_until(serves, 3);
}

static bool has_begun(void)
{
	return reload.rehearsal != NULL;
}

Test(renewal, a_reload_by_hand_does_not_wait_for_one)
{
	start(PERIOD_MS);
	renew();
	turn_until(has_begun, 0);
	cr_expect(reload.renews);
	reload_begin(&reload);
	cr_expect_not(reload.renews);
	cr_expect_not(reload.wanted);
	turn_until(serves, 2);
	turn_until(is_settled, 0);
	for (int i = 0; i < 5; i++)
		sd_event_run(event, 2 * PERIOD_MS * 1000);
	cr_expect_eq(heard[RELOAD_COMMITTED], 2, "it brought the certificate");
}

Test(renewal, one_that_was_abandoned_for_nothing_comes_after)
{
	start(PERIOD_MS);
	write_text(config_path, "wrokers = 1;\n");
	renew();
	turn_until(has_begun, 0);
	reload_begin(&reload);
	while (heard[RELOAD_REJECTED] == 0)
		sd_event_run(event, UINT64_MAX);
	turn_until(serves, 2);
	cr_expect(reload.renews);
}

Test(renewal, one_who_stops_renews_no_more)
{
	start(PERIOD_MS);
	renew();
	renewal_stop(&renewal);
	for (int i = 0; i < 5; i++)
		sd_event_run(event, 2 * PERIOD_MS * 1000);
	cr_expect_eq(heard[RELOAD_COMMITTED], 1);
}
