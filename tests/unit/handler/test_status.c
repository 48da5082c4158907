/* The status page and its JSON. */
#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "handler/status.h"
#include "ipc/board.h"
#include "tls/closing.h"

static struct stream *s;
static struct board *board;

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
	board->started_wall = (uint64_t)clock_wall() - 60;
	board->generation = 7;
}

static void teardown(void)
{
	board_free(board);
	arena_done(&s->arena);
	free(s);
}

TestSuite(status, .init = setup, .fini = teardown);

static struct board_slot *worker(int pid)
{
	unsigned slot = board->nslots;

	board_claim(board, slot, 7);
	board->slot[slot].state = BOARD_SERVING;
	board->slot[slot].pid = pid;
	return &board->slot[slot];
}

static struct str field(const char *name)
{
	for (unsigned i = 0; i < s->response.nfields; i++)
		if (str_eq(s->response.field[i].name, str_of(name)))
			return s->response.field[i].value;
	return (struct str){ NULL, 0 };
}

static void serve(const char *accept)
{
	stream_discard_reply(s);
	fields_clear(&s->request.fields);
	if (accept)
		fields_add(&s->request.fields, STR("Accept"), str_of(accept));
	status_handle(s, NULL);
}

static bool is_json(const char *accept)
{
	serve(accept);
	cr_assert_eq(s->response.status, 200);
	return str_eq(field("Content-Type"), STR("application/json"));
}

static void expect_text(const char *what)
{
	struct str text = s->response.memory;

	cr_expect_not_null(
		memmem(text.p, text.n, what, strlen(what)), "%s\n" STR_FMT, what, STR_ARG(text));
}

Test(status, html_unless_json_is_asked_for)
{
	cr_expect_not(is_json(NULL));
	cr_expect_not(is_json("*/*"));
	cr_expect_not(is_json("text/html,application/xhtml+xml,application/json;q=0.9"));
	cr_expect_not(is_json("application/jsonp"));
	cr_expect(is_json("application/json"));
	cr_expect(is_json("text/plain;q=0.1, Application/JSON ; q=1"));
	s->target.query = STR("?json");
	cr_expect(is_json("text/html"));
	s->target.query = STR("?jsonx");
	cr_expect_not(is_json("text/html"));
}

Test(status, is_not_stored)
{
	serve(NULL);
	cr_expect(str_eq(field("Cache-Control"), STR("no-store")));
	cr_expect(str_eq(field("Vary"), STR("Accept")));
	cr_expect(str_eq(field("Content-Type"), STR("text/html; charset=utf-8")));
}

Test(status, an_idle_board_as_json)
{
	char expected[2048];

	serve("application/json");
	snprintf(expected, sizeof(expected),
		"{\"version\":\"" LATCH_VERSION "\",\"openssl\":\"" STR_FMT "\",\"generation\":7,"
		"\"uptime_seconds\":60,\"workers\":[],\"worker_respawns_total\":0,"
		"\"reloads_total\":{\"ok\":0,\"failed\":0,\"quarantined\":0},"
		"\"last_reload_success\":true,"
		"\"connections_total\":0,\"connections_by_listener\":{},"
		"\"connections_active\":0,\"accept_errors_total\":0,"
		"\"connections_refused_total\":0,"
		"\"http2_floods_total\":0,"
		"\"accept_imbalance\":1,"
		"\"handshakes_total\":{\"full\":{\"1.2\":0,\"1.3\":0},"
		"\"resumed\":{\"1.2\":0,\"1.3\":0},\"failed\":0},"
		"\"requests_total\":0,\"requests_by_code\":{},\"responses\":{"
		"\"1xx\":0,\"2xx\":0,\"3xx\":0,\"4xx\":0,\"5xx\":0},"
		"\"bytes_sent_total\":0,\"closures_total\":"
		"{\"clean\":0,\"truncated\":0,\"reset\":0,"
		"\"timeout\":0,\"local\":0},\"sigpipe_total\":0,"
		"\"history\":{\"interval_ms\":2000,\"requests\":[],\"timed\":[],"
		"\"timed_us\":[],\"bytes_sent\":[],\"connections_active\":[],"
		"\"closures\":{\"clean\":[],\"truncated\":[],\"reset\":[],"
		"\"timeout\":[],\"local\":[]}}}\n",
		STR_ARG(stream_tls_library()));
	cr_expect(str_eq(s->response.memory, str_of(expected)), STR_FMT "\n%s",
		STR_ARG(s->response.memory), expected);
	cr_expect_eq(s->response.length, s->response.memory.n);
}

Test(status, counts_of_workers_and_their_sums)
{
	struct board_slot *a = worker(100), *b = worker(200);

	a->live = 3;
	a->accepting = 1;
	a->confined = BOARD_CONFINED_FILES | BOARD_CONFINED_CALLS;
	a->connections = 10;
	a->requests = 40;
	a->responses[2] = 39;
	a->responses[4] = 1;
	a->bytes_sent = 5000;
	a->handshakes_full_13 = 4;
	a->handshakes_failed = 2;
	b->live = 1;
	b->state = BOARD_DRAINING;
	b->connections = 5;
	b->requests = 2;
	b->closures[CLOSURE_TRUNCATED] = 6;
	board->respawns = 9;
	serve("application/json");
	expect_text("{\"slot\":0,\"pid\":100,\"generation\":7,\"state\":\"serving\",\"live\":3,"
		    "\"accepting\":true,\"landlock\":true,\"seccomp\":true,"
		    "\"connections\":10,\"requests\":40,\"bytes_sent\":5000}");
	expect_text("{\"slot\":1,\"pid\":200,\"generation\":7,\"state\":\"draining\",\"live\":1,"
		    "\"accepting\":false,");
	expect_text("\"connections_total\":15,");
	expect_text("\"connections_active\":4,");
	expect_text("\"requests_total\":42,");
	expect_text("\"2xx\":39,\"3xx\":0,\"4xx\":1,");
	expect_text("\"full\":{\"1.2\":0,\"1.3\":4}");
	expect_text("\"failed\":2}");
	expect_text("\"truncated\":6");
	expect_text("\"worker_respawns_total\":9,");
}

