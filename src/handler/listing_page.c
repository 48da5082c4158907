/* Rows as HTML and as JSON. A name may hold any byte but "/" and NUL: in HTML it is escaped, in a
 * reference it is percent-encoded behind "./", so that none is taken for a scheme. */
#include "handler/listing_page.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"
#include "http/html.h"
#include "http/uri.h"
#include "ipc/facts.h"

enum { PART_MAX = 16 * 1024 /* one row, or the path, at its longest */ };

static const char page_head[] =
	"<!DOCTYPE html>\n"
	"<html lang=\"en\">\n"
	"<meta charset=\"utf-8\">\n"
	"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	"<meta name=\"color-scheme\" content=\"light dark\">\n"
	"<link rel=\"icon\" href=\"data:,\">\n"
	"<title>";
static const char page_style[] =
	"</title>\n"
	"<style>\n"
	":root { color-scheme: light dark; --line: #8883; --faint: #8882; --link: #0b57d0; }\n"
	"@media (prefers-color-scheme: dark) { :root { --link: #8ab4f8; } }\n"
	"body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;"
	" padding: 0 1rem; }\n"
	"h1 { font-size: 1.25rem; font-weight: 600; overflow-wrap: anywhere; }\n"
	"a { color: var(--link); text-decoration: none; }\n"
	"a:hover { text-decoration: underline; }\n"
	"table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }\n"
	"th, td { padding: .3rem .5rem; text-align: left; border-bottom: 1px solid var(--line);"
	" vertical-align: top; }\n"
	"th { font-weight: 600; white-space: nowrap; position: sticky; top: 0;"
	" background: Canvas; }\n"
	"td { overflow-wrap: anywhere; }\n"
	"td + td, th + th { text-align: right; white-space: nowrap; width: 1%; opacity: .85; }\n"
	"td:first-child { position: relative; padding-left: 2rem; }\n"
	"td:first-child::before { content: \"\"; position: absolute; left: .6rem; top: .55rem;"
	" width: .8rem; height: .95rem; border-radius: 2px; background: var(--line); }\n"
	".d td:first-child::before { left: .5rem; top: .7rem; width: 1rem; height: .75rem;"
	" background: #e0a93b; }\n"
	".up td:first-child::before { background: none; }\n"
	"tr:hover td { background: var(--faint); }\n"
	"p { opacity: .7; font-size: .875rem; }\n"
	"@media (max-width: 32rem) { .t { display: none; } td + td { padding-left: 0; } }\n"
	"</style>\n"
	"<h1>";

struct str listing_page_type(bool json)
{
	return json ? STR("application/json") : STR("text/html; charset=utf-8");
}

/* Takes a part back whole when it did not fit. */
static bool finish_part(struct buf *out, size_t before, bool ok)
{
	if (!ok)
		out->end = out->off + before;
	return ok;
}

static bool append_reference(struct buf *out, const char *name)
{
	struct buf encoded;
	bool ok;

	buf_init(&encoded, PART_MAX);
	ok = uri_encode_path(&encoded, str_of(name)) && html_append(out, buf_str(&encoded));
	buf_done(&encoded);
	return ok;
}

/* ---- HTML ------------------------------------------------------------------- */

/* Each folder of the path leads to itself. */
static bool append_crumbs(struct buf *out, struct str path)
{
	unsigned depth = 0, at = 0;
	bool ok = true;
	size_t from;

	for (size_t i = 0; i < path.n; i++)
		depth += path.p[i] == '/' && (i == 0 || path.p[i - 1] != '/');
	for (from = 0; ok && from < path.n; at++) {
		size_t end = str_find(path, '/', from);
		struct str name = { path.p + from, end - from };

		ok = buf_append_str(out, STR("<a href=\"./"));
		for (unsigned i = at + 1; ok && i < depth; i++)
			ok = buf_append_str(out, STR("../"));
		ok = ok && buf_append_str(out, STR("\">")) && html_append(out, name) &&
		     buf_append_str(out, STR("/</a>"));
		for (from = end; from < path.n && path.p[from] == '/'; from++)
			;
	}
	return ok;
}

static bool append_column(const struct listing_page *p, enum directory_sort sort, const char *word,
	const char *title, struct buf *out)
{
	bool here = p->order.sort == sort, descending = p->order.descending;
	/* What people want to see first: small names, large files, new ones. */
	bool next = here ? !descending : sort != DIRECTORY_BY_NAME;

	return buf_appendf(out, "<th%s><a href=\"?sort=%s&amp;order=%s\">%s%s</a>",
		!here        ? ""
		: descending ? " aria-sort=\"descending\""
			     : " aria-sort=\"ascending\"",
		word, next ? "desc" : "asc", title,
		!here        ? ""
		: descending ? " \xe2\x86\x93"
			     : " \xe2\x86\x91");
}

