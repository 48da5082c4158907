/* What the board says right now: as JSON with the names of the metrics, or as a page for people
 * that renews itself and needs nothing from elsewhere. Reads counters only; changes and controls
 * nothing. */
#include "handler/status.h"

#include "base/buf.h"
#include "handler/status_plots.h"
#include "http/negotiate.h"
#include "ipc/facts.h"

enum { STATUS_SIZE_MAX = 240 * 1024 };

struct snapshot {
	const struct board *board;
	struct board_slot total;
};

static void take_snapshot(struct snapshot *shot, const struct board *board)
{
	shot->board = board;
	board_total(board, &shot->total);
}

static bool write_json(struct buf *out, const struct board *b)
{
	struct json j;

	json_init(&j, out);
	json_object_open(&j, NULL);
	facts_write(&j, b, stream_tls_library(), http_status_at);
	facts_write_history(&j, b);
	json_object_close(&j);
	return json_ok(&j) && buf_append(out, "\n", 1);
}

static const char html_head[] =
	"<!DOCTYPE html>\n"
	"<html lang=\"en\">\n"
	"<meta charset=\"utf-8\">\n"
	"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	"<meta name=\"color-scheme\" content=\"light dark\">\n"
	"<link rel=\"icon\" href=\"data:,\">\n"
	"<noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript>\n"
	"<title>latchd status</title>\n"
	"<style>";
static const char html_style[] =
	"\n"
	":root { color-scheme: light dark; --line: #8884; --faint: #8881;\n"
	" --c0: #1a73c7; --c1: #d9480f; --c2: #2b8a3e; --c3: #ae3ec9; --c4: #868e96; }\n"
	"@media (prefers-color-scheme: dark) { :root {"
	" --c0: #74b9ff; --c1: #ff922b; --c2: #69db7c; --c3: #e599f7; --c4: #adb5bd; } }\n"
	"body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;"
	" padding: 0 1.5rem; }\n"
	"h1 { font-size: 1.5rem; font-weight: 600; margin-bottom: 0; }\n"
	"h2 { font-size: 1rem; font-weight: 600; margin: 2rem 0 .25rem; }\n"
	"p { margin: 0; opacity: .7; }\n"
	".gone { opacity: .4; }\n"
	".groups, .plots { display: grid; gap: 0 2.5rem;"
	" grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr)); }\n"
	".plots { gap: 1.5rem 2.5rem; margin-top: 1.5rem;"
	" grid-template-columns: repeat(auto-fit, minmax(min(22rem, 100%), 1fr)); }\n"
	"figure { margin: 0; min-width: 0; }\n"
	"figcaption { font-weight: 600; }\n"
	"figcaption span { font-weight: 400; font-size: .875rem; }\n"
	"figcaption > span { float: right; font-variant-numeric: tabular-nums; }\n"
	"figcaption span span { margin-left: .5rem; color: var(--c); }\n"
	"figcaption b { font-weight: 600; }\n"
	"svg { display: block; width: 100%; height: 5rem; margin: .25rem 0;"
	" background: var(--faint); border-bottom: 1px solid var(--line); }\n"
	"polyline { fill: none; stroke: var(--c); stroke-width: 1.5;"
	" vector-effect: non-scaling-stroke; }\n"
	"figure p { display: flex; justify-content: space-between; font-size: .75rem; }\n"
	".s0 { --c: var(--c0); } .s1 { --c: var(--c1); } .s2 { --c: var(--c2); }"
	" .s3 { --c: var(--c3); } .s4 { --c: var(--c4); }\n"
	"table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }\n"
	"th, td { padding: .3rem .5rem; border-bottom: 1px solid var(--line);"
	" text-align: right; }\n"
	"th { font-weight: 400; opacity: .7; }\n"
	"th:first-child, td:first-child { text-align: left; padding-left: 0; }\n"
	"tbody tr:hover { background: var(--faint); }\n"
	".scroll { overflow-x: auto; }\n";
/* Takes the place of a reload, without its flicker; a page that nobody looks at asks for nothing.
 */
static const char html_script[] =
	"\n"
	"const main = document.querySelector(\"main\");\n"
	"async function renew() {\n"
	"  try {\n"
	"    if (document.hidden) return;\n"
	"    const answer = await fetch(location.href, { headers: { Accept: \"text/html\" } });\n"
	"    if (!answer.ok) throw new Error(answer.status);\n"
	"    const page = new DOMParser().parseFromString(await answer.text(), \"text/html\");\n"
	"    main.replaceChildren(...page.querySelector(\"main\").childNodes);\n"
	"    main.classList.remove(\"gone\");\n"
	"  } catch (e) {\n"
	"    main.classList.add(\"gone\");\n"
	"  } finally {\n"
	"    setTimeout(renew, 2000);\n"
	"  }\n"
	"}\n"
	"setTimeout(renew, 2000);\n";
