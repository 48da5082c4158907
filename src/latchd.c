/* latchd: argv -> what to do. Runs the master, or checks, prints or explains a configuration.
 *
 * Holds no knowledge of either; it is the one place that knows master and worker, and hands the one
 * to the other. */
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "client/ctl.h"
#include "config/check.h"
#include "config/handshakes.h"
#include "config/open.h"
#include "config/print.h"
#include "config/read.h"
#include "master/master.h"
#include "master/proof.h"
#include "tls/context.h"
#include "worker/worker.h"

#ifndef LATCH_VERSION
#define LATCH_VERSION "unknown"
#endif
#ifndef SYSCONFDIR
#define SYSCONFDIR "/etc"
#endif

#define DEFAULT_CONFIG SYSCONFDIR "/latchd/latchd.conf"
enum { DEFAULT_PORT = 8443 };

enum action {
	ACTION_RUN,
	ACTION_REHEARSE,
	ACTION_TEST,
	ACTION_PRINT,
	ACTION_EXPLAIN,
	ACTION_VERSION,
	ACTION_HELP
};

struct command {
	enum action action;
	const char *config_path; /* NULL: not given */
	const char *key;         /* of --explain; NULL: all */
	const char *serve_dir;
	unsigned serve_port;
	bool port_is_set;
};

static const char help[] =
	"usage: latchd [-c FILE]                run in the foreground\n"
	"       latchd -t [-c FILE]             check the configuration, and what it names\n"
	"       latchd -T [-c FILE]             print the effective configuration\n"
	"       latchd --explain [KEY]          what a directive means; all without KEY\n"
	"       latchd --serve DIR [--port N]   serve DIR on https://localhost:8443\n"
	"       latchd ctl reload|status|stop|reopen-logs|upgrade\n"
	"                                       talk to the running master\n"
	"       latchd -V | -h                  version, this help\n"
	"\n"
	"  -c, --config FILE   default " DEFAULT_CONFIG "\n"
	"  -t, --test\n"
	"  -T, --print\n"
	"  -V, --version\n"
	"  -h, --help\n"
	"\n"
	"See latchd(8) and latchd.conf(5).\n";

static int usage(const char *problem, const char *what)
{
	if (problem)
		fprintf(stderr, "latchd: %s%s%s\n", problem, what ? " " : "", what ? what : "");
	fprintf(stderr, "latchd: `latchd --help' shows what there is\n");
	return ERR_USAGE;
}

enum { OPTION_EXPLAIN = 256, OPTION_SERVE, OPTION_PORT, OPTION_REHEARSE };

static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "test", no_argument, NULL, 't' },
	{ "print", no_argument, NULL, 'T' },
	{ "explain", optional_argument, NULL, OPTION_EXPLAIN },
	{ "serve", required_argument, NULL, OPTION_SERVE },
	{ "port", required_argument, NULL, OPTION_PORT },
	{ "rehearse", no_argument, NULL, OPTION_REHEARSE },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

/* Options that say what to do instead of running; one of them at most. */
static const struct {
	int option;
	enum action action;
} actions[] = {
	{ 't', ACTION_TEST },
	{ 'T', ACTION_PRINT },
	{ OPTION_REHEARSE, ACTION_REHEARSE },
	{ OPTION_EXPLAIN, ACTION_EXPLAIN },
	{ 'V', ACTION_VERSION },
	{ 'h', ACTION_HELP },
};

static int set_action(struct command *c, int option)
{
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (actions[i].option != option)
			continue;
		if (c->action != ACTION_RUN && c->action != actions[i].action)
			return usage("only one thing at a time", NULL);
		c->action = actions[i].action;
		return 0;
	}
	return usage(NULL, NULL); /* getopt_long() said what is wrong */
}

static int parse_option(struct command *c, int option)
{
	uint64_t port;

	switch (option) {
	case 'c':
		c->config_path = optarg;
		return 0;
	case OPTION_SERVE:
		c->serve_dir = optarg;
		return 0;
	case OPTION_PORT:
		if (!str_parse_u64(str_of(optarg), &port) || port > 65535)
			return usage("a port is a number up to 65535, not", optarg);
		c->serve_port = (unsigned)port;
		c->port_is_set = true;
		return 0;
	case OPTION_EXPLAIN:
		c->key = optarg;
		return set_action(c, option);
	default:
		return set_action(c, option);
	}
}

