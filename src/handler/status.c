/* What the board says right now: as JSON with the names of the metrics, or as a page for people
 * that renews itself and needs nothing from elsewhere. Reads counters only; changes and controls
 * nothing. */
#include "handler/status.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "ipc/board.h"

enum { STATUS_SIZE_MAX = 224 * 1024 };

struct snapshot {
	const struct board *board;
	struct board_slot total;
	int64_t uptime_s;
};

static unsigned used_slots(const struct board *b)
{
	uint32_t n = board_get(b->nslots);

	return n < BOARD_SLOTS ? n : BOARD_SLOTS;
}

static const char *state_of(const struct board_slot *s)
{
	return board_state_name(board_get(s->state));
}

static void take_snapshot(struct snapshot *shot, const struct board *board)
{
	shot->board = board;
	board_total(board, &shot->total);
	shot->uptime_s = (int64_t)clock_wall() - (int64_t)board_get(board->started_wall);
	if (shot->uptime_s < 0)
		shot->uptime_s = 0; /* the wall clock was set back */
}

static void json_workers(struct json *j, const struct board *b)
{
	json_array_open(j, "workers");
	for (unsigned i = 0; i < used_slots(b); i++) {
		const struct board_slot *s = &b->slot[i];

		if (board_get(s->state) == BOARD_FREE)
			continue;
		json_object_open(j, NULL);
		json_uint(j, "slot", i);
		json_int(j, "pid", board_get(s->pid));
		json_uint(j, "generation", board_get(s->generation));
		json_str(j, "state", str_of(state_of(s)));
		json_uint(j, "live", board_get(s->live));
		json_bool(j, "accepting", board_get(s->accepting) != 0);
		json_uint(j, "connections", board_get(s->connections));
		json_uint(j, "requests", board_get(s->requests));
		json_uint(j, "bytes_sent", board_get(s->bytes_sent));
		json_object_close(j);
	}
	json_array_close(j);
}

static void json_handshakes(struct json *j, const struct board_slot *t)
{
	json_object_open(j, "handshakes_total");
	json_object_open(j, "full");
	json_uint(j, "1.2", t->handshakes_full_12);
	json_uint(j, "1.3", t->handshakes_full_13);
	json_object_close(j);
	json_object_open(j, "resumed");
	json_uint(j, "1.2", t->handshakes_resumed_12);
	json_uint(j, "1.3", t->handshakes_resumed_13);
	json_object_close(j);
	json_uint(j, "failed", t->handshakes_failed);
	json_object_close(j);
}

typedef const char *name_fn(unsigned i);

static const char *class_name(unsigned class)
{
	static const char *const names[BOARD_STATUS_CLASSES] = { NULL, "1xx", "2xx", "3xx", "4xx",
		"5xx" };

	return names[class];
}

static void json_named(struct json *j, const char *key, name_fn *name, const uint64_t *counters,
	unsigned n)
{
	json_object_open(j, key);
	for (unsigned i = 0; i < n; i++)
		if (name(i))
			json_uint(j, name(i), counters[i]);
	json_object_close(j);
}

static bool write_json(struct buf *out, const struct snapshot *shot)
{
	const struct board *b = shot->board;
	const struct board_slot *t = &shot->total;
	struct json j;

	json_init(&j, out);
	json_object_open(&j, NULL);
	json_str(&j, "version", STR(LATCH_VERSION));
	json_str(&j, "openssl", stream_tls_library());
	json_uint(&j, "generation", board_get(b->generation));
	json_int(&j, "uptime_seconds", shot->uptime_s);
	json_workers(&j, b);
	json_uint(&j, "worker_respawns_total", board_get(b->respawns));
	json_object_open(&j, "reloads_total");
	json_uint(&j, "ok", board_get(b->reloads_ok));
	json_uint(&j, "failed", board_get(b->reloads_failed));
	json_object_close(&j);
	json_bool(&j, "last_reload_success", board_get(b->last_reload_ok) != 0);
	json_uint(&j, "connections_total", t->connections);
	json_uint(&j, "connections_active", t->live);
	json_uint(&j, "accept_errors_total", t->accept_errors);
	json_double(&j, "accept_imbalance", board_imbalance(b));
	json_handshakes(&j, t);
	json_uint(&j, "requests_total", t->requests);
	json_named(&j, "responses", class_name, t->responses, BOARD_STATUS_CLASSES);
	json_uint(&j, "bytes_sent_total", t->bytes_sent);
	json_named(&j, "closures_total", board_closure_name, t->closures, BOARD_CLOSURES);
	json_uint(&j, "sigpipe_total", t->sigpipes);
	json_object_close(&j);
	return json_ok(&j) && buf_append(out, "\n", 1);
}

