/* The state of the service, for people and for programs. What the workers wrote to the board is
 * printed as numbers, whatever it is; names come from the configuration alone. */
#include "master/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "ipc/facts.h"
#include "tls/facts.h"
#include "tls/library.h"

enum { DAY = 24 * 3600 };

static time_t site_ends(const struct config_site *site)
{
	return site->context ? tls_facts_not_after(site->context) : 0;
}

static const char *site_name(const struct config_site *site)
{
	return site->nnames ? site->names[0] : "?";
}

/* Whole days left, rounded down; negative: expired. */
static long long days_left(time_t end, time_t now)
{
	long long s = (long long)end - (long long)now;

	return s >= 0 ? s / DAY : -((-s + DAY - 1) / DAY);
}

static unsigned live_of(const struct reload *r, const struct generation *g)
{
	unsigned live = 0;

	for (unsigned i = 0; i < facts_slots(r->board); i++) {
		const struct board_slot *s = &r->board->slot[i];

		if (board_get(s->state) != BOARD_FREE && board_get(s->generation) == g->number)
			live += board_get(s->live);
	}
	return live;
}

static long long seconds_left(const struct generation *g)
{
	int64_t us = g->pool.deadline_us ? g->pool.deadline_us - clock_us_now() : 0;

	return us > 0 ? us / 1000000 + 1 : 0;
}

/* Is the last transaction the start, or running it? */
static bool is_start(const struct reload *r)
{
	bool none = !board_get(r->board->reloads_ok) && !board_get(r->board->reloads_failed);

	return none && (r->last.ended || !r->serving);
}

/* Or is it that of a program that took over from another? Generations go on counting then. */
static bool is_upgrade(const struct reload *r)
{
	return r->turn == 1 && r->number > 1;
}

static const char *last_result(const struct reload *r)
{
	if (!r->last.ended)
		return is_start(r) ? "starting" : "running";
	if (r->last.quarantined)
		return "quarantined";
	return r->last.code ? "failed" : "ok";
}

/* The first error of the last transaction; "" if there is none. */
static const char *last_error(const struct reload *r, char *dst, size_t size)
{
	const struct err *first = findings_first(&r->last.findings);

	*dst = '\0';
	return first ? err_format(first, dst, size) : dst;
}

/* ---- for people -------------------------------------------------------------------------- */

static bool table_head(const struct reload *r, struct buf *out)
{
	const struct generation *g = r->serving;
	long long up = facts_uptime(r->board);

	return buf_appendf(out,
		       "latchd %s (OpenSSL %s), master %d, up %lld d %02lld:%02lld:%02lld\n",
		       LATCH_VERSION, tls_library_version(), (int)getpid(), up / DAY,
		       up / 3600 % 24, up / 60 % 60, up % 60) &&
	       buf_appendf(out, "generation    %u%s: %u workers ready, %u down, %u respawned\n",
		       g ? g->number : 0, r->ending ? ", stopping" : "", g ? g->pool.ready : 0,
		       g ? g->pool.down : 0, board_get(r->board->respawns));
}

static bool table_reload(const struct reload *r, struct buf *out)
{
	char when[30] = "", text[1024];

	if (r->last.ended)
		clock_format_http_date(r->last.ended, when);
	return buf_appendf(out, "%s   %s%s%s (%u done, %u failed, %u quarantined)\n",
		       is_upgrade(r) ? "upgraded   "
		       : is_start(r) ? "started    "
				     : "last reload",
		       last_result(r), *when ? ", " : "", when, board_get(r->board->reloads_ok),
		       board_get(r->board->reloads_failed),
		       board_get(r->board->reloads_quarantined)) &&
	       (!r->last.code ||
		       buf_appendf(out, "              %s\n", last_error(r, text, sizeof(text))));
}

static bool table_unfit(const struct reload *r, struct buf *out)
{
	char text[1024];

	return !r->unfit.code ||
	       buf_appendf(out,
		       "renewal       the certificate files cannot be served as they are; the last "
		       "good ones are:\n              %s\n",
		       err_format(&r->unfit, text, sizeof(text)));
}

