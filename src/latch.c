/* latch: argv -> client. The exit code is the outcome, by the table in client/outcome.def, and of
 * `latch check` the level.
 *
 * Holds no knowledge of HTTP or TLS; that is src/client and below. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "client/check.h"
#include "client/report.h"
#include "client/run.h"

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
		ok = options_usage(o, &text);
	else
		ok = buf_append_str(&text, STR("latch " LATCH_VERSION "\n"));
	if (ok)
		r = print(&text);
	buf_done(&text);
	return r;
}

int main(int argc, char **argv)
{
	struct report report = { .fd = STDERR_FILENO };
	struct options options;
	struct err e = { 0 };
	int r;

	if (hold_standard_descriptors() < 0)
		return OUTCOME_OTHER;
	ignore_sigpipe();
	if (options_parse(&options, argc, argv, &e) < 0) {
		report_error(&report, NULL, e.text);
		r = options.is_check      ? (int)LEVEL_UNKNOWN
		    : e.code == ERR_USAGE ? (int)OUTCOME_USAGE
					  : (int)OUTCOME_OTHER;
	} else if (options.help || options.version) {
		r = print_help_or_version(&options);
	} else if (options.is_check) {
		r = (int)check_run(&options);
	} else {
		r = (int)run_options(&options);
	}
	options_done(&options);
	return r;
}