static const char html_head[] =
	"<!DOCTYPE html>\n"
	"<html lang=\"en\">\n"
	"<meta charset=\"utf-8\">\n"
	"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	"<meta name=\"color-scheme\" content=\"light dark\">\n"
	"<meta http-equiv=\"refresh\" content=\"5\">\n"
	"<title>latchd status</title>\n"
	"<style>\n"
	":root { color-scheme: light dark; --line: #8884; --faint: #8881; }\n"
	"body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;"
	" padding: 0 1.5rem; }\n"
	"h1 { font-size: 1.5rem; font-weight: 600; margin-bottom: 0; }\n"
	"h2 { font-size: 1rem; font-weight: 600; margin: 2rem 0 .25rem; }\n"
	"p { margin: 0; opacity: .7; }\n"
	".groups { display: grid; gap: 0 2.5rem;"
	" grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr)); }\n"
	"table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }\n"
	"th, td { padding: .3rem .5rem; border-bottom: 1px solid var(--line);"
	" text-align: right; }\n"
	"th { font-weight: 400; opacity: .7; }\n"
	"th:first-child, td:first-child { text-align: left; padding-left: 0; }\n"
	"tbody tr:hover { background: var(--faint); }\n"
	".scroll { overflow-x: auto; }\n"
	"</style>\n";

static bool html_group(struct buf *out, const char *title)
{
	return buf_appendf(out, "<section>\n<h2>%s</h2>\n<table>\n", title);
}

static bool html_group_end(struct buf *out)
{
	return buf_append_str(out, STR("</table>\n</section>\n"));
}

static bool html_row(struct buf *out, const char *name, uint64_t value)
{
	return buf_appendf(out, "<tr><th scope=\"row\">%s</th><td>%llu</td></tr>\n", name,
		(unsigned long long)value);
}

static bool html_rows(struct buf *out, name_fn *name, const uint64_t *values, unsigned n)
{
	bool ok = true;

	for (unsigned i = 0; i < n; i++)
		if (name(i))
			ok = ok && html_row(out, name(i), values[i]);
	return ok;
}