Test(status, names_closures_as_tls_does)
{
	struct board_slot *a = worker(1);

	for (unsigned i = CLOSURE_NONE + 1; i < CLOSURE_COUNT; i++) {
		char pair[64];

		memset(a->closures, 0, sizeof(a->closures));
		a->closures[i] = 11;
		serve("application/json");
		snprintf(pair, sizeof(pair), "\"%s\":11", closure_name((enum closure)i));
		expect_text(pair);
	}
}

Test(status, by_what_a_worker_is_confined)
{
	static const char *const words[] = { "nothing", "Landlock", "seccomp",
		"Landlock, seccomp" };
	struct board_slot *a = worker(1);
	char cell[64];

	for (uint32_t i = 0; i < 8; i++) { /* more bits than there are may be there */
		a->confined = i;
		serve(NULL);
		snprintf(cell, sizeof(cell), "<td>%s</td>", words[i & 3]);
		expect_text(cell);
	}
}

Test(status, a_free_slot_counts_but_is_no_worker)
{
	worker(1)->requests = 5;
	board_release(board, 0);
	serve("application/json");
	expect_text("\"workers\":[],");
	expect_text("\"requests_total\":5,");
}

Test(status, the_page_renews_itself_and_needs_nothing)
{
	struct str page;

	worker(4711)->bytes_sent = 3 << 20;
	serve(NULL);
	page = s->response.memory;
	expect_text("<meta http-equiv=\"refresh\" content=\"5\">");
	expect_text("color-scheme");
	expect_text("<td>4711</td>");
	expect_text("<td>3.0 MiB</td>");
	expect_text("generation 7, up 0 d 00:01:00");
	cr_expect(str_has_prefix(page, STR("<!DOCTYPE html>\n")));
	cr_expect(str_has_suffix(page, STR("</html>\n")));
	cr_expect_null(memmem(page.p, page.n, "src=", 4));
	cr_expect(strstr(field("Content-Security-Policy").p, "default-src 'none'"));
	cr_expect_null(memmem(page.p, page.n, "http:", 5));
}

Test(status, all_slots_fit)
{
	for (int i = 0; i < BOARD_SLOTS; i++) {
		struct board_slot *w = worker(4000000 + i);

		w->live = w->accepting = UINT32_MAX;
		w->connections = w->requests = w->bytes_sent = UINT64_MAX / BOARD_SLOTS;
	}
	serve("application/json");
	cr_expect_eq(s->response.status, 200);
	expect_text("\"slot\":511,");
	arena_reset(&s->arena);
	serve(NULL);
	cr_expect_eq(s->response.status, 200);
	expect_text("<tr><td>511</td>");
}

Test(status, answers_get_and_head_only)
{
	s->request.method = HTTP_METHOD_HEAD;
	serve(NULL);
	cr_expect_eq(s->response.status, 200);
	s->request.method = HTTP_METHOD_POST;
	serve(NULL);
	cr_expect_eq(s->response.status, 405);
	cr_expect(str_eq(field("Allow"), STR("GET, HEAD")));
}

Test(status, without_a_board_it_is_unavailable)
{
	s->board = NULL;
	serve(NULL);
	cr_expect_eq(s->response.status, 503);
}

Test(status, a_clock_that_was_set_back_is_no_negative_time)
{
	board->started_wall = (uint64_t)clock_wall() + 3600;
	serve("application/json");
	expect_text("\"uptime_seconds\":0,");
}

/* 'sha256-...' of what stands between the two texts of the page. */
static const char *digest_between(struct str page, const char *from, const char *to)
{
	static char text[80];
	unsigned char hash[32];
	const char *a = strstr(page.p, from) + strlen(from), *b = strstr(a, to);

	cr_assert(EVP_Digest(a, (size_t)(b - a), hash, NULL, EVP_sha256(), NULL));
	memcpy(text, "'sha256-", 8);
	EVP_EncodeBlock((unsigned char *)text + 8, hash, sizeof(hash));
	memcpy(text + strlen(text), "'", 2);
	return text;
}

Test(status, its_policy_names_its_style_and_script)
{
	struct str policy;
	char *page;

	serve(NULL);
	policy = field("Content-Security-Policy");
	page = strndup(s->response.memory.p, s->response.memory.n);
	for (int i = 0; i < 2; i++) {
		const char *digest = digest_between(
			str_of(page), i ? "<script>" : "<style>", i ? "</script>" : "</style>");

		cr_expect(strstr(policy.p, digest), "expected %s in: %s", digest, policy.p);
	}
	free(page);
}

Test(status, plots_what_happened_between_samples)
{
	for (int i = 0; i < 3; i++) {
		worker(4711)->requests += 300;
		worker(4711)->closures[2] += 4;
		worker(4711)->timed += 2;
		worker(4711)->timed_us += 3000;
		board_take_sample(board);
	}
	serve("application/json");
	expect_text("\"history\":{\"interval_ms\":2000,\"requests\":[300,300]");
	expect_text("\"timed_us\":[3000,3000]");
	expect_text("\"truncated\":[4,4]");
	arena_reset(&s->arena);
	serve(NULL);
	expect_text("Requests <span><b>150/s</b>");
	expect_text("Time to answer <span><b>1.5 ms</b>");
	expect_text(">truncated <b>2.0/s</b>");
	expect_text("points=\"149,1.0 148,1.0 \"");
}
