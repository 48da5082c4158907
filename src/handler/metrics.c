/* The board as Prometheus text. Every family is always there, with all its series, so that a rate
 * can be taken from the first event on. Reads counters only, and takes nothing on the board for
 * granted: what a worker may have written there reaches the page as a number or escaped. */
#include "handler/metrics.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "ipc/board.h"

enum { METRICS_SIZE_MAX = 16 * 1024 * 1024 };

enum metric {
#define METRIC(name, type, help) METRIC_##name,
#include "handler/metrics.def"
#undef METRIC
};

static const struct {
	const char *name, *type, *help;
} metrics[] = {
#define METRIC(name, type, help) { "latchd_" #name, #type, help },
#include "handler/metrics.def"
#undef METRIC
};

_Static_assert((int)HTTP_STATUS_COUNT <= (int)BOARD_CODES, "the board has no room for every code");

struct page {
	struct source source; /* first: it is the content's hold on the text */
	struct buf text;
	bool ok;
};

static void put(struct page *p, struct str s)
{
	p->ok = p->ok && buf_append_str(&p->text, s);
}

static void put_u64(struct page *p, uint64_t n)
{
	p->ok = p->ok && buf_append_u64(&p->text, n);
}

/* A label's value: UTF-8, with \ " and line feed escaped. */
static void put_escaped(struct page *p, struct str s)
{
	while (s.n) {
		size_t n = str_utf8_length(s);

		if (n == 0)
			put(p, STR("\xef\xbf\xbd")); /* the replacement character */
		else if (s.p[0] == '\n')
			put(p, STR("\\n"));
		else if (s.p[0] == '\\' || s.p[0] == '"')
			put(p, s.p[0] == '"' ? STR("\\\"") : STR("\\\\"));
		else
			put(p, (struct str){ s.p, n });
		n = n ? n : 1;
		s.p += n;
		s.n -= n;
	}
}

static void family(struct page *p, enum metric m)
{
	p->ok = p->ok && buf_appendf(&p->text, "# HELP %s %s\n# TYPE %s %s\n", metrics[m].name,
				 metrics[m].help, metrics[m].name, metrics[m].type);
}

static void end_sample(struct page *p, uint64_t value)
{
	put(p, STR(" "));
	put_u64(p, value);
	put(p, STR("\n"));
}

static void sample(struct page *p, enum metric m, const char *label, struct str of, uint64_t value)
{
	put(p, str_of(metrics[m].name));
	put(p, STR("{"));
	put(p, str_of(label));
	put(p, STR("=\""));
	put_escaped(p, of);
	put(p, STR("\"}"));
	end_sample(p, value);
}

/* A family of one series. */
static void single(struct page *p, enum metric m, uint64_t value)
{
	family(p, m);
	put(p, str_of(metrics[m].name));
	end_sample(p, value);
}

static void put_info(struct page *p)
{
	family(p, METRIC_info);
	put(p, STR("latchd_info{version=\"" LATCH_VERSION "\",openssl=\""));
	put_escaped(p, stream_tls_library());
	put(p, STR("\"} 1\n"));
}

static unsigned used_slots(const struct board *b)
{
	uint32_t n = board_get(b->nslots);

	return n < BOARD_SLOTS ? n : BOARD_SLOTS;
}

static void put_workers(struct page *p, const struct board *b)
{
	uint64_t n[BOARD_DRAINING + 1] = { 0 };

	for (unsigned i = 0; i < used_slots(b); i++) {
		uint32_t state = board_get(b->slot[i].state);

		if (state <= BOARD_DRAINING)
			n[state]++;
	}
	family(p, METRIC_workers);
	for (uint32_t state = BOARD_STARTING; state <= BOARD_DRAINING; state++)
		sample(p, METRIC_workers, "state", str_of(board_state_name(state)), n[state]);
}

static void put_master(struct page *p, const struct board *b)
{
	uint32_t store = board_get(b->ticket_store);

	single(p, METRIC_generation, board_get(b->generation));
	put_workers(p, b);
	single(p, METRIC_worker_respawns_total, board_get(b->respawns));
	family(p, METRIC_reloads_total);
	sample(p, METRIC_reloads_total, "result", STR("ok"), board_get(b->reloads_ok));
	sample(p, METRIC_reloads_total, "result", STR("failed"), board_get(b->reloads_failed));
	sample(p, METRIC_reloads_total, "result", STR("quarantined"),
		board_get(b->reloads_quarantined));
	single(p, METRIC_last_reload_success, board_get(b->last_reload_ok) != 0);
	if (store == BOARD_STORE_NONE)
		family(p, METRIC_ticket_store_up);
	else
		single(p, METRIC_ticket_store_up, store == BOARD_STORE_UP);
}

