/* Facts -> findings. Every rule that says good or bad stands here, and nothing is printed. */
#include "client/judge.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

enum { DAY = 24 * 3600 };

static void add(struct findings *f, enum level level, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static void add(struct findings *f, enum level level, const char *key, const char *fmt, ...)
{
	struct finding *one = &f->at[f->n];
	va_list ap;

	if (f->n == JUDGE_FINDINGS_MAX)
		return;
	one->level = level;
	one->key = key;
	va_start(ap, fmt);
	vsnprintf(one->text, sizeof(one->text), fmt, ap);
	va_end(ap);
	f->n++;
}

/* A list in words: "TLS 1.2, TLS 1.3". */
struct list {
	char text[256];
	size_t n;
};

static void list_add(struct list *l, const char *prefix, const char *word)
{
	int n = snprintf(
		l->text + l->n, sizeof(l->text) - l->n, "%s%s%s", l->n ? ", " : "", prefix, word);

	if (n > 0 && l->n + (size_t)n < sizeof(l->text))
		l->n += (size_t)n;
}

static void judge_reach(const struct probe *p, struct findings *f)
{
	bool is_ours = p->reached == OUTCOME_NO_NAME || p->reached == OUTCOME_OTHER ||
		       p->reached == OUTCOME_USAGE;

	if (p->reached != OUTCOME_OK)
		add(f, is_ours ? LEVEL_UNKNOWN : LEVEL_CRITICAL, "connection", "%s", p->error);
}

static void judge_chain(const struct probe *p, struct findings *f)
{
	const struct probe_chain *c = &p->chain;

	if (c->is_trusted && c->n > 0) {
		add(f, LEVEL_OK, "chain", "trusted, by %s", c->cert[c->n - 1].subject);
		return;
	}
	for (size_t i = 0; i < c->n; i++)
		if (c->cert[i].wrong[0]) {
			add(f, LEVEL_CRITICAL, "chain", "not trusted: %s: %s", c->cert[i].subject,
				c->cert[i].wrong);
			return;
		}
	add(f, LEVEL_CRITICAL, "chain", "not trusted");
}

static void judge_identity(const struct probe *p, struct findings *f)
{
	if (p->has_identity)
		add(f, LEVEL_OK, "identity", "for %s", p->host);
	else
		add(f, LEVEL_CRITICAL, "identity", "not for %s", p->host);
}

/* When the first certificate below the anchor ends, 0: unknown; *ret_subject: whose. */
static time_t end_of_chain(const struct probe_chain *c, const char **ret_subject)
{
	time_t end = 0;

	*ret_subject = "";
	for (size_t i = 0; i < c->n; i++) {
		if ((c->cert[i].anchor && i > 0) || c->cert[i].not_after == 0)
			continue;
		if (end == 0 || c->cert[i].not_after < end) {
			end = c->cert[i].not_after;
			*ret_subject = c->cert[i].subject;
		}
	}
	return end;
}

static void judge_expiry(const struct probe *p, time_t now, int64_t warn_expiry, struct findings *f)
{
	const char *subject;
	time_t end = end_of_chain(&p->chain, &subject);
	long days = (long)((end - now) / DAY);
	struct tm tm;
	char date[32];

	if (end == 0)
		return;
	gmtime_r(&end, &tm);
	strftime(date, sizeof(date), "%Y-%m-%d %H:%M UTC", &tm);
	if (end <= now)
		add(f, LEVEL_CRITICAL, "expiry", "%s ended %ld days ago, on %s", subject, -days,
			date);
	else
		add(f, end - now < warn_expiry ? LEVEL_WARNING : LEVEL_OK, "expiry",
			"%s ends in %ld days, on %s", subject, days, date);
}

static void judge_versions(const struct probe *p, struct findings *f)
{
	struct list yes = { 0 }, no = { 0 }, unknown = { 0 };
	bool has_old =
		p->version[0].state == PROBE_ACCEPTED || p->version[1].state == PROBE_ACCEPTED;
	bool has_new =
		p->version[2].state == PROBE_ACCEPTED || p->version[3].state == PROBE_ACCEPTED;

	for (size_t i = 0; i < PROBE_VERSIONS; i++) {
		enum probe_state s = p->version[i].state;

		list_add(s == PROBE_ACCEPTED  ? &yes
			 : s == PROBE_REFUSED ? &no
					      : &unknown,
			"TLS ", p->version[i].name);
	}
	add(f,
		!has_new  ? LEVEL_CRITICAL
		: has_old ? LEVEL_WARNING
			  : LEVEL_OK,
		"protocols", "%s%s%s%s%s%s", yes.n ? yes.text : "none", no.n ? "; not " : "",
		no.text, unknown.n ? "; unknown " : "", unknown.text,
		has_old ? " (RFC 8996 retired TLS 1.0 and 1.1)" : "");
}

static bool has_word(const char *cipher, const char *word)
{
	return strstr(cipher, word) != NULL;
}

static void judge_ciphers(const struct probe *p, struct findings *f)
{
	const char *old = p->version[2].cipher;
	bool is_old = p->version[2].state == PROBE_ACCEPTED;
	bool forward = !is_old || has_word(old, "DHE");
	bool sealed =
		!is_old || has_word(old, "GCM") || has_word(old, "CHACHA") || has_word(old, "CCM");
	struct list l = { 0 };

	for (size_t i = PROBE_VERSIONS; i-- > 2;) {
		char text[128];

		if (p->version[i].state != PROBE_ACCEPTED)
			continue;
		snprintf(text, sizeof(text), "%s%s%s", p->version[i].cipher,
			p->version[i].group[0] ? " over " : "", p->version[i].group);
		list_add(&l, "", text);
	}
	if (l.n > 0)
		add(f, forward && sealed ? LEVEL_OK : LEVEL_WARNING, "cipher", "%s%s%s", l.text,
			forward ? "" : "; no forward secrecy", sealed ? "" : "; CBC");
}

static void judge_groups(const struct probe *p, struct findings *f)
{
	struct list yes = { 0 }, unknown = { 0 };

	for (size_t i = 0; i < PROBE_GROUPS; i++)
		if (p->group[i].state != PROBE_REFUSED && p->group[i].name)
			list_add(p->group[i].state == PROBE_ACCEPTED ? &yes : &unknown, "",
				p->group[i].name);
	if (yes.n > 0)
		add(f, LEVEL_OK, "groups", "%s%s%s", yes.text, unknown.n ? "; unknown " : "",
			unknown.text);
}

/* In words, and whether it works for some connections and not for others. */
static bool describe_resumption(const struct probe_resumption *r, struct list *l)
{
	char text[128];
	bool is_partial = r->resumed > 0 && r->resumed < r->connections;

	snprintf(text, sizeof(text), "TLS %s %u of %u%s", r->version, r->resumed, r->connections,
		is_partial && r->resumed == r->offered ? " (no new ticket with each resumption)"
		: is_partial                           ? " (its processes do not share their keys)"
						       : "");
	list_add(l, "", text);
	return is_partial;
}

static void judge_resumption(const struct probe *p, struct findings *f)
{
	bool is_partial = false;
	struct list l = { 0 };

	for (size_t i = PROBE_RESUMPTIONS; i-- > 0;)
		if (p->resumption[i].connections > 0)
			is_partial |= describe_resumption(&p->resumption[i], &l);
	if (l.n > 0)
		add(f, is_partial ? LEVEL_WARNING : LEVEL_OK, "resumption", "%s", l.text);
}

static void judge_closure(const struct probe *p, struct findings *f)
{
	static const char *const words[CLOSURE_COUNT] = {
		[CLOSURE_CLEAN] = "with close_notify",
		[CLOSURE_TRUNCATED] = "without close_notify: an answer that was cut cannot always "
				      "be told from a whole one",
		[CLOSURE_RESET] = "reset instead of close_notify",
		[CLOSURE_TIMEOUT] = "not closed in time, though it was asked to",
	};

	if (p->asked == OUTCOME_OK && words[p->closure])
		add(f, p->closure == CLOSURE_CLEAN ? LEVEL_OK : LEVEL_WARNING, "closure", "%s",
			words[p->closure]);
}

static void judge_http(const struct probe *p, struct findings *f)
{
	if (p->asked != OUTCOME_OK)
		add(f, LEVEL_CRITICAL, "http", "no answer to HEAD: %s", p->asked_error);
	else
		add(f, p->status >= 500 ? LEVEL_WARNING : LEVEL_OK, "http", "%s%s, status %d",
			p->has_h2 ? "HTTP/2, " : "", p->protocol, p->status);
}

/* The number of "max-age=N", perhaps quoted; RFC 6797 section 6.1. */
static bool parse_max_age(struct str hsts, uint64_t *ret)
{
	while (hsts.n > 0) {
		size_t end = str_find(hsts, ';', 0);
		struct str part = str_trim((struct str){ hsts.p, end });
		size_t equals = str_find(part, '=', 0);
		struct str value = { part.p + equals, part.n - equals };

		if (str_case_eq(str_trim((struct str){ part.p, equals }), STR("max-age")) &&
			value.n > 1) {
			value = str_trim((struct str){ value.p + 1, value.n - 1 });
			if (value.n > 1 && value.p[0] == '"')
				value = (struct str){ value.p + 1, value.n - 2 };
			return str_parse_u64(value, ret);
		}
		end += end < hsts.n;
		hsts = (struct str){ hsts.p + end, hsts.n - end };
	}
	return false;
}

static void judge_hsts(const struct probe *p, struct findings *f)
{
	uint64_t seconds = 0;

	if (p->asked != OUTCOME_OK)
		return;
	if (!p->has_hsts)
		add(f, LEVEL_OK, "hsts", "none");
	else if (!parse_max_age(str_of(p->hsts), &seconds))
		add(f, LEVEL_WARNING, "hsts", "malformed: %s", p->hsts);
	else
		add(f, LEVEL_OK, "hsts", "for %" PRIu64 " days: %s", seconds / DAY, p->hsts);
}

void judge_all(const struct probe *p, time_t now, int64_t warn_expiry, struct findings *ret)
{
	ret->n = 0;
	judge_reach(p, ret);
	if (p->reached == OUTCOME_HANDSHAKE)
		judge_versions(p, ret);
	if (p->reached != OUTCOME_OK)
		return;
	judge_chain(p, ret);
	judge_identity(p, ret);
	judge_expiry(p, now, warn_expiry, ret);
	judge_versions(p, ret);
	judge_ciphers(p, ret);
	judge_groups(p, ret);
	judge_resumption(p, ret);
	judge_closure(p, ret);
	judge_http(p, ret);
	judge_hsts(p, ret);
}

enum level judge_worse(enum level a, enum level b)
{
	static const int rank[] = {
		[LEVEL_OK] = 0, [LEVEL_WARNING] = 1, [LEVEL_UNKNOWN] = 2, [LEVEL_CRITICAL] = 3
	};

	return rank[a] >= rank[b] ? a : b;
}

enum level judge_worst(const struct findings *f)
{
	enum level worst = LEVEL_OK;

	for (size_t i = 0; i < f->n; i++)
		worst = judge_worse(worst, f->at[i].level);
	return worst;
}

const char *judge_level_name(enum level level)
{
	static const char *const names[] = { "ok", "warning", "critical", "unknown" };

	return names[level];
}
