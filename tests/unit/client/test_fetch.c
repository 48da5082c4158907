/* One exchange over a plain connection: request, framing, output, verdict. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client/fetch.h"
#include "client/peer.h"

static struct options options;
static struct output output;
static struct report report;
static struct progress progress;
static struct peer peer;
static struct err e;
static char path[] = "/tmp/latch-fetch.XXXXXX";
static char content[1 << 20];

static void setup(void)
{
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	close(fd);
	options = (struct options){ .timeout_ms = 20000 };
	report = (struct report){ .fd = memfd_create("report", MFD_CLOEXEC) };
	progress_init(&progress, -1);
	output_init(&output, path);
}

static void teardown(void)
{
	output_close(&output, NULL);
	unlink(path);
	close(report.fd);
}

TestSuite(fetch, .init = setup, .fini = teardown);

/* What the output file holds, terminated. */
static const char *got(void)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, content, sizeof(content) - 1);

	close(fd);
	content[n > 0 ? n : 0] = '\0';
	return content;
}

static const char *said(void)
{
	static char text[8192];
	ssize_t n = pread(report.fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static enum outcome fetch(struct str answer, enum peer_end end)
{
	const struct fetch_env env = { &options, NULL, &output, &report, &progress, false };
	struct fetch_result result;
	struct ask ask = { .method = options.head_only ? STR("HEAD") : STR("GET") };
	const char *why;
	struct url url;
	char text[64];
	enum outcome r;

	peer_start(&peer, answer, end);
	snprintf(text, sizeof(text), "http://127.0.0.1:%u/x?y", peer.port);
	cr_assert_eq(uri_parse_url(str_of(text), &url, &why), 0, "%s", why);
	ask.url = &url;
	fetch_result_init(&result);
	r = fetch_run(&env, &ask, text, &result, &e);
	fetch_result_done(&result);
	peer_join(&peer);
	return r;
}

Test(fetch, asks_politely)
{
	char expected[256];

	cr_expect_eq(fetch(STR("HTTP/1.1 204 No Content\r\n\r\n"), PEER_FIN), OUTCOME_OK);
	snprintf(expected, sizeof(expected),
		"GET /x?y HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUser-Agent: latch/" LATCH_VERSION "\r\n"
		"Accept: */*\r\nConnection: close\r\n\r\n",
		peer.port);
	cr_expect_str_eq(peer.request, expected);
}

Test(fetch, writes_content_of_a_length)
{
	cr_expect_eq(fetch(STR("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), PEER_FIN),
		OUTCOME_OK, "%s", e.text);
	cr_expect_str_eq(got(), "hello");
	cr_expect_str_empty(said());
}

Test(fetch, writes_chunks_without_their_frames)
{
	cr_expect_eq(fetch(STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
			       "3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: u\r\n\r\n"),
			     PEER_FIN),
		OUTCOME_OK, "%s", e.text);
	cr_expect_str_eq(got(), "abcde");
}

Test(fetch, writes_content_that_the_end_delimits)
{
	cr_expect_eq(fetch(STR("HTTP/1.0 200 OK\r\n\r\nall of it"), PEER_FIN), OUTCOME_OK);
	cr_expect_str_eq(got(), "all of it");
}

Test(fetch, skips_interim_answers)
{
	cr_expect_eq(
		fetch(STR("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n"
			  "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nz"),
			PEER_FIN),
		OUTCOME_OK, "%s", e.text);
	cr_expect_str_eq(got(), "z");
}

Test(fetch, does_not_follow_interim_answers_without_end)
{
	struct buf many;

	buf_init(&many, 0);
	for (int i = 0; i < 1000; i++)
		buf_append_str(&many, STR("HTTP/1.1 100 Continue\r\n\r\n"));
	cr_expect_eq(fetch(buf_str(&many), PEER_FIN), OUTCOME_MALFORMED);
	buf_done(&many);
}

Test(fetch, refuses_a_protocol_it_did_not_ask_for)
{
	cr_expect_eq(fetch(STR("HTTP/1.1 101 Switching Protocols\r\n\r\n"), PEER_FIN),
		OUTCOME_MALFORMED);
}

Test(fetch, writes_the_head_when_asked)
{
	options.with_head = true;
	cr_expect_eq(
		fetch(STR("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nz"), PEER_FIN), OUTCOME_OK);
	cr_expect_str_eq(got(), "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nz");
}

Test(fetch, an_answer_to_head_has_no_content)
{
	options.head_only = true;
	cr_expect_eq(fetch(STR("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"), PEER_FIN),
		OUTCOME_OK, "%s", e.text);
	cr_expect_str_eq(got(), "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
	cr_expect_eq(strncmp(peer.request, "HEAD /x?y ", 10), 0);
}

Test(fetch, a_short_length_is_truncated_and_counted)
{
	cr_expect_eq(fetch(STR("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"), PEER_FIN),
		OUTCOME_TRUNCATED);
	cr_expect_not_null(strstr(e.text, "5 of 9 bytes came"), "%s", e.text);
	cr_expect_not_null(strstr(e.text, "keeps the 5 bytes that arrived"), "%s", e.text);
	cr_expect_str_eq(got(), "hello");
}

Test(fetch, a_cut_chunk_is_truncated)
{
	cr_expect_eq(fetch(STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"),
			     PEER_FIN),
		OUTCOME_TRUNCATED);
	cr_expect_eq(fetch(STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"),
			     PEER_FIN),
		OUTCOME_TRUNCATED, "the last chunk is missing");
	cr_expect_eq(
		fetch(STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"), PEER_FIN),
		OUTCOME_TRUNCATED, "the end of the trailers is missing");
}

Test(fetch, a_cut_head_and_no_head_are_truncated)
{
	cr_expect_eq(fetch(STR("HTTP/1.1 200 OK\r\nContent-"), PEER_FIN), OUTCOME_TRUNCATED);
	cr_expect_not_null(strstr(e.text, "head"), "%s", e.text);
	cr_expect_eq(fetch(STR("HTTP/1.1 100 Continue\r\n\r\n"), PEER_FIN), OUTCOME_TRUNCATED);
	cr_expect_eq(fetch(STR(""), PEER_FIN), OUTCOME_TRUNCATED);
	cr_expect_not_null(
		strstr(e.text, "without an answer; if this port speaks TLS"), "%s", e.text);
	cr_expect_eq(fetch(STR(""), PEER_RESET), OUTCOME_TRUNCATED);
}

Test(fetch, a_reset_is_no_end_of_content)
{
	cr_expect_eq(
		fetch(STR("HTTP/1.0 200 OK\r\n\r\nmay be more"), PEER_RESET), OUTCOME_TRUNCATED);
}

Test(fetch, on_a_plain_connection_strict_asks_for_nothing_more)
{
	options.shutdown = CLOSING_STRICT;
	cr_expect_eq(fetch(STR("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nz"), PEER_FIN),
		OUTCOME_OK, "%s", e.text);
	cr_expect_eq(fetch(STR("HTTP/1.0 200 OK\r\n\r\nz"), PEER_FIN), OUTCOME_OK, "%s", e.text);
}

Test(fetch, what_is_not_http_is_malformed)
{
	static const char *const bad[] = {
		"SSH-2.0-OpenSSH_9.2\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nz",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
		"HTTP/1.1 200 OK\r\nA b\r\n\r\n",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_expect_eq(fetch(str_of(bad[i]), PEER_FIN), OUTCOME_MALFORMED, "%s: %s", bad[i],
			e.text);
		cr_expect_not_null(strstr(e.text, "not valid HTTP"), "%s", e.text);
	}
}

Test(fetch, a_head_has_a_bound)
{
	struct buf endless;

	buf_init(&endless, 0);
	buf_append_str(&endless, STR("HTTP/1.1 200 OK\r\n"));
	for (int i = 0; i < 100; i++)
		buf_appendf(&endless, "X: %01024d\r\n", i);
	cr_expect_eq(fetch(buf_str(&endless), PEER_FIN), OUTCOME_MALFORMED, "%s", e.text);
	buf_done(&endless);
}

Test(fetch, fail_writes_nothing_of_an_error)
{
	options.fail = true;
	cr_expect_eq(
		fetch(STR("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nsorr"), PEER_FIN),
		OUTCOME_STATUS);
	cr_expect_str_eq(e.text, "the server answered 404 Not Found");
	cr_expect_eq(output.fd, -1, "not even opened");
	cr_expect_eq(
		fetch(STR("HTTP/1.1 399 Fine\r\nContent-Length: 0\r\n\r\n"), PEER_FIN), OUTCOME_OK);
	options.fail = false;
	cr_expect_eq(
		fetch(STR("HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nsorry"), PEER_FIN),
		OUTCOME_OK);
	cr_expect_str_eq(got(), "sorry");
}

Test(fetch, silence_times_out)
{
	options.timeout_ms = 50;
	cr_expect_eq(fetch(STR(""), PEER_SILENT), OUTCOME_TIMED_OUT);
	cr_expect_eq(fetch(STR("HTTP/1.1 200"), PEER_SILENT), OUTCOME_TIMED_OUT);
	cr_expect_eq(fetch(STR("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"), PEER_SILENT),
		OUTCOME_TIMED_OUT);
	cr_expect_eq(fetch(STR("HTTP/1.0 200 OK\r\n\r\nhe"), PEER_SILENT), OUTCOME_TIMED_OUT);
	options.timeout_ms = 20000;
	cr_expect_eq(fetch(STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhe"), PEER_SILENT),
		OUTCOME_OK, "a whole message waits for nobody in lenient");
}

Test(fetch, output_that_cannot_be_written_is_told)
{
	output_init(&output, "/dev/full");
	cr_expect_eq(fetch(STR("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), PEER_FIN),
		OUTCOME_OUTPUT);
	cr_expect_not_null(strstr(e.text, "/dev/full"), "%s", e.text);
	output_close(&output, NULL);
	output_init(&output, "/nonexistent/x");
	cr_expect_eq(fetch(STR("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), PEER_FIN),
		OUTCOME_OUTPUT);
}

Test(fetch, several_answers_follow_each_other_in_one_file)
{
	cr_assert_eq(fetch(STR("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none"), PEER_FIN),
		OUTCOME_OK);
	cr_assert_eq(fetch(STR("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo"), PEER_FIN),
		OUTCOME_OK);
	cr_expect_str_eq(got(), "onetwo");
	cr_expect_eq(fetch(STR("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nx"), PEER_FIN),
		OUTCOME_TRUNCATED);
	cr_expect_not_null(strstr(e.text, "keeps the 1 bytes"), "only of this one: %s", e.text);
}

Test(fetch, content_of_many_buffers_arrives_whole)
{
	static char answer[700000];
	int head = snprintf(
		answer, sizeof(answer), "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", 650000);

	for (int i = 0; i < 650000; i++)
		answer[head + i] = (char)('a' + i % 23);
	cr_assert_eq(fetch((struct str){ answer, (size_t)head + 650000 }, PEER_FIN), OUTCOME_OK,
		"%s", e.text);
	got();
	cr_expect_eq(output.written, 650000);
	cr_expect_eq(memcmp(content, answer + head, 650000), 0);
}

Test(fetch, verbose_says_what_happened)
{
	static const char *const words[] = { "* connected to 127.0.0.1:", "> GET /x?y HTTP/1.1\n",
		"< HTTP/1.1 200 OK\n", "* message whole: 2 bytes of content in ",
		"* 4 bytes behind the message were dropped\n", "* closure clean: " };

	report.verbose = true;
	cr_expect_eq(fetch(STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhemore"), PEER_FIN),
		OUTCOME_OK);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		cr_expect_not_null(
			strstr(said(), words[i]), "\"%s\" is missing in:\n%s", words[i], said());
}
