/* The page for Prometheus: families, series, escaping. That it is well-formed as a whole is proved
 * end to end. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "handler/metrics.h"
#include "ipc/board.h"

static struct stream *s;
static struct board *board;
static struct metrics_options options;

static void setup(void)
{
	struct err e;

	clock_update();
	s = calloc(1, sizeof(*s));
	board = board_new(&e);
	cr_assert(s && board);
	arena_init(&s->arena, STREAM_ARENA_MAX);
	s->request.method = HTTP_METHOD_GET;
	s->board = board;
	board->generation = 7;
}

static void teardown(void)
{
	stream_discard_reply(s);
	board_free(board);
	arena_done(&s->arena);
	free(s);
}

TestSuite(metrics, .init = setup, .fini = teardown);

static struct board_slot *worker(void)
{
	unsigned slot = board->nslots;

	board_claim(board, slot, 7);
	board->slot[slot].state = BOARD_SERVING;
	return &board->slot[slot];
}

static struct str serve(void)
{
	stream_discard_reply(s);
	metrics_handle(s, &options);
	return s->response.memory;
}

static void expect_line(const char *line)
{
	struct str text = serve();
	char whole[512];

	cr_assert_eq(s->response.status, 200);
	snprintf(whole, sizeof(whole), "\n%s\n", line);
	cr_expect_not_null(
		memmem(text.p, text.n, whole, strlen(whole)), "%s\n" STR_FMT, line, STR_ARG(text));
}

Test(metrics, says_what_it_is)
{
	struct str text = serve();
	bool typed = false, uncached = false;

	cr_expect(str_has_prefix(text, STR("# HELP latchd_info 1, with the versions")));
	cr_expect(str_has_suffix(text, STR("\n")));
	cr_expect_eq(s->response.length, text.n);
	for (unsigned i = 0; i < s->response.nfields; i++) {
		struct str value = s->response.field[i].value;

		typed |= str_eq(value, STR("text/plain; version=0.0.4; charset=utf-8"));
		uncached |= str_eq(value, STR("no-store"));
	}
	cr_expect(typed && uncached);
}

Test(metrics, an_idle_server_has_all_its_families)
{
	expect_line("# TYPE latchd_info gauge");
	expect_line("latchd_generation 7");
	expect_line("latchd_workers{state=\"starting\"} 0");
	expect_line("latchd_worker_respawns_total 0");
	expect_line("latchd_reloads_total{result=\"ok\"} 0");
	expect_line("latchd_last_reload_success 1");
	expect_line(
		"# TYPE latchd_ticket_store_up gauge\n# HELP latchd_connections_total Connections "
		"accepted, by listener.");
	expect_line("# TYPE latchd_connections_total counter");
	expect_line("latchd_connections_active 0");
	expect_line("latchd_accept_imbalance 1.0000");
	expect_line("latchd_handshakes_total{result=\"resumed\",version=\"1.2\"} 0");
	expect_line("latchd_requests_total{code=\"200\"} 0");
	expect_line("latchd_requests_total{code=\"505\"} 0");
	expect_line("latchd_bytes_sent_total 0");
	expect_line("latchd_closures_total{how=\"truncated\"} 0");
	expect_line("latchd_sigpipe_total 0");
	expect_line("# TYPE latchd_certificate_not_after_seconds gauge");
}

Test(metrics, sums_of_workers)
{
	struct board_slot *a = worker(), *b = worker();

	b->state = BOARD_DRAINING;
	a->live = 3;
	b->live = 1;
	a->requests = 40;
	a->codes[http_status_index(200)] = 39;
	b->codes[http_status_index(200)] = 1;
	b->codes[http_status_index(404)] = 2;
	a->handshakes_full_13 = 4;
	a->handshakes_failed = 2;
	b->bytes_sent = UINT64_MAX;
	expect_line("latchd_workers{state=\"serving\"} 1");
	expect_line("latchd_workers{state=\"draining\"} 1");
	expect_line("latchd_connections_active 4");
	expect_line("latchd_requests_total{code=\"200\"} 40");
	expect_line("latchd_requests_total{code=\"404\"} 2");
	expect_line("latchd_handshakes_total{result=\"full\",version=\"1.3\"} 4");
	expect_line("latchd_handshakes_total{result=\"failed\",version=\"none\"} 2");
	expect_line("latchd_bytes_sent_total 18446744073709551615");
}

Test(metrics, listeners_by_name)
{
	struct board_slot *a = worker(), *b = worker();

	board_add_listener(board, "https");
	board_add_listener(board, "http");
	a->accepted[board_listener(board, "https")] = 5;
	b->accepted[board_listener(board, "https")] = 6;
	b->accepted[board_listener(board, "http")] = 7;
	expect_line("latchd_connections_total{listener=\"https\"} 11");
	expect_line("latchd_connections_total{listener=\"http\"} 7");
	serve();
	cr_expect_null(memmem(s->response.memory.p, s->response.memory.n, "\"other\"", 7));
}

Test(metrics, label_values_are_escaped)
{
	board_add_listener(board, "a\"b\\c\nd\xff\xc3\xa9");
	expect_line("latchd_connections_total{listener=\"a\\\"b\\\\c\\nd\xef\xbf\xbd\xc3\xa9\"} 0");
}

Test(metrics, certificates)
{
	struct metrics_certificate certificates[] = { { "a.example", 1900000000 }, { "*", 5 } };

	options = (struct metrics_options){ .certificates = certificates, .ncertificates = 2 };
	expect_line("latchd_certificate_not_after_seconds{site=\"a.example\"} 1900000000");
	expect_line("latchd_certificate_not_after_seconds{site=\"*\"} 5");
}

Test(metrics, revocation_lists)
{
	struct metrics_crl crls[] = { { "CN=\\\"a", 1900000000 } };

	options = (struct metrics_options){ .crls = crls, .ncrls = 1 };
	expect_line("latchd_crl_next_update_seconds{issuer=\"CN=\\\\\\\"a\"} 1900000000");
}

/* More than a stream's arena could hold. */
Test(metrics, ten_thousand_sites)
{
	enum { SITES = 10000 };
	static struct metrics_certificate certificates[SITES];
	static char names[SITES][32];

	for (int i = 0; i < SITES; i++) {
		snprintf(names[i], sizeof(names[i]), "s%d.example", i);
		certificates[i] = (struct metrics_certificate){ names[i], i };
	}
	options = (struct metrics_options){ .certificates = certificates, .ncertificates = SITES };
	expect_line("latchd_certificate_not_after_seconds{site=\"s9999.example\"} 9999");
}

Test(metrics, nonsense_on_the_board_is_no_trouble)
{
	struct board_slot *a = worker();

	a->state = UINT32_MAX;
	memset(board->listener, 0xff, sizeof(board->listener));
	board->nslots = UINT32_MAX;
	serve();
	cr_expect_eq(s->response.status, 200);
	expect_line("latchd_workers{state=\"serving\"} 0");
}

Test(metrics, answers_get_and_head_only)
{
	s->request.method = HTTP_METHOD_HEAD;
	serve();
	cr_expect_eq(s->response.status, 200);
	cr_expect_gt(s->response.length, 0);
	s->request.method = HTTP_METHOD_POST;
	serve();
	cr_expect_eq(s->response.status, 405);
}

Test(metrics, without_a_board_it_is_unavailable)
{
	s->board = NULL;
	serve();
	cr_expect_eq(s->response.status, 503);
}