static bool table_traffic(const struct reload *r, struct buf *out)
{
	typedef unsigned long long u64;
	const char *comma = "";
	struct board_slot t;
	char sent[16];
	bool ok;

	board_total(r->board, &t);
	ok = buf_appendf(out,
		     "connections   %u open, %llu accepted, %llu accept errors, imbalance %.2f\n",
		     t.live, (u64)t.connections, (u64)t.accept_errors, board_imbalance(r->board)) &&
	     buf_appendf(out, "handshakes    %llu full, %llu resumed, %llu failed\n",
		     (u64)(t.handshakes_full_12 + t.handshakes_full_13),
		     (u64)(t.handshakes_resumed_12 + t.handshakes_resumed_13),
		     (u64)t.handshakes_failed) &&
	     buf_appendf(out, "requests      %llu, %s sent", (u64)t.requests,
		     facts_format_bytes(t.bytes_sent, sent, sizeof(sent)));
	for (unsigned i = 1; i < BOARD_STATUS_CLASSES; i++)
		if (t.responses[i])
			ok = ok &&
			     buf_appendf(out, ", %s %llu", facts_class(i), (u64)t.responses[i]);
	ok = ok && buf_append_str(out, STR("\nclosures      "));
	for (unsigned i = 0; i < BOARD_CLOSURES; i++) {
		const char *how = board_closure_name(i);

		if (how)
			ok = ok && buf_appendf(out, "%s%llu %s", comma, (u64)t.closures[i], how);
		if (how)
			comma = ", ";
	}
	return ok && buf_append(out, "\n", 1);
}

static bool table_ktls(const struct reload *r, struct buf *out)
{
	const struct config *c = r->serving ? r->serving->config : NULL;
	char text[400];

	if (!c || c->tls.ktls == TLS_KTLS_OFF)
		return true;
	return buf_appendf(
		out, "ktls          %s\n", ktls_probe_describe(&c->ktls, text, sizeof(text)));
}

static bool table_workers(const struct reload *r, struct buf *out)
{
	bool ok = buf_appendf(out, "\n%-6s %8s %10s  %-8s %6s %11s %11s %10s  %s\n", "WORKER",
		"PID", "GENERATION", "STATE", "LIVE", "ACCEPTED", "REQUESTS", "SENT",
		"CONFINED BY");

	for (unsigned i = 0; i < facts_slots(r->board); i++) {
		const struct board_slot *s = &r->board->slot[i];
		char sent[16];

		if (board_get(s->state) == BOARD_FREE)
			continue;
		ok = ok &&
		     buf_appendf(out, "%-6u %8d %10u  %-8s %6u %11llu %11llu %10s  %s\n", i,
			     board_get(s->pid), board_get(s->generation), facts_state(s),
			     board_get(s->live), (unsigned long long)board_get(s->connections),
			     (unsigned long long)board_get(s->requests),
			     facts_format_bytes(board_get(s->bytes_sent), sent, sizeof(sent)),
			     facts_confined(board_get(s->confined)));
	}
	return ok;
}

static bool table_draining(const struct reload *r, struct buf *out)
{
	bool ok = true;

	if (r->retired.draining)
		ok = buf_append(out, "\n", 1);
	for (const struct generation *g = r->retired.draining; g; g = g->next)
		ok = ok && buf_appendf(out,
				   "generation %u drains: %u workers with %u connections, at most "
				   "%lld s more\n",
				   g->number, g->pool.alive, live_of(r, g), seconds_left(g));
	return ok;
}