static bool begin_html(const struct listing_page *p, struct buf *out)
{
	bool ok = buf_append(out, page_head, sizeof(page_head) - 1) && html_append(out, p->path) &&
		  buf_append(out, page_style, sizeof(page_style) - 1) &&
		  append_crumbs(out, p->path) &&
		  buf_append_str(out, STR("</h1>\n<table>\n<thead><tr>"));

	ok = ok && append_column(p, DIRECTORY_BY_NAME, "name", "Name", out) &&
	     append_column(p, DIRECTORY_BY_SIZE, "size", "Size", out) &&
	     append_column(p, DIRECTORY_BY_DATE, "date", "Modified", out) &&
	     buf_append_str(out, STR("\n<tbody>\n"));
	if (p->path.n > 1)
		ok = ok && buf_append_str(out, STR("<tr class=\"d up\"><td><a href=\"../\">../</a>"
						   "<td><td>\n"));
	return ok;
}

static bool append_date(struct buf *out, int64_t mtime)
{
	time_t t = (time_t)mtime;
	char day[32] = "", hour[16] = "";
	struct tm tm;

	if (gmtime_r(&t, &tm)) {
		strftime(day, sizeof(day), "%Y-%m-%d", &tm);
		strftime(hour, sizeof(hour), "%H:%M", &tm);
	}
	return buf_appendf(out,
		"<td><time datetime=\"%sT%sZ\">%s<span class=\"t\"> %s</span></time>", day, hour,
		day, hour);
}

static bool row_html(const struct entry *e, struct buf *out)
{
	struct str slash = e->is_directory ? STR("/") : STR("");
	char size[32];

	return buf_append_str(out, e->is_directory ? STR("<tr class=\"d\"><td><a href=\"./")
						   : STR("<tr><td><a href=\"./")) &&
	       append_reference(out, e->name) && buf_append_str(out, slash) &&
	       buf_append_str(out, STR("\">")) && html_append(out, str_of(e->name)) &&
	       buf_append_str(out, slash) && buf_append_str(out, STR("</a><td>")) &&
	       (e->is_directory ||
		       buf_appendf(out, "%s", facts_format_bytes(e->size, size, sizeof(size)))) &&
	       append_date(out, e->mtime) && buf_append_str(out, STR("\n"));
}

static bool end_html(const struct listing_page *p, struct buf *out)
{
	const char *more = p->cut ? "more than " : "";

	if (p->shown < p->all || p->cut)
		return buf_appendf(out,
			"</table>\n<p>%u of %s%u entries are shown: the first in this order."
			"</p>\n</html>\n",
			p->shown, more, p->all);
	return buf_appendf(out, "</table>\n<p>%u entr%s. Times are UTC.</p>\n</html>\n", p->all,
		p->all == 1 ? "y" : "ies");
}

/* ---- JSON ------------------------------------------------------------------- */

static bool begin_json(const struct listing_page *p, struct buf *out)
{
	struct json j;

	json_init(&j, out);
	json_object_open(&j, NULL);
	json_str(&j, "path", p->path);
	json_array_open(&j, "entries");
	return json_ok(&j);
}

static bool row_json(const struct listing_page *p, const struct entry *e, struct buf *out)
{
	char time[25];
	struct json j;

	json_init(&j, out);
	j.comma = p->shown > 0;
	json_object_open(&j, NULL);
	json_str(&j, "name", str_of(e->name));
	json_str(&j, "type", e->is_directory ? STR("directory") : STR("file"));
	if (!e->is_directory)
		json_uint(&j, "size", e->size);
	clock_format_rfc3339(e->mtime * 1000, time);
	json_str(&j, "modified", str_of(time));
	json_object_close(&j);
	return json_ok(&j);
}

static bool end_json(const struct listing_page *p, struct buf *out)
{
	struct json j;

	json_init(&j, out);
	json_array_close(&j);
	j.comma = true;
	json_uint(&j, "shown", p->shown);
	json_uint(&j, "all", p->all);
	json_bool(&j, "truncated", p->shown < p->all || p->cut);
	json_object_close(&j);
	return json_ok(&j) && buf_append(out, "\n", 1);
}

bool listing_page_begin(const struct listing_page *p, struct buf *out)
{
	return finish_part(out, buf_len(out), p->json ? begin_json(p, out) : begin_html(p, out));
}

bool listing_page_row(const struct listing_page *p, const struct entry *e, struct buf *out)
{
	size_t before = buf_len(out);

	return finish_part(out, before, p->json ? row_json(p, e, out) : row_html(e, out));
}

bool listing_page_end(const struct listing_page *p, struct buf *out)
{
	size_t before = buf_len(out);

	return finish_part(out, before, p->json ? end_json(p, out) : end_html(p, out));
}