static void put_connections(struct page *p, const struct board *b, const struct board_slot *t)
{
	family(p, METRIC_connections_total);
	for (unsigned i = 0; i < BOARD_LISTENERS; i++) {
		struct str name = board_listener_name(b, i);

		if (name.n)
			sample(p, METRIC_connections_total, "listener", name, t->accepted[i]);
	}
	single(p, METRIC_connections_active, t->live);
	single(p, METRIC_accept_errors_total, t->accept_errors);
	single(p, METRIC_connections_refused_total, t->refused);
	single(p, METRIC_http2_floods_total, t->floods);
	family(p, METRIC_accept_imbalance);
	p->ok = p->ok &&
		buf_appendf(&p->text, "latchd_accept_imbalance %.4f\n", board_imbalance(b));
}

static void put_handshakes(struct page *p, const struct board_slot *t)
{
	const struct {
		const char *result, *version;
		uint64_t n;
	} rows[] = {
		{ "full", "1.2", t->handshakes_full_12 },
		{ "full", "1.3", t->handshakes_full_13 },
		{ "resumed", "1.2", t->handshakes_resumed_12 },
		{ "resumed", "1.3", t->handshakes_resumed_13 },
		{ "failed", "none", t->handshakes_failed },
	};

	family(p, METRIC_handshakes_total);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		p->ok = p->ok &&
			buf_appendf(&p->text,
				"latchd_handshakes_total{result=\"%s\",version=\"%s\"} %llu\n",
				rows[i].result, rows[i].version, (unsigned long long)rows[i].n);
}

static void put_requests(struct page *p, const struct board_slot *t)
{
	char code[16];

	family(p, METRIC_requests_total);
	for (unsigned i = 0; i < HTTP_STATUS_COUNT; i++) {
		snprintf(code, sizeof(code), "%d", http_status_at(i));
		sample(p, METRIC_requests_total, "code", str_of(code), t->codes[i]);
	}
	single(p, METRIC_bytes_sent_total, t->bytes_sent);
	family(p, METRIC_closures_total);
	for (unsigned i = 0; i < BOARD_CLOSURES; i++)
		if (board_closure_name(i))
			sample(p, METRIC_closures_total, "how", str_of(board_closure_name(i)),
				t->closures[i]);
	single(p, METRIC_sigpipe_total, t->sigpipes);
}

static void put_certificates(struct page *p, const struct metrics_options *o)
{
	family(p, METRIC_certificate_not_after_seconds);
	for (size_t i = 0; i < o->ncertificates; i++)
		sample(p, METRIC_certificate_not_after_seconds, "site",
			str_of(o->certificates[i].site), (uint64_t)o->certificates[i].not_after);
}

static void put_crls(struct page *p, const struct metrics_options *o)
{
	family(p, METRIC_crl_next_update_seconds);
	for (size_t i = 0; i < o->ncrls; i++)
		sample(p, METRIC_crl_next_update_seconds, "issuer", str_of(o->crls[i].issuer),
			(uint64_t)o->crls[i].next_update);
}

static void page_close(struct source *source)
{
	struct page *p = (struct page *)source;

	buf_done(&p->text);
	free(p);
}

/* NULL: out of memory. */
static struct page *make_page(const struct board *b, const struct metrics_options *o)
{
	struct page *p = calloc(1, sizeof(*p));
	struct board_slot total;

	if (!p)
		return NULL;
	p->source.close = page_close;
	p->ok = true;
	buf_init(&p->text, METRICS_SIZE_MAX);
	board_total(b, &total);
	put_info(p);
	put_master(p, b);
	put_connections(p, b, &total);
	put_handshakes(p, &total);
	put_requests(p, &total);
	put_certificates(p, o);
	put_crls(p, o);
	if (p->ok)
		return p;
	page_close(&p->source);
	return NULL;
}

void metrics_handle(struct stream *s, const void *options)
{
	struct page *p;

	if (s->request.method != HTTP_METHOD_GET && s->request.method != HTTP_METHOD_HEAD) {
		stream_add_field(s, STR("Allow"), STR("GET, HEAD"));
		stream_reply_error(s, 405);
		return;
	}
	if (!s->board) {
		stream_reply_error(s, 503);
		return;
	}
	p = make_page(s->board, options);
	if (!p) {
		stream_reply_error(s, 500);
		return;
	}
	stream_add_field(s, STR("Content-Type"), STR("text/plain; version=0.0.4; charset=utf-8"));
	stream_add_field(s, STR("Cache-Control"), STR("no-store"));
	s->response.memory = buf_str(&p->text);
	s->response.source = &p->source;
	s->response.has_length = true;
	s->response.length = s->response.memory.n;
	stream_reply(s, 200);
}
