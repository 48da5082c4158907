/* A whole run of latch: reads the URLs, makes what fetches share, fetches one after the other. The
 * first failure counts.
 *
 * Knows neither argv nor exit(2); that is latch.c. */
#include "client/run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/follow.h"
#include "client/place.h"
#include "client/partial.h"
#include "client/record.h"
#include "client/trust.h"
#include "tls/context.h"
#include "tls/resume.h"

enum { DATA_MAX = 1 << 30, READ_STEP = 64 * 1024 };

struct run {
	const struct options *options;
	struct place *places; /* one a URL */
	struct buf data;      /* of -d */
	struct resume *resume;
	struct ssl_ctx_st *ctx;
	struct output output;
	struct progress progress;
	struct report report;
	unsigned connections, resumed; /* of those after the first to a URL */
};

/* All URLs are read before the first one is fetched. */
static enum outcome parse_urls(struct run *run, bool *ret_tls)
{
	const struct options *o = run->options;
	struct err e = { 0 };

	run->places = calloc(o->urls.n, sizeof(*run->places));
	if (!run->places) {
		report_error(&run->report, NULL, "out of memory");
		return OUTCOME_OTHER;
	}
	for (size_t i = 0; i < o->urls.n; i++) {
		if (place_parse(o->urls.text[i], o->remote_name, &run->places[i], &e) < 0) {
			report_error(&run->report, o->urls.text[i], e.text);
			return OUTCOME_USAGE;
		}
		*ret_tls = *ret_tls || run->places[i].url.tls;
	}
	return OUTCOME_OK;
}

static int read_all(int fd, struct buf *b)
{
	ssize_t n = 1;

	while (n != 0) {
		char *p = buf_reserve(b, READ_STEP);

		if (!p) {
			errno = EFBIG;
			return -1;
		}
		n = read(fd, p, READ_STEP);
		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0)
			buf_commit(b, (size_t)n);
	}
	return 0;
}

/* "@FILE", "@-" for standard input, or the content itself. */
static enum outcome read_data(struct run *run)
{
	const char *data = run->options->data;
	bool is_stdin = data && strcmp(data, "@-") == 0;
	char text[512];
	int fd, rc;

	buf_init(&run->data, DATA_MAX);
	if (!data)
		return OUTCOME_OK;
	if (data[0] != '@')
		return buf_append_str(&run->data, str_of(data)) ? OUTCOME_OK : OUTCOME_OTHER;
	fd = is_stdin ? STDIN_FILENO : open(data + 1, O_RDONLY | O_CLOEXEC);
	rc = fd < 0 ? -1 : read_all(fd, &run->data);
	if (rc < 0) {
		snprintf(text, sizeof(text), "cannot be read: %s", strerror(errno));
		report_error(&run->report, is_stdin ? "standard input" : data + 1, text);
	}
	if (fd >= 0 && !is_stdin)
		close(fd);
	return rc < 0 ? OUTCOME_USAGE : OUTCOME_OK;
}

static const char *alpn_of(const struct options *o)
{
	static const char *const names[] = {
		[OPTIONS_HTTP_ANY] = OPTIONS_HAS_HTTP2 ? "h2 http/1.1" : "http/1.1",
		[OPTIONS_HTTP1] = "http/1.1",
		[OPTIONS_HTTP2] = "h2",
	};

	return names[o->http];
}

static enum outcome make_context(struct run *run)
{
	const struct options *o = run->options;
	enum tls_verify verify = o->insecure                         ? TLS_VERIFY_NONE
				 : o->verify == OPTIONS_VERIFY_AFTER ? TLS_VERIFY_AFTER
								     : TLS_VERIFY_HANDSHAKE;
	struct err e = { 0 };
	char text[1024];

	run->ctx = trust_context(o, verify, alpn_of(o), run->resume, &e);
	if (!run->ctx) {
		report_error(&run->report, NULL, err_format(&e, text, sizeof(text)));
		return OUTCOME_OTHER;
	}
	if (o->insecure && !o->json)
		report_error(&run->report, NULL,
			"warning: -k: the certificate is not verified; "
			"anybody on the way may read and change everything");
	return OUTCOME_OK;
}

static bool wants_progress(const struct run *run)
{
	const struct options *o = run->options;

	if (o->progress != OPTIONS_PROGRESS_AUTO)
		return o->progress == OPTIONS_PROGRESS_ON;
	return !o->quiet && !o->json && isatty(STDERR_FILENO) && output_is_file(&run->output);
}

