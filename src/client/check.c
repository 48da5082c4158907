/* A run of `latch check`: probe, judge, draw, one URL after the other. */
#include "client/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/dossier.h"
#include "client/draw.h"
#include "client/place.h"
#include "client/report.h"
#include "client/trust.h"
#include "tls/context.h"
#include "tls/resume.h"

static enum level fail(const char *subject, const struct err *e)
{
	struct report report = { .fd = STDERR_FILENO };
	char text[1024];

	report_error(&report, subject, err_format(e, text, sizeof(text)));
	return LEVEL_UNKNOWN;
}

static enum level print(const struct buf *text)
{
	struct str s = buf_str(text);
	struct err e;

	if (fwrite(s.p, 1, s.n, stdout) == s.n && fflush(stdout) == 0)
		return LEVEL_OK;
	err_set(&e, ERR_SYSTEM, "cannot write standard output");
	return fail(NULL, &e);
}

static enum level tell(
	const struct options *o, const struct probe *p, const struct findings *f, const char *url)
{
	enum level level = judge_worst(f);
	struct buf text;
	bool ok;

	buf_init(&text, 0);
	ok = o->json ? dossier_write(p, f, url, &text)
		     : draw_report(p, f, url, draw_style_of(STDOUT_FILENO), &text);
	level = judge_worse(level, ok ? print(&text) : LEVEL_UNKNOWN);
	buf_done(&text);
	return level;
}

static enum level check_one(const struct options *o, const char *url, struct ssl_ctx_st *ctx)
{
	struct probe *p = calloc(1, sizeof(*p));
	struct findings findings;
	enum level level = LEVEL_UNKNOWN;
	struct err e = { 0 };
	struct place place;

	if (place_parse(url, false, &place, &e) < 0 || !p) {
		level = fail(url, &e);
	} else if (!place.url.tls) {
		err_set(&e, ERR_USAGE, "there is no TLS to check: expected https");
		level = fail(url, &e);
	} else {
		probe_run(p, o, &place, ctx);
		judge_all(p, time(NULL), o->warn_expiry_ms / 1000, &findings);
		level = tell(o, p, &findings, url);
	}
	place_done(&place);
	free(p);
	return level;
}

enum level check_run(const struct options *o)
{
	struct resume *resume = resume_new();
	struct err e = { 0 };
	struct ssl_ctx_st *ctx = trust_context(o, TLS_VERIFY_AFTER, "http/1.1", resume, &e);
	enum level worst = LEVEL_OK;

	if (!ctx || !resume)
		worst = fail(NULL, &e);
	for (size_t i = 0; ctx && resume && i < o->urls.n; i++)
		worst = judge_worse(worst, check_one(o, o->urls.text[i], ctx));
	tls_context_free(ctx);
	resume_free(resume);
	return worst;
}