static bool table_certificates(const struct reload *r, struct buf *out)
{
	const struct config *c = r->serving ? r->serving->config : NULL;
	time_t now = time(NULL);
	bool ok = true, any = false;

	for (size_t i = 0; c && i < c->nsites; i++) {
		time_t end = site_ends(&c->sites[i]);
		char until[30];

		if (!end)
			continue;
		if (!any)
			ok = ok && buf_appendf(out, "\n%-40s %6s  %s\n", "CERTIFICATE OF", "DAYS",
					   "UNTIL");
		any = true;
		clock_format_http_date(end, until);
		ok = ok && buf_appendf(out, "%-40s %6lld  %s\n", site_name(&c->sites[i]),
				   days_left(end, now), until);
	}
	return ok;
}

/* The i-th of the sites' revocation lists, each once, however many sites share it; NULL: none. */
static const struct tls_crl *next_crl(const struct config *c, size_t *site, size_t *at)
{
	for (; c && *site < c->nsites; ++*site, *at = 0) {
		const struct config_site *s = &c->sites[*site];

		if (s->trust && s->trust_is_first && *at < tls_trust_crls(s->trust))
			return tls_trust_crl(s->trust, (*at)++);
	}
	return NULL;
}

static bool table_crls(const struct reload *r, struct buf *out)
{
	const struct config *c = r->serving ? r->serving->config : NULL;
	const struct tls_crl *l;
	size_t site = 0, at = 0;
	bool ok = true;

	for (bool first = true; ok && (l = next_crl(c, &site, &at)); first = false) {
		char due[30] = "";

		if (l->next_update)
			clock_format_http_date(l->next_update, due);
		if (first)
			ok = buf_appendf(out, "\n%-40s %6s  %s\n", "REVOCATION LIST OF", "DAYS",
				"NEXT UPDATE");
		ok = ok && buf_appendf(out, "%-40s %6lld  %s\n", l->issuer,
				   l->next_update ? days_left(l->next_update, time(NULL)) : 0, due);
	}
	return ok;
}

bool report_table(const struct reload *r, const struct rotation *keys, struct buf *out)
{
	return table_head(r, out) && table_reload(r, out) && table_unfit(r, out) &&
	       table_traffic(r, out) && rotation_table(keys, out) && table_ktls(r, out) &&
	       table_workers(r, out) && table_draining(r, out) && table_certificates(r, out) &&
	       table_crls(r, out);
}

/* ---- for the service manager ------------------------------------------------------------- */

static time_t certificates_end(const struct config *c)
{
	time_t soonest = 0;

	for (size_t i = 0; i < c->nsites; i++) {
		time_t t = site_ends(&c->sites[i]);

		if (t && (!soonest || t < soonest))
			soonest = t;
	}
	return soonest;
}

/* Appends as much as fits. */
__attribute__((format(printf, 4, 5))) static void add(
	char *dst, size_t size, size_t *len, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(dst + *len, size - *len, fmt, args);
	va_end(args);
	if (n > 0)
		*len = *len + (size_t)n < size ? *len + (size_t)n : size - 1;
}

const char *report_line(const struct reload *r, char *dst, size_t size)
{
	const struct generation *g = r->serving;
	unsigned draining = 0;
	size_t len = 0;
	struct tm tm;
	time_t end;

	for (const struct generation *d = r->retired.draining; d; d = d->next)
		draining += d->pool.alive;
	if (!g || r->ending) {
		add(dst, size, &len, "stopping: %u workers left",
			draining + (g ? g->pool.alive : 0));
		return dst;
	}
	add(dst, size, &len, "generation %u: %u worker%s serving", g->number, g->pool.ready,
		g->pool.ready == 1 ? "" : "s");
	if (draining)
		add(dst, size, &len, ", %u draining", draining);
	if (g->pool.down)
		add(dst, size, &len, ", %u down", g->pool.down);
	if (r->last.quarantined)
		add(dst, size, &len, "; generation %u quarantined", r->last.quarantined);
	else if (g->pool.is_crashing)
		add(dst, size, &len, ", crashing");
	end = certificates_end(g->config);
	if (end && gmtime_r(&end, &tm))
		add(dst, size, &len, "; certificates until %04d-%02d-%02d", tm.tm_year + 1900,
			tm.tm_mon + 1, tm.tm_mday);
	return dst;
}

