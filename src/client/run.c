/* A whole run of latch: reads the URLs, makes what fetches share, fetches one after the other. The
 * first failure counts.
 *
 * Knows neither argv nor exit(2); that is latch.c. */
#include "client/run.h"

#include <stdlib.h>
#include <unistd.h>

#include "client/fetch.h"
#include "tls/context.h"

struct run {
	const struct options *options;
	struct url *urls;
	struct ssl_ctx_st *ctx;
	struct output output;
	struct progress progress;
	struct report report;
};

/* All URLs are read before the first one is fetched. */
static enum outcome parse_urls(struct run *run, bool *ret_tls)
{
	const struct options *o = run->options;
	const char *why = "";

	run->urls = calloc(o->nurls, sizeof(*run->urls));
	if (!run->urls) {
		report_error(&run->report, NULL, "out of memory");
		return OUTCOME_OTHER;
	}
	for (size_t i = 0; i < o->nurls; i++) {
		if (uri_parse_url(str_of(o->urls[i]), &run->urls[i], &why) < 0) {
			report_error(&run->report, o->urls[i], why);
			return OUTCOME_USAGE;
		}
		*ret_tls = *ret_tls || run->urls[i].tls;
	}
	return OUTCOME_OK;
}

static enum outcome make_context(struct run *run)
{
	const struct tls_client_options co = {
		.ca = run->options->ca,
		.verify = run->options->insecure ? TLS_VERIFY_NONE : TLS_VERIFY_HANDSHAKE,
	};
	struct err e = { 0 };
	char text[1024];

	run->ctx = tls_context_new_client(&co, &e);
	if (!run->ctx) {
		report_error(&run->report, NULL, err_format(&e, text, sizeof(text)));
		return OUTCOME_OTHER;
	}
	if (run->options->insecure)
		report_error(&run->report, NULL,
			"warning: -k: the certificate is not verified; "
			"anybody on the way may read and change everything");
	return OUTCOME_OK;
}

static bool wants_progress(const struct run *run)
{
	if (run->options->progress != OPTIONS_PROGRESS_AUTO)
		return run->options->progress == OPTIONS_PROGRESS_ON;
	return !run->options->quiet && isatty(STDERR_FILENO) && output_is_file(&run->output);
}

static enum outcome fetch_all(struct run *run)
{
	const struct fetch_env env = {
		.options = run->options,
		.ctx = run->ctx,
		.output = &run->output,
		.report = &run->report,
		.progress = &run->progress,
	};
	enum outcome first = OUTCOME_OK;

	for (size_t i = 0; i < run->options->nurls; i++) {
		struct err e = { 0 };
		enum outcome r = fetch_run(&env, &run->urls[i], run->options->urls[i], &e);

		if (r == OUTCOME_OK)
			continue;
		report_error(&run->report, run->options->urls[i], e.text);
		first = first == OUTCOME_OK ? r : first;
		if (r == OUTCOME_OUTPUT)
			break;
	}
	return first;
}

static enum outcome run_urls(struct run *run)
{
	enum outcome r, closed = OUTCOME_OK;
	struct err e = { 0 };
	bool tls = false;

	r = parse_urls(run, &tls);
	if (r == OUTCOME_OK && tls)
		r = make_context(run);
	if (r != OUTCOME_OK)
		return r;
	progress_init(&run->progress, wants_progress(run) ? STDERR_FILENO : -1);
	r = fetch_all(run);
	if (output_close(&run->output, &e) < 0)
		closed = OUTCOME_OUTPUT;
	if (closed != OUTCOME_OK && r == OUTCOME_OK)
		report_error(&run->report, NULL, e.text);
	return r != OUTCOME_OK ? r : closed;
}

enum outcome run_options(const struct options *o)
{
	struct run run = {
		.options = o,
		.report = { .fd = STDERR_FILENO, .verbose = o->verbose, .quiet = o->quiet },
	};
	enum outcome r;

	progress_init(&run.progress, -1);
	run.report.progress = &run.progress;
	output_init(&run.output, o->output);
	r = run_urls(&run);
	tls_context_free(run.ctx);
	free(run.urls);
	return r;
}