/* What the options ask for, before any redirect. */
static struct ask first_ask(const struct run *run, const struct url *url)
{
	const struct options *o = run->options;

	return (struct ask){
		.url = url,
		.method = o->method      ? str_of(o->method)
			  : o->head_only ? STR("HEAD")
			  : o->data      ? STR("POST")
					 : STR("GET"),
		.has_content = o->data != NULL,
		.content = buf_str(&run->data),
		.fields = &o->fields,
	};
}

static void tell_record(struct run *run, const char *text, enum outcome r, unsigned redirects,
	const struct fetch_result *result, const struct err *e)
{
	const struct record record = { text, r, e->text, redirects, result,
		run->options->insecure };
	struct buf line;

	buf_init(&line, 0);
	if (run->options->json && record_write(&record, &line))
		report_record(&run->report, &line);
	buf_done(&line);
}

static enum outcome fetch_once(struct run *run, size_t i, bool again)
{
	const char *text = run->options->urls.text[i];
	const struct fetch_env env = {
		.options = run->options,
		.ctx = run->ctx,
		.output = &run->output,
		.report = &run->report,
		.progress = &run->progress,
		.discard = again,
	};
	struct ask ask = first_ask(run, &run->places[i].url);
	struct fetch_result result;
	struct partial partial;
	unsigned redirects = 0;
	struct err e = { 0 };
	enum outcome r;

	fetch_result_init(&result);
	run->report.silent = run->options->json; /* the record tells */
	if (run->options->resume && partial_load(run->output.path, &partial)) {
		ask.from = partial.size;
		ask.if_range = str_of(partial.validator);
	}
	r = follow_run(&env, &ask, text, &result, &redirects, &e);
	if (r != OUTCOME_OK)
		report_error(&run->report, text, e.text);
	run->report.silent = false;
	tell_record(run, text, r, redirects, &result, &e);
	run->connections += again && result.is_tls;
	run->resumed += again && result.resumed;
	fetch_result_done(&result);
	return r;
}

static enum outcome close_output(struct run *run, enum outcome r)
{
	struct err e = { 0 };

	if (output_close(&run->output, &e) == 0 || r != OUTCOME_OK)
		return r;
	report_error(&run->report, NULL, e.text);
	return OUTCOME_OUTPUT;
}

/* One URL, --repeat times. */
static enum outcome fetch_url(struct run *run, size_t i)
{
	unsigned times = run->options->repeat ? run->options->repeat : 1;
	enum outcome first = OUTCOME_OK;

	if (run->options->remote_name)
		output_init(&run->output, run->places[i].file);
	for (unsigned n = 0; n < times; n++) {
		enum outcome r = fetch_once(run, i, n > 0);

		first = first == OUTCOME_OK ? r : first;
		if (r == OUTCOME_OUTPUT)
			break;
	}
	if (run->options->remote_name)
		first = close_output(run, first);
	return first;
}

static enum outcome fetch_all(struct run *run)
{
	enum outcome first = OUTCOME_OK;

	for (size_t i = 0; i < run->options->urls.n; i++) {
		enum outcome r = fetch_url(run, i);

		first = first == OUTCOME_OK ? r : first;
		if (r == OUTCOME_OUTPUT)
			break;
	}
	if (run->connections > 0 && !run->options->json)
		report_note(&run->report, "resumed %u of the %u connections after the first",
			run->resumed, run->connections);
	return first;
}

static enum outcome run_urls(struct run *run)
{
	enum outcome r;
	bool tls = false;

	r = parse_urls(run, &tls);
	if (r == OUTCOME_OK)
		r = read_data(run);
	/* a redirect may lead from http to https */
	if (r == OUTCOME_OK && (tls || run->options->follow))
		r = make_context(run);
	if (r != OUTCOME_OK)
		return r;
	progress_init(&run->progress, wants_progress(run) ? STDERR_FILENO : -1);
	return close_output(run, fetch_all(run));
}

enum outcome run_options(const struct options *o)
{
	struct run run = {
		.options = o,
		.report = { .fd = STDERR_FILENO, .verbose = o->verbose, .quiet = o->quiet },
		.resume = resume_new(),
	};
	enum outcome r;

	progress_init(&run.progress, -1);
	run.report.progress = &run.progress;
	output_init(&run.output, o->output);
	r = run_urls(&run);
	tls_context_free(run.ctx);
	resume_free(run.resume);
	for (size_t i = 0; run.places && i < o->urls.n; i++)
		place_done(&run.places[i]);
	free(run.places);
	buf_done(&run.data);
	return r;
}
