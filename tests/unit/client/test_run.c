/* A whole run: several URLs, the first failure, what is told on standard error. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client/peer.h"
#include "client/run.h"

static char path[] = "/tmp/latch-run.XXXXXX";
static struct options options;
static char *urls[4];
static char text[4][64];
static int error_fd;

/* Each test is a process of its own, so that its standard error can be taken. */
static void setup(void)
{
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	close(fd);
	error_fd = memfd_create("stderr", MFD_CLOEXEC);
	cr_assert_geq(error_fd, 0);
	cr_assert_geq(dup2(error_fd, STDERR_FILENO), 0);
	options = (struct options){
		.output = path, .urls = { urls, 0 }, .depth = OPTIONS_NO_DEPTH, .timeout_ms = 20000
	};
}

static void teardown(void)
{
	unlink(path);
}

TestSuite(run, .init = setup, .fini = teardown);

static void add_url(const char *scheme, unsigned port)
{
	snprintf(text[options.urls.n], sizeof(text[0]), "%s://127.0.0.1:%u/", scheme, port);
	urls[options.urls.n] = text[options.urls.n];
	options.urls.n++;
}

static const char *read_whole(int fd)
{
	static char all[8192];
	ssize_t n = pread(fd, all, sizeof(all) - 1, 0);

	all[n > 0 ? n : 0] = '\0';
	return all;
}

static void expect_content(const char *expected)
{
	int fd = open(path, O_RDONLY);

	cr_expect_str_eq(read_whole(fd), expected);
	close(fd);
}

Test(run, urls_follow_each_other)
{
	struct peer one, two;

	peer_start(&one, STR("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none"), PEER_FIN);
	peer_start(&two, STR("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo"), PEER_FIN);
	add_url("http", one.port);
	add_url("http", two.port);
	cr_expect_eq(run_options(&options), OUTCOME_OK);
	expect_content("onetwo");
	cr_expect_str_empty(read_whole(error_fd));
	peer_join(&one);
	peer_join(&two);
}

Test(run, the_first_failure_counts_and_the_rest_is_tried)
{
	struct peer cut, good;

	peer_start(&cut, STR("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\no"), PEER_FIN);
	peer_start(&good, STR("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo"), PEER_FIN);
	add_url("http", peer_dead_port());
	add_url("http", cut.port);
	add_url("http", good.port);
	cr_expect_eq(run_options(&options), OUTCOME_NO_CONNECTION);
	expect_content("otwo");
	cr_expect_not_null(strstr(read_whole(error_fd), "1 of 3 bytes came"));
	peer_join(&cut);
	peer_join(&good);
}

Test(run, output_that_fails_ends_the_run)
{
	struct peer one;

	options.output = "/dev/full";
	peer_start(&one, STR("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none"), PEER_FIN);
	add_url("http", one.port);
	add_url("http", peer_dead_port());
	cr_expect_eq(run_options(&options), OUTCOME_OUTPUT);
	cr_expect_null(strstr(read_whole(error_fd), "cannot connect"), "the second was tried");
	peer_join(&one);
}

Test(run, a_malformed_url_is_found_before_anything_is_fetched)
{
	add_url("http", peer_dead_port());
	add_url("gopher", 70);
	cr_expect_eq(run_options(&options), OUTCOME_USAGE);
	cr_expect_eq(strncmp(read_whole(error_fd), "latch: gopher://", 16), 0);
	cr_expect_null(strstr(read_whole(error_fd), "cannot connect"));
}

Test(run, trust_that_cannot_be_read_is_told_only_when_it_is_needed)
{
	options.ca = "/nonexistent/ca.pem";
	add_url("http", peer_dead_port());
	cr_expect_eq(run_options(&options), OUTCOME_NO_CONNECTION);
	add_url("https", peer_dead_port());
	cr_expect_eq(run_options(&options), OUTCOME_OTHER);
	cr_expect_not_null(strstr(read_whole(error_fd), "latch: /nonexistent/ca.pem: "));
}

Test(run, going_on_unverified_is_said_once_and_only_with_tls)
{
	const char *first;

	options.insecure = true;
	options.quiet = true;
	add_url("http", peer_dead_port());
	cr_expect_eq(run_options(&options), OUTCOME_NO_CONNECTION);
	cr_expect_null(strstr(read_whole(error_fd), "not verified"));
	add_url("https", peer_dead_port());
	add_url("https", peer_dead_port());
	cr_expect_eq(run_options(&options), OUTCOME_NO_CONNECTION);
	first = strstr(read_whole(error_fd), "not verified");
	cr_assert_not_null(first);
	cr_expect_null(strstr(first + 1, "not verified"));
}