/* "1.5 MiB", for people. */
static const char *format_bytes(uint64_t n, char *dst, size_t size)
{
	static const char *const unit[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double v = (double)n;
	unsigned i = 0;

	for (; v >= 1024 && i + 1 < sizeof(unit) / sizeof(unit[0]); i++)
		v /= 1024;
	snprintf(dst, size, i ? "%.1f %s" : "%.0f %s", v, unit[i]);
	return dst;
}

static bool html_traffic(struct buf *out, const struct snapshot *shot)
{
	const struct board_slot *t = &shot->total;
	char bytes[32];

	return html_group(out, "Connections") && html_row(out, "open now", t->live) &&
	       html_row(out, "accepted", t->connections) &&
	       html_row(out, "accept errors", t->accept_errors) &&
	       buf_appendf(out, "<tr><th scope=\"row\">imbalance</th><td>%.2f</td></tr>\n",
		       board_imbalance(shot->board)) &&
	       html_group_end(out) && html_group(out, "Requests") &&
	       html_row(out, "answered", t->requests) &&
	       html_rows(out, class_name, t->responses, BOARD_STATUS_CLASSES) &&
	       buf_appendf(out, "<tr><th scope=\"row\">sent</th><td>%s</td></tr>\n",
		       format_bytes(t->bytes_sent, bytes, sizeof(bytes))) &&
	       html_group_end(out);
}

static bool html_tls(struct buf *out, const struct snapshot *shot)
{
	const struct board_slot *t = &shot->total;

	return html_group(out, "Handshakes") &&
	       html_row(out, "TLS 1.3, full", t->handshakes_full_13) &&
	       html_row(out, "TLS 1.3, resumed", t->handshakes_resumed_13) &&
	       html_row(out, "TLS 1.2, full", t->handshakes_full_12) &&
	       html_row(out, "TLS 1.2, resumed", t->handshakes_resumed_12) &&
	       html_row(out, "failed", t->handshakes_failed) && html_group_end(out) &&
	       html_group(out, "Closures") &&
	       html_rows(out, board_closure_name, t->closures, BOARD_CLOSURES) &&
	       html_group_end(out);
}

static bool html_master(struct buf *out, const struct snapshot *shot)
{
	const struct board *b = shot->board;

	return html_group(out, "Process") &&
	       html_row(out, "reloads done", board_get(b->reloads_ok)) &&
	       html_row(out, "reloads refused", board_get(b->reloads_failed)) &&
	       html_row(out, "workers respawned", board_get(b->respawns)) &&
	       html_row(out, "SIGPIPE", shot->total.sigpipes) && html_group_end(out);
}

static bool html_workers(struct buf *out, const struct board *b)
{
	bool ok = buf_append_str(
		out, STR("<h2>Workers</h2>\n<div class=\"scroll\"><table>\n<thead><tr>"
			 "<th>slot</th><th>pid</th><th>generation</th><th>state</th><th>open</th>"
			 "<th>accepting</th><th>accepted</th><th>requests</th><th>sent</th>"
			 "</tr></thead>\n<tbody>\n"));

	for (unsigned i = 0; i < used_slots(b); i++) {
		const struct board_slot *s = &b->slot[i];
		char bytes[32];

		if (board_get(s->state) == BOARD_FREE)
			continue;
		ok = ok && buf_appendf(out,
				   "<tr><td>%u</td><td>%d</td><td>%u</td><td>%s</td><td>%u</td>"
				   "<td>%s</td><td>%llu</td><td>%llu</td><td>%s</td></tr>\n",
				   i, board_get(s->pid), board_get(s->generation), state_of(s),
				   board_get(s->live), board_get(s->accepting) ? "yes" : "no",
				   (unsigned long long)board_get(s->connections),
				   (unsigned long long)board_get(s->requests),
				   format_bytes(board_get(s->bytes_sent), bytes, sizeof(bytes)));
	}
	return ok && buf_append_str(out, STR("</tbody>\n</table></div>\n"));
}

static bool write_html(struct buf *out, const struct snapshot *shot)
{
	const struct board *b = shot->board;
	long long up = shot->uptime_s;
	struct str library = stream_tls_library();

	return buf_append(out, html_head, sizeof(html_head) - 1) &&
	       buf_appendf(out,
		       "<h1>latchd " LATCH_VERSION "</h1>\n<p>OpenSSL " STR_FMT
		       ", generation %u, up %lld d %02lld:%02lld:%02lld</p>\n",
		       STR_ARG(library), board_get(b->generation), up / 86400, up / 3600 % 24,
		       up / 60 % 60, up % 60) &&
	       buf_append_str(out, STR("<div class=\"groups\">\n")) && html_traffic(out, shot) &&
	       html_tls(out, shot) && html_master(out, shot) &&
	       buf_append_str(out, STR("</div>\n")) && html_workers(out, b) &&
	       buf_append_str(out, STR("</html>\n"));
}

/* By any line of Accept: a program names JSON and not HTML. */
static bool wants_json(const struct stream *s)
{
	const struct fields *f = &s->request.fields;
	bool json = false;

	if (str_eq(s->target.query, STR("?json")))
		return true;
	for (unsigned i = 0; i < f->n; i++) {
		struct str list = f->line[i].value, element;

		while (f->line[i].id == FIELD_ACCEPT && str_next_element(&list, &element)) {
			struct str type = { element.p, str_find(element, ';', 0) };

			type = str_trim(type);
			if (str_case_eq(type, STR("text/html")))
				return false;
			json = json || str_case_eq(type, STR("application/json"));
		}
	}
	return json;
}

void status_handle(struct stream *s, const void *options)
{
	struct snapshot shot;
	struct buf text;
	char *copy = NULL;
	bool json, ok;

	(void)options;
	if (s->request.method != HTTP_METHOD_GET && s->request.method != HTTP_METHOD_HEAD) {
		stream_add_field(s, STR("Allow"), STR("GET, HEAD"));
		stream_reply_error(s, 405);
		return;
	}
	if (!s->board) {
		stream_reply_error(s, 503);
		return;
	}
	take_snapshot(&shot, s->board);
	buf_init(&text, STATUS_SIZE_MAX);
	json = wants_json(s);
	ok = json ? write_json(&text, &shot) : write_html(&text, &shot);
	if (ok)
		copy = arena_alloc(&s->arena, buf_len(&text));
	stream_add_field(s, STR("Cache-Control"), STR("no-store"));
	stream_add_field(s, STR("Vary"), STR("Accept"));
	if (copy) {
		memcpy(copy, buf_head(&text), buf_len(&text));
		stream_reply_text(s, 200,
			json ? STR("application/json") : STR("text/html; charset=utf-8"),
			(struct str){ copy, buf_len(&text) });
	} else {
		stream_reply_error(s, 500);
	}
	buf_done(&text);
}