/* 0, or the exit code after a word on standard error. */
static int parse_command(int argc, char **argv, struct command *c)
{
	int option, code;

	while ((option = getopt_long(argc, argv, "c:tTVh", options, NULL)) != -1) {
		code = parse_option(c, option);
		if (code)
			return code;
	}
	if (c->action == ACTION_EXPLAIN && !c->key && optind < argc)
		c->key = argv[optind++];
	if (optind < argc)
		return usage("unexpected argument", argv[optind]);
	if (c->serve_dir && (c->config_path || c->action != ACTION_RUN))
		return usage("--serve takes no configuration", NULL);
	if (c->port_is_set && !c->serve_dir)
		return usage("--port belongs to --serve", NULL);
	if (!c->config_path)
		c->config_path = DEFAULT_CONFIG;
	return 0;
}

static int report(struct findings *f)
{
	char line[1024];
	int code = findings_code(f);

	for (size_t i = 0; i < f->n; i++) {
		if (!f->v[i].is_error)
			err_wrap(&f->v[i].err, "warning");
		fprintf(stderr, "%s\n", err_format(&f->v[i].err, line, sizeof(line)));
	}
	findings_done(f);
	return code;
}

static int test(const struct command *c)
{
	struct findings f = { 0 };

	struct config *config = config_prepare(c->config_path, CONFIG_OPEN_TEST, NULL, &f);

	if (config)
		config_handshakes(config, NULL, &f);
	config_free(config);
	return report(&f);
}

static int finish_output(int code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	perror("latchd: cannot write");
	return ERR_SYSTEM;
}

static int print(const struct command *c)
{
	struct findings f = { 0 };
	struct config *config = config_load(c->config_path, &f);

	if (config)
		config_check(config, &f);
	if (config && f.errors == 0)
		config_print(config, stdout);
	config_free(config);
	findings_sort(&f);
	return finish_output(report(&f));
}

static int explain(const struct command *c)
{
	const char *nearest = NULL;

	if (config_explain(c->key, stdout, &nearest) == 0)
		return finish_output(0);
	fprintf(stderr, "latchd: there is no directive \"%s\"", c->key);
	if (nearest)
		fprintf(stderr, "; \"%s\" is the nearest", nearest);
	fprintf(stderr, "\n");
	return ERR_USAGE;
}

static int run(const struct command *c, char *const *argv)
{
	struct master_options o = {
		.config_path = c->serve_dir ? NULL : c->config_path,
		.serve_dir = c->serve_dir,
		.serve_port = c->port_is_set ? c->serve_port : DEFAULT_PORT,
		.worker = worker_main,
		.argv = argv,
	};

	return c->action == ACTION_REHEARSE ? proof_run(&o) : master_run(&o);
}

/* No socket and no log may become a standard descriptor. */
static int hold_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return -1;
	return 0;
}

int main(int argc, char **argv)
{
	struct command c = { 0 };
	int code;

	if (argc > 1 && !strcmp(argv[1], "ctl"))
		return hold_standard_descriptors() < 0 ? ERR_SYSTEM : ctl_main(argc - 1, argv + 1);
	code = parse_command(argc, argv, &c);
	if (code)
		return code;
	if (hold_standard_descriptors() < 0)
		return ERR_SYSTEM;
	switch (c.action) {
	case ACTION_TEST:
		return test(&c);
	case ACTION_PRINT:
		return print(&c);
	case ACTION_EXPLAIN:
		return explain(&c);
	case ACTION_VERSION:
		printf("latchd %s%s\n", LATCH_VERSION,
			tls_keylog_is_built_in() ? ", writes TLS key logs if $SSLKEYLOGFILE says so"
						 : "");
		return finish_output(0);
	case ACTION_HELP:
		fputs(help, stdout);
		return finish_output(0);
	case ACTION_RUN:
	case ACTION_REHEARSE:
		break;
	}
	return run(&c, argv);
}
