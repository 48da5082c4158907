/* latch: argv -> client. Fetches each URL in turn; the exit code is that of the first failure, by
 * the table in client/outcome.def.
 *
 * Holds no knowledge of HTTP or TLS; that is src/client and below. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "client/fetch.h"
#include "tls/context.h"

/* Everything of one run; what main() frees. */
struct run {
	struct options options;
	struct url *urls;
	struct ssl_ctx_st *ctx;
	struct output output;
	struct progress progress;
	struct report report;
};

/* No socket and no file may become a standard descriptor. The stand-in for a closed standard output
 * cannot be written, so that content without a place to go is an error. */
static int hold_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) != fd)
			return -1;
	return 0;
}

static void ignore_sigpipe(void)
{
	struct sigaction sa = { .sa_handler = SIG_IGN };

	sigaction(SIGPIPE, &sa, NULL);
}

static int print(const struct buf *text)
{
	struct str s = buf_str(text);

	if (fwrite(s.p, 1, s.n, stdout) != s.n || fflush(stdout) != 0)
		return OUTCOME_OUTPUT;
	return OUTCOME_OK;
}

static int print_help_or_version(const struct options *o)
{
	struct buf text;
	int r = OUTCOME_OTHER;
	bool ok;

	buf_init(&text, 0);
	if (o->help)
		ok = options_usage(&text);
	else
		ok = buf_append_str(&text, STR("latch " LATCH_VERSION "\n"));
	if (ok)
		r = print(&text);
	buf_done(&text);
	return r;
}

/* All URLs are read before the first one is fetched. */
static enum outcome parse_urls(struct run *run, bool *ret_tls)
{
	const struct options *o = &run->options;
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
		.ca = run->options.ca,
		.verify = run->options.insecure ? TLS_VERIFY_NONE : TLS_VERIFY_HANDSHAKE,
	};
	struct err e = { 0 };
	char text[1024];

	run->ctx = tls_context_new_client(&co, &e);
	if (!run->ctx) {
		report_error(&run->report, NULL, err_format(&e, text, sizeof(text)));
		return OUTCOME_OTHER;
	}
	if (run->options.insecure)
		report_error(&run->report, NULL,
			"warning: -k: the certificate is not verified; "
			"anybody on the way may read and change everything");
	return OUTCOME_OK;
}

static bool wants_progress(const struct run *run)
{
	if (run->options.progress != OPTIONS_PROGRESS_AUTO)
		return run->options.progress == OPTIONS_PROGRESS_ON;
	return !run->options.quiet && isatty(STDERR_FILENO) && output_is_file(&run->output);
}

static enum outcome fetch_all(struct run *run)
{
	const struct fetch_env env = {
		.options = &run->options,
		.ctx = run->ctx,
		.output = &run->output,
		.report = &run->report,
		.progress = &run->progress,
	};
	enum outcome first = OUTCOME_OK;

	for (size_t i = 0; i < run->options.nurls; i++) {
		struct err e = { 0 };
		enum outcome r = fetch_run(&env, &run->urls[i], run->options.urls[i], &e);

		if (r == OUTCOME_OK)
			continue;
		report_error(&run->report, run->options.urls[i], e.text);
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

int main(int argc, char **argv)
{
	struct run run = { .report = { .fd = STDERR_FILENO }, .progress = { .fd = -1 } };
	struct err e = { 0 };
	int r;

	if (hold_standard_descriptors() < 0)
		return OUTCOME_OTHER;
	ignore_sigpipe();
	run.report.progress = &run.progress;
	r = options_parse(&run.options, argc, argv, &e);
	if (r < 0) {
		report_error(&run.report, NULL, e.text);
		r = e.code == ERR_USAGE ? OUTCOME_USAGE : OUTCOME_OTHER;
		goto out;
	}
	if (run.options.help || run.options.version) {
		r = print_help_or_version(&run.options);
		goto out;
	}
	run.report.verbose = run.options.verbose;
	run.report.quiet = run.options.quiet;
	output_init(&run.output, run.options.output);
	r = (int)run_urls(&run);
out:
	tls_context_free(run.ctx);
	free(run.urls);
	options_done(&run.options);
	return r;
}