/* Style and script of this page alone, by their digests, and nothing from elsewhere. */
static const char policy[] =
	"default-src 'none'; style-src 'sha256-AEmBmWT3MSqaKINhsx2isPMdC3b5/JobzwTFfQ1Ki7g='; "
	"script-src 'sha256-PERv7KE29h3VhcwcFe30ZU8+zif3M9E5P9PaHW66Zz8='; "
	"connect-src 'self'; img-src data:; base-uri 'none'; "
	"form-action 'none'; frame-ancestors 'none'";

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

static bool html_rows(struct buf *out, facts_name_fn *name, const uint64_t *values, unsigned n)
{
	bool ok = true;

	for (unsigned i = 0; i < n; i++)
		if (name(i))
			ok = ok && html_row(out, name(i), values[i]);
	return ok;
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
	       html_rows(out, facts_class, t->responses, BOARD_STATUS_CLASSES) &&
	       buf_appendf(out, "<tr><th scope=\"row\">sent</th><td>%s</td></tr>\n",
		       facts_format_bytes(t->bytes_sent, bytes, sizeof(bytes))) &&
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
	       html_row(out, "reloads taken back", board_get(b->reloads_quarantined)) &&
	       html_row(out, "workers respawned", board_get(b->respawns)) &&
	       html_row(out, "SIGPIPE", shot->total.sigpipes) && html_group_end(out);
}

static bool html_workers(struct buf *out, const struct board *b)
{
	bool ok = buf_append_str(
		out, STR("<h2>Workers</h2>\n<div class=\"scroll\"><table>\n<thead><tr>"
			 "<th>slot</th><th>pid</th><th>generation</th><th>state</th><th>open</th>"
			 "<th>confined by</th><th>accepting</th><th>accepted</th>"
			 "<th>requests</th><th>sent</th></tr></thead>\n<tbody>\n"));

	for (unsigned i = 0; i < facts_slots(b); i++) {
		const struct board_slot *s = &b->slot[i];
		char bytes[32];

		if (board_get(s->state) == BOARD_FREE)
			continue;
		ok = ok &&
		     buf_appendf(out,
			     "<tr><td>%u</td><td>%d</td><td>%u</td><td>%s</td><td>%u</td>"
			     "<td>%s</td><td>%s</td><td>%llu</td><td>%llu</td><td>%s</td>"
			     "</tr>\n",
			     i, board_get(s->pid), board_get(s->generation), facts_state(s),
			     board_get(s->live), facts_confined(board_get(s->confined)),
			     board_get(s->accepting) ? "yes" : "no",
			     (unsigned long long)board_get(s->connections),
			     (unsigned long long)board_get(s->requests),
			     facts_format_bytes(board_get(s->bytes_sent), bytes, sizeof(bytes)));
	}
	return ok && buf_append_str(out, STR("</tbody>\n</table></div>\n"));
}

static bool html_main(struct buf *out, const struct snapshot *shot)
{
	const struct board *b = shot->board;
	long long up = facts_uptime(b);
	struct str library = stream_tls_library();

	return buf_appendf(out,
		       "<h1>latchd " LATCH_VERSION "</h1>\n<p>OpenSSL " STR_FMT
		       ", generation %u, up %lld d %02lld:%02lld:%02lld</p>\n",
		       STR_ARG(library), board_get(b->generation), up / 86400, up / 3600 % 24,
		       up / 60 % 60, up % 60) &&
	       status_plots_write(out, b) && buf_append_str(out, STR("<div class=\"groups\">\n")) &&
	       html_traffic(out, shot) && html_tls(out, shot) && html_master(out, shot) &&
	       buf_append_str(out, STR("</div>\n")) && html_workers(out, b);
}

static bool write_html(struct buf *out, const struct snapshot *shot)
{
	return buf_append(out, html_head, sizeof(html_head) - 1) &&
	       buf_append(out, html_style, sizeof(html_style) - 1) &&
	       buf_append_str(out, STR("</style>\n<main>\n")) && html_main(out, shot) &&
	       buf_append_str(out, STR("</main>\n<script>")) &&
	       buf_append(out, html_script, sizeof(html_script) - 1) &&
	       buf_append_str(out, STR("</script>\n</html>\n"));
}

static bool wants_json(const struct stream *s)
{
	return str_eq(s->target.query, STR("?json")) || negotiate_json(&s->request.fields);
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
	ok = json ? write_json(&text, s->board) : write_html(&text, &shot);
	if (ok)
		copy = arena_alloc(&s->arena, buf_len(&text));
	stream_add_field(s, STR("Cache-Control"), STR("no-store"));
	stream_add_field(s, STR("Vary"), STR("Accept"));
	stream_add_field(s, STR("Content-Security-Policy"), str_of(policy));
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
