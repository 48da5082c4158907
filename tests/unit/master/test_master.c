/* A whole master in a process of its own: what signals do, what the service manager hears, with
 * which status it ends. */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "master/master.h"
#include "toy.h"

enum { PATIENCE_MS = 20000 };

static char directory[] = "/tmp/latchd-test-XXXXXX";
static char config_path[64];
static int manager = -1, output[2];
static pid_t master;
static struct master_options options;

static void configure(const char *extra)
{
	FILE *f = fopen(config_path, "w");

	cr_assert_not_null(f);
	fprintf(f,
		"workers = 2;\n%s\nlog = { level = \"error\"; };\n%s\n"
		"listeners = ( { name = \"a\"; address = \"127.0.0.1:0\"; tls = false; } );\n"
		"sites = ( { names = [ \"*\" ];\n"
		"routes = ( { path = \"/\"; files = { root = \"%s\"; }; } ); } );\n",
		geteuid() == 0 ? "user = \"root\"; group = \"root\";" : "", extra, directory);
	cr_assert_eq(fclose(f), 0);
}

static void listen_as_manager(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char name[64];
	int n = snprintf(name, sizeof(name), "@latchd-master-test-%d", (int)getpid());

	memcpy(a.sun_path + 1, name + 1, (size_t)n - 1);
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(manager, (struct sockaddr *)&a,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n)),
		0);
	setenv("NOTIFY_SOCKET", name, 1);
}

static void setup(void)
{
	toy_setup();
	cr_assert_not_null(mkdtemp(directory));
	snprintf(config_path, sizeof(config_path), "%s/latchd.conf", directory);
	configure("");
	listen_as_manager();
	cr_assert_eq(pipe(output), 0);
	options = (struct master_options){ .config_path = config_path, .worker = toy_worker };
}

static void teardown(void)
{
	unlink(config_path);
	rmdir(directory);
}

TestSuite(master, .init = setup, .fini = teardown, .timeout = 60);

static void start(void)
{
	master = fork();
	cr_assert_geq(master, 0);
	if (master == 0) {
		dup2(output[1], STDOUT_FILENO);
		_exit(master_run(&options));
	}
}

/* The next word to the service manager that begins with `words`; others are passed over. */
static const char *await(const char *words)
{
	static char text[512];
	struct pollfd p = { .fd = manager, .events = POLLIN };

	for (;;) {
		ssize_t n;

		cr_assert_eq(poll(&p, 1, PATIENCE_MS), 1, "not told: %s", words);
		n = recv(manager, text, sizeof(text) - 1, 0);
		text[n < 0 ? 0 : n] = 0;
		if (!strncmp(text, words, strlen(words)))
			return text;
	}
}

static int end(void)
{
	int status;

	cr_assert_eq(waitpid(master, &status, 0), master);
	cr_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

Test(master, serves_and_drains_on_sigterm)
{
	start();
	cr_expect_str_eq(await("READY=1"), "READY=1\nSTATUS=generation 1: 2 workers serving");
	kill(master, SIGTERM);
	await("STOPPING=1");
	cr_expect_eq(end(), 0);
	cr_expect_eq(toy->drains, 2);
	cr_expect_eq(toy->stops, 0);
}

Test(master, sigquit_is_sigterm)
{
	start();
	await("READY=1");
	kill(master, SIGQUIT);
	cr_expect_eq(end(), 0);
	cr_expect_eq(toy->drains, 2);
}

Test(master, sigint_stops_at_once)
{
	start();
	await("READY=1");
	kill(master, SIGINT);
	await("STOPPING=1");
	cr_expect_eq(end(), 0);
	cr_expect_eq(toy->stops, 2);
}

Test(master, a_second_sigterm_stops_at_once)
{
	toy->manner = TOY_DEAF;
	configure("reload = { drain = \"1h\"; };");
	start();
	await("READY=1");
	kill(master, SIGTERM);
	await("STOPPING=1");
	kill(master, SIGTERM);
	cr_expect_eq(end(), 0);
}

Test(master, sigterm_while_starting)
{
	toy->manner = TOY_SILENT;
	start();
	while (__atomic_load_n(&toy->births, __ATOMIC_SEQ_CST) < 2)
		poll(NULL, 0, 1);
	kill(master, SIGTERM);
	cr_expect_eq(end(), 0);
}

Test(master, ends_with_the_code_of_what_is_wrong)
{
	configure("wrokers = 2;");
	start();
	cr_expect_eq(end(), ERR_CONFIG);
	cr_expect_eq(toy->births, 0);
}

Test(master, ends_with_the_code_of_a_worker_that_cannot_start)
{
	toy->manner = TOY_EXIT;
	start();
	cr_expect_eq(end(), ERR_SYSTEM);
}

Test(master, sighup_reloads_and_says_so)
{
	start();
	await("READY=1");
	kill(master, SIGHUP);
	cr_expect_not_null(strstr(await("RELOADING=1"), "MONOTONIC_USEC="));
	cr_expect_not_null(strstr(await("READY=1"), "generation 2: 2 workers serving"));
	kill(master, SIGTERM);
	cr_expect_eq(end(), 0);
}

Test(master, a_rejected_reload_is_ready_again_as_it_was)
{
	start();
	await("READY=1");
	configure("wrokers = 2;");
	kill(master, SIGHUP);
	await("RELOADING=1");
	cr_expect_not_null(strstr(await("READY=1"), "generation 1: 2 workers serving"));
	kill(master, SIGTERM);
	cr_expect_eq(end(), 0);
	cr_expect_eq(toy->births, 2);
}

Test(master, sigusr1_does_not_stop_it)
{
	start();
	await("READY=1");
	kill(master, SIGUSR1);
	kill(master, SIGHUP);
	await("READY=1");
	kill(master, SIGTERM);
	cr_expect_eq(end(), 0);
}

static void serve_directory(char *ret_ca, size_t size)
{
	char text[512] = "", *path;
	unsigned port = 0;

	options.config_path = NULL;
	options.serve_dir = directory;
	start();
	await("READY=1");
	while (!strstr(text, "curl") || text[strlen(text) - 1] != '\n') {
		size_t n = strlen(text);

		cr_assert_gt(read(output[0], text + n, sizeof(text) - n - 1), 0);
	}
	cr_expect_eq(strncmp(text, "Serving ", 8), 0, "%s", text);
	path = strstr(text, "curl --cacert ");
	cr_assert_not_null(path, "%s", text);
	cr_assert_eq(sscanf(path, "curl --cacert %127s https://localhost:%u/", ret_ca, &port), 2);
	cr_assert_lt(strlen(ret_ca), size);
	cr_expect_gt(port, 0);
	cr_expect_eq(access(ret_ca, R_OK), 0);
}

Test(master, serve_says_where_and_takes_its_ca_along)
{
	char ca[128];

	serve_directory(ca, sizeof(ca));
	kill(master, SIGINT);
	cr_expect_eq(end(), 0);
	cr_expect_eq(access(ca, F_OK), -1);
}

Test(master, serve_ends_on_sighup)
{
	char ca[128];

	serve_directory(ca, sizeof(ca));
	kill(master, SIGHUP);
	cr_expect_eq(end(), 0);
	cr_expect_eq(toy->drains, toy->births);
	cr_expect_eq(access(ca, F_OK), -1);
}
