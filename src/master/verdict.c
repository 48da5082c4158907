/* Words about transactions. Refuses to decide anything: that is master/reload's. */
#include "master/verdict.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "master/events.h"

void verdict_init(struct verdict *v)
{
	*v = (struct verdict){ 0 };
	buf_init(&v->changes, VERDICT_CHANGES_MAX);
}

void verdict_done(struct verdict *v)
{
	findings_done(&v->findings);
	buf_done(&v->changes);
}

void verdict_begin(struct verdict *v)
{
	findings_done(&v->findings);
	buf_clear(&v->changes);
	v->text[0] = '\0';
	v->quarantined = 0;
	v->ended = 0;
	v->begun_us = clock_us_now();
}

void verdict_log_findings(const struct findings *f)
{
	for (size_t i = 0; i < f->n; i++)
		log_err(f->v[i].is_error ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, &f->v[i].err);
}

void verdict_log_commit(
	struct verdict *v, const struct generation *g, const struct generation *old, size_t closed)
{
	int64_t ms = (clock_us_now() - v->begun_us) / 1000;
	char number[LOG_NUMBER_SIZE], took[LOG_NUMBER_SIZE], quarantined[LOG_NUMBER_SIZE];
	const struct log_field fields[] = {
		log_number("GENERATION", g->number, number),
		log_number("TOOK_MS", ms, took),
		log_number("QUARANTINED", v->quarantined, quarantined),
	};

	snprintf(v->text, sizeof(v->text),
		"generation %u serves after %lld ms: %u workers, %zu sites, %zu listeners "
		"(%zu opened, %zu closed)",
		g->number, (long long)ms, g->pool.o.n, g->config->nsites, g->config->nlisteners,
		g->opened, closed);
	if (v->quarantined)
		log_event(LOG_LEVEL_ERROR, EVENT_QUARANTINED, fields, 3,
			"generation %u is quarantined; the configuration before it is back: %s",
			v->quarantined, v->text);
	else
		log_event(LOG_LEVEL_NOTICE, old ? EVENT_RELOAD_COMMITTED : EVENT_STARTED, fields, 2,
			"%s%s", v->text, old ? "; the one before drains" : "");
}

void verdict_log_rejection(const struct verdict *v, const struct generation *g)
{
	const struct err *first = findings_first(&v->findings);
	char number[LOG_NUMBER_SIZE], code[LOG_NUMBER_SIZE], text[1024] = "";
	const struct log_field fields[] = {
		log_number("GENERATION", g->number, number),
		log_number("CODE", v->code, code),
		{ "ERROR", str_of(first ? err_format(first, text, sizeof(text)) : text) },
	};

	log_event(LOG_LEVEL_ERROR, EVENT_RELOAD_REJECTED, fields, 3,
		v->quarantined ? "generation %u serves on: the one before cannot come back"
			       : "the reload failed; generation %u serves on, unchanged",
		g->number);
}