/* ---- for programs ------------------------------------------------------------------------ */

static void json_certificates(const struct reload *r, struct json *j)
{
	const struct config *c = r->serving ? r->serving->config : NULL;
	time_t now = time(NULL);

	json_array_open(j, "certificates");
	for (size_t i = 0; c && i < c->nsites; i++) {
		time_t end = site_ends(&c->sites[i]);

		if (!end)
			continue;
		json_object_open(j, NULL);
		json_str(j, "site", str_of(site_name(&c->sites[i])));
		json_int(j, "not_after_seconds", end);
		json_int(j, "days_left", days_left(end, now));
		json_object_close(j);
	}
	json_array_close(j);
}

static void json_crls(const struct reload *r, struct json *j)
{
	const struct config *c = r->serving ? r->serving->config : NULL;
	const struct tls_crl *l;
	size_t site = 0, at = 0;

	json_array_open(j, "crls");
	while ((l = next_crl(c, &site, &at))) {
		json_object_open(j, NULL);
		json_str(j, "issuer", str_of(l->issuer));
		json_str(j, "file", str_of(l->file));
		json_int(j, "next_update_seconds", l->next_update);
		json_int(
			j, "days_left", l->next_update ? days_left(l->next_update, time(NULL)) : 0);
		json_object_close(j);
	}
	json_array_close(j);
}

static void json_draining(const struct reload *r, struct json *j)
{
	json_array_open(j, "draining");
	for (const struct generation *g = r->retired.draining; g; g = g->next) {
		json_object_open(j, NULL);
		json_uint(j, "generation", g->number);
		json_uint(j, "workers", g->pool.alive);
		json_uint(j, "live", live_of(r, g));
		json_int(j, "seconds_left", seconds_left(g));
		json_object_close(j);
	}
	json_array_close(j);
}

/* Why the certificate files on disk are not what is served; "": they are, or will be soon. */
static void json_unfit(const struct reload *r, struct json *j)
{
	char text[1024] = "";

	if (r->unfit.code)
		err_format(&r->unfit, text, sizeof(text));
	json_str(j, "renewal_error", str_of(text));
}

static void json_ktls(const struct reload *r, struct json *j)
{
	const struct config *c = r->serving ? r->serving->config : NULL;
	bool wanted = c && c->tls.ktls != TLS_KTLS_OFF;

	json_object_open(j, "ktls");
	json_bool(j, "is_wanted", wanted);
	json_bool(j, "works", wanted && c->ktls.works);
	json_str(j, "ciphers", str_of(wanted ? c->ktls.ciphers : ""));
	json_str(j, "trouble", str_of(wanted ? c->ktls.trouble : ""));
	json_object_close(j);
}

static void json_last_reload(const struct reload *r, struct json *j)
{
	char text[1024];

	json_object_open(j, "last_reload");
	json_bool(j, "is_start", is_start(r));
	json_bool(j, "is_upgrade", is_upgrade(r));
	json_str(j, "result", str_of(last_result(r)));
	json_int(j, "code", (int)r->last.code);
	json_int(j, "ended_seconds", r->last.ended);
	json_uint(j, "quarantined", r->last.quarantined);
	json_str(j, "error", str_of(last_error(r, text, sizeof(text))));
	json_object_close(j);
}

bool report_json(const struct reload *r, const struct rotation *keys, struct buf *out)
{
	struct json j;

	json_init(&j, out);
	json_object_open(&j, NULL);
	facts_write(&j, r->board, str_of(tls_library_version()), http_status_at);
	json_int(&j, "master", getpid());
	json_bool(&j, "stopping", r->ending);
	json_last_reload(r, &j);
	json_unfit(r, &j);
	rotation_json(keys, &j);
	json_ktls(r, &j);
	json_draining(r, &j);
	json_certificates(r, &j);
	json_crls(r, &j);
	json_object_close(&j);
	return json_ok(&j) && buf_append(out, "\n", 1);
}
