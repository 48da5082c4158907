/* HTTP/1.1 on a plain connection over a socket pair: what the peer reads for what it writes, and
 * where every way out leads. The route is a stand-in; time is set by hand. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/h1.h"
#include "rig.h"

static int peer;
static bool later; /* the handler of /later is still at it */
static size_t dressing;

static void route(struct stream *s, void *routes)
{
	if (str_eq(s->path, STR("/short"))) {
		rig_reply_short(s, 70000, 100000);
	} else if (str_eq(s->path, STR("/shorter"))) {
		rig_reply_short(s, 10, 1000);
	} else if (!str_eq(s->path, STR("/later"))) {
		rig_route(s, routes);
	} else if (!later) {
		stream_reply_text(s, 200, STR("text/plain"), STR("late"));
	}
}

static void setup(void)
{
	rig_set_up(route);
	peer = rig_connect();
}

static void teardown(void)
{
	rig_tear_down();
	if (peer >= 0)
		close(peer);
}

TestSuite(h1, .init = setup, .fini = teardown);

/* Turns of the loop until nothing is ready; never waits. */
static void run(void)
{
	turns_run(&loop, 50);
}

static void pass(int64_t ms)
{
	rig_pass(ms);
	run();
}

static void say(const char *text)
{
	cr_assert_eq(write(peer, text, strlen(text)), (ssize_t)strlen(text));
	run();
}

static char heard[400000];
static size_t heard_n;

/* Everything that was sent so far; true at the connection's end. */
static bool hear(void)
{
	ssize_t n;

	for (;;) {
		n = read(peer, heard + heard_n, sizeof(heard) - 1 - heard_n);
		if (n <= 0)
			break;
		heard_n += (size_t)n;
		run();
	}
	heard[heard_n] = '\0';
	return n == 0;
}

static unsigned count(const char *what)
{
	unsigned n = 0;

	for (const char *at = heard; (at = strstr(at, what)); at++)
		n++;
	return n;
}

static int status(void)
{
	return strncmp(heard, "HTTP/1.1 ", 9) == 0 ? atoi(heard + 9) : -1;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

Test(h1, answers_and_stays_open)
{
	say(GET("/text"));
	cr_expect_not(hear());
	cr_expect_eq(status(), 200);
	cr_expect_not_null(strstr(heard, "Content-Length: 5\r\n"));
	cr_expect_not_null(strstr(heard, "\r\n\r\nhello"));
	cr_expect_null(strstr(heard, "Connection:"));
	say(GET("/text"));
	hear();
	cr_expect_eq(count("hello"), 2);
	cr_expect_eq(board->slot[0].requests, 2);
	cr_expect_eq(board->slot[0].responses[2], 2);
}

Test(h1, answers_pipelined_requests_in_order)
{
	say(GET("/text") GET("/missing") GET("/empty") GET("/text"));
	cr_expect_not(hear());
	cr_expect_eq(count("HTTP/1.1 "), 4);
	cr_expect(strstr(heard, "404") < strstr(heard, "204"));
	cr_expect_eq(count("hello"), 2);
}

Test(h1, takes_a_head_byte_by_byte)
{
	const char *text = GET("/text");
	char one[2] = "";

	for (; *text; text++) {
		one[0] = *text;
		say(one);
	}
	hear();
	cr_expect_eq(status(), 200);
}

Test(h1, closes_when_asked)
{
	say("GET /text HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	cr_expect(hear());
	cr_expect_not_null(strstr(heard, "Connection: close\r\n"));
	cr_expect_eq(gone, 0, "it lingers for the peer's end");
	close(peer);
	peer = -1;
	run();
	cr_expect_eq(gone, 1);
	cr_expect_eq(board->slot[0].closures[CLOSURE_CLEAN], 1);
}

Test(h1, http_1_0_without_host_ends_with_the_connection)
{
	say("GET /text HTTP/1.0\r\n\r\n");
	cr_expect(hear());
	cr_expect_eq(status(), 200);
	cr_expect_not_null(strstr(heard, "Connection: close\r\n"));
}

Test(h1, http_1_0_may_keep_alive)
{
	say("GET /text HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n");
	cr_expect_not(hear());
	cr_expect_not_null(strstr(heard, "Connection: keep-alive\r\n"));
}

Test(h1, head_has_fields_but_no_content)
{
	say("HEAD /text HTTP/1.1\r\nHost: x\r\n\r\n" GET("/empty"));
	hear();
	cr_expect_not_null(strstr(heard, "Content-Length: 5\r\n"));
	cr_expect_null(strstr(heard, "hello"));
	cr_expect_eq(count("HTTP/1.1 "), 2);
	cr_expect_eq(count("Content-Length"), 1, "204 has none");
}

Test(h1, sends_a_large_body_whole)
{
	const char *content;

	say(GET("/big"));
	cr_expect_not(hear());
	content = strstr(heard, "\r\n\r\n") + 4;
	cr_expect_eq(heard_n - (size_t)(content - heard), sizeof(body_text));
	cr_expect_eq(memcmp(content, body_text, sizeof(body_text)), 0);
}

Test(h1, a_request_behind_a_blocked_response_waits_and_is_answered)
{
	int small = 4096;

	setsockopt(peer, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	say(GET("/big") GET("/text"));
	cr_expect_not(hear());
	cr_expect_eq(count("HTTP/1.1 200"), 2);
	cr_expect_str_eq(heard + heard_n - 5, "hello");
}

Test(h1, a_broken_source_ends_the_connection_short)
{
	say(GET("/short") GET("/text"));
	cr_expect(hear(), "the length cannot be kept, so the connection must end");
	cr_expect_eq(count("HTTP/1.1 "), 1);
	cr_expect_lt(heard_n, 100000);
}

Test(h1, a_source_that_breaks_before_the_head_went_is_a_500)
{
	say(GET("/shorter") GET("/text"));
	cr_expect(hear());
	cr_expect_eq(status(), 500);
	cr_expect_not_null(strstr(heard, "Connection: close\r\n"));
	cr_expect_eq(count("HTTP/1.1 "), 1);
	cr_expect_null(strstr(heard, "sss"));
	cr_expect_eq(board->slot[0].responses[5], 1);
	cr_expect_eq(board->slot[0].responses[2], 0);
}

Test(h1, reads_and_drops_a_body)
{
	say("POST /text HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12345" GET("/empty"));
	cr_expect_not(hear());
	cr_expect_eq(count("HTTP/1.1 200"), 1);
	cr_expect_eq(count("HTTP/1.1 204"), 1);
}

Test(h1, reads_and_drops_a_chunked_body_in_pieces)
{
	say("POST /text HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r");
	cr_expect_not(hear());
	cr_expect_eq(heard_n, 0);
	say("\n12345\r\n0\r\n");
	say("\r\n" GET("/empty"));
	hear();
	cr_expect_eq(count("HTTP/1.1 200"), 1);
	cr_expect_eq(count("HTTP/1.1 204"), 1);
}

Test(h1, continues_before_a_body_that_is_wanted)
{
	say("POST /text HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
	cr_expect_not(hear());
	cr_expect_str_eq(heard, "HTTP/1.1 100 Continue\r\n\r\n");
	say("12345");
	hear();
	cr_expect_eq(count("HTTP/1.1 200"), 1);
}

Test(h1, refuses_instead_of_continuing)
{
	say("POST /missing HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
	    "Expect: 100-continue\r\n\r\n");
	cr_expect(hear());
	cr_expect_eq(status(), 404);
	cr_expect_eq(count("100 Continue"), 0);
}

Test(h1, refuses_another_expectation)
{
	say("GET /text HTTP/1.1\r\nHost: x\r\nExpect: tea\r\n\r\n");
	cr_expect(hear());
	cr_expect_eq(status(), 417);
}

Test(h1, refuses_a_body_over_the_limit)
{
	say("POST /text HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n");
	cr_expect(hear());
	cr_expect_eq(status(), 413);
}

Test(h1, refuses_a_chunked_body_over_the_limit)
{
	char text[400];

	snprintf(text, sizeof(text),
		"POST /text HTTP/1.1\r\nHost: x\r\n"
		"Transfer-Encoding: chunked\r\n\r\n65\r\n%0101d\r\n",
		0);
	say(text);
	cr_expect(hear());
	cr_expect_eq(status(), 413);
}

Test(h1, answers_400_and_closes)
{
	say("GET /text HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n");
	cr_expect(hear());
	cr_expect_eq(status(), 400);
	cr_expect_not_null(strstr(heard, "Connection: close\r\n"));
}

Test(h1, answers_a_bad_head_before_it_is_complete)
{
	say("GET /text HTTP/1.1\r\nHo st");
	cr_expect(hear());
	cr_expect_eq(status(), 400);
}

Test(h1, answers_431_to_a_head_over_the_limit)
{
	char text[1200];

	memset(text, 'x', sizeof(text));
	memcpy(text, "GET / HTTP/1.1\r\nA: ", 19);
	text[sizeof(text) - 1] = '\0';
	say(text);
	cr_expect(hear());
	cr_expect_eq(status(), 431);
}

Test(h1, answers_500_when_the_response_head_is_too_large)
{
	say(GET("/long"));
	cr_expect(hear());
	cr_expect_eq(status(), 500);
	cr_expect_null(strstr(heard, "Location"));
	cr_expect_eq(board->slot[0].responses[5], 1);
}

static void dress(struct stream *s, void *routes)
{
	(void)routes;
	stream_add_field(s, STR("X-Much"), (struct str){ body_text, dressing });
}

Test(h1, dresses_what_no_route_answered)
{
	env.dress = dress;
	dressing = 3;
	say(GET("/text"));
	say("POST /text HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n");
	cr_expect(hear());
	cr_expect_eq(count("hello"), 1);
	cr_expect_eq(count("X-Much: abc\r\n"), 1);
	cr_expect_eq(count("HTTP/1.1 413"), 1);
	cr_expect_lt(strstr(heard, "HTTP/1.1 413"), strstr(heard, "X-Much"));
}

Test(h1, ends_when_not_even_a_500_fits)
{
	env.dress = dress;
	dressing = CONN_HEAD_MAX;
	say(GET("/long"));
	cr_expect(hear());
	cr_expect_eq(heard_n, 0);
}

Test(h1, a_head_up_to_the_limit_fits_whatever_the_limit)
{
	static char text[300000];
	size_t n = sizeof(text) - 1;

	limits.head.size = 1 << 20;
	memset(text, 'x', n);
	memcpy(text, "GET /text HTTP/1.1\r\nHost: x\r\nA: ", 32);
	memcpy(text + n - 4, "\r\n\r\n", 4);
	close(peer);
	run();
	peer = rig_connect();
	for (size_t at = 0; at < n;) {
		ssize_t wrote = write(peer, text + at, n - at);

		cr_assert_gt(wrote, 0);
		at += (size_t)wrote;
		run();
	}
	hear();
	cr_expect_eq(status(), 200);
	limits.head.size = 1024;
}

Test(h1, a_refused_request_is_no_prefix_of_the_next)
{
	say("GET /text HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\n" GET("/text"));
	cr_expect(hear());
	cr_expect_eq(count("HTTP/1.1 "), 1);
}

Test(h1, a_handler_is_not_bound_by_the_least_rate)
{
	limits.min_rate = 1000;
	later = true;
	say("GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
	for (int i = 0; i < 8; i++)
		pass(900);
	cr_expect_not(hear());
	later = false;
	run();
	cr_expect_not(hear());
	cr_expect_eq(status(), 200);
}

Test(h1, a_handler_has_its_deadline)
{
	later = true;
	say("GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
	for (int i = 0; i < 29; i++)
		pass(1000);
	cr_expect_not(hear());
	cr_expect_eq(heard_n, 0);
	pass(1100);
	cr_expect_not(hear());
	cr_expect_eq(status(), 503);
	cr_expect(strstr(heard, "\r\nRetry-After: 30\r\n"));
	later = false;
	heard_n = 0;
	say(GET("/text"));
	cr_expect_not(hear());
	cr_expect_eq(status(), 200, "it goes on");
}

Test(h1, an_idle_connection_ends_at_its_deadline)
{
	pass(timeouts.idle_ms - 100);
	cr_expect_not(hear());
	pass(200);
	cr_expect(hear());
	cr_expect_eq(heard_n, 0);
	close(peer);
	peer = -1;
	run();
	cr_expect_eq(board->slot[0].closures[CLOSURE_TIMEOUT], 1);
}

Test(h1, a_slow_head_ends_with_408)
{
	say("GET /te");
	for (int i = 0; i < 4; i++) {
		pass(timeouts.header_ms / 4 + 20);
		if (i < 3)
			say("x");
	}
	cr_expect(hear(), "bytes do not move the deadline of a head");
	cr_expect_eq(status(), 408);
}

Test(h1, a_slow_body_ends_with_408)
{
	say("POST /text HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n1");
	pass(timeouts.body_ms + 100);
	cr_expect(hear());
	cr_expect_eq(status(), 408);
}

Test(h1, a_peer_that_does_not_read_is_cut_off)
{
	say(GET("/big") GET("/big") GET("/big") GET("/big"));
	cr_expect_eq(gone, 0);
	pass(timeouts.write_ms + 100);
	cr_expect_eq(gone, 1);
	cr_expect_eq(board->slot[0].closures[CLOSURE_TIMEOUT], 1);
}

Test(h1, a_peer_that_reads_now_and_then_is_served)
{
	static const size_t all = 4 * sizeof(body_text);
	int64_t began = fake_clock_us;

	timeouts.idle_ms = 100 * timeouts.write_ms;
	say(GET("/big") GET("/big") GET("/big") GET("/big"));
	while (heard_n < all && gone == 0) {
		ssize_t n = read(peer, heard, 100000);

		cr_assert_gt(n, 0);
		heard_n += (size_t)n;
		pass(timeouts.write_ms - 100);
	}
	cr_expect_eq(gone, 0);
	cr_expect_geq(heard_n, all);
	cr_expect_gt(fake_clock_us - began, 3 * timeouts.write_ms * 1000);
}

/* 300 requests, of which a turn answers so many; the rest is here already, and not forgotten. */
static void ask_for_more_than_a_turn(void)
{
	static const char request[] = "GET /text HTTP/1.1\r\nHost: x\r\n\r\n";
	static char text[300 * (sizeof(request) - 1)];
	ssize_t n;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = request[i % (sizeof(request) - 1)];
	cr_assert_eq(write(peer, text, sizeof(text)), (ssize_t)sizeof(text));
	loop_turn(&loop);
	n = read(peer, heard, sizeof(heard) - 1);
	cr_assert_gt(n, 0);
	heard_n = (size_t)n;
	heard[n] = '\0';
	cr_assert_eq(count("HTTP/1.1 200"), CONN_REQUESTS_A_TURN);
}

Test(h1, a_turn_has_an_end_however_small_the_requests)
{
	ask_for_more_than_a_turn();
	loop_turn(&loop);
	cr_expect_not(hear());
	cr_expect_eq(count("HTTP/1.1 200"), 300);
	cr_expect_eq(env.all->state, CONN_IDLE);
}

Test(h1, requests_that_wait_for_the_next_turn_are_not_idle)
{
	ask_for_more_than_a_turn();
	fake_clock_us += 1100 * 1000;
	clock_update();
	cr_expect_eq(conn_shed_idle(&env), 0);
	conn_close_idle(&env, 1000);
	run();
	hear();
	cr_expect_eq(count("HTTP/1.1 200"), 300);
}

Test(h1, a_half_closed_peer_gets_the_whole_answer)
{
	cr_assert_gt(write(peer, GET("/big"), strlen(GET("/big"))), 0);
	shutdown(peer, SHUT_WR);
	run();
	cr_expect(hear());
	cr_expect_gt(heard_n, sizeof(body_text));
	cr_expect_eq(gone, 1);
	cr_expect_eq(board->slot[0].closures[CLOSURE_CLEAN], 1);
}

Test(h1, draining_answers_with_close)
{
	env.draining = true;
	say(GET("/text"));
	cr_expect(hear());
	cr_expect_not_null(strstr(heard, "Connection: close\r\n"));
}

Test(h1, idle_ones_end_only_when_nothing_has_come)
{
	conn_close_idle(&env, 1000);
	cr_expect_not(hear(), "it has not been idle for long enough");
	fake_clock_us += 1100 * 1000;
	clock_update();
	cr_assert_gt(write(peer, "G", 1), 0);
	conn_close_idle(&env, 1000);
	cr_expect_not(hear(), "a byte is in the socket: it counts as accepted");
	say("ET /text HTTP/1.1\r\nHost: x\r\n\r\n");
	hear();
	cr_expect_eq(status(), 200);
	fake_clock_us += 1100 * 1000;
	clock_update();
	conn_close_idle(&env, 1000);
	cr_expect(hear());
}

Test(h1, an_idle_one_lingers_for_no_longer_than_it_was_given)
{
	fake_clock_us += 500 * 1000;
	clock_update();
	conn_close_idle(&env, 400);
	cr_expect_eq(env.live, 1, "the peer may still say goodbye");
	fake_clock_us += 300 * 1000;
	loop_turn(&loop);
	cr_expect_eq(env.live, 0);
}

Test(h1, the_last_request_of_the_limit_says_close)
{
	limits.requests_per_connection = 2;
	say(GET("/text") GET("/text") GET("/text"));
	cr_expect(hear());
	cr_expect_eq(count("HTTP/1.1 200"), 2);
	cr_expect_eq(count("Connection: close"), 1);
	limits.requests_per_connection = 0;
}

Test(h1, every_byte_sent_is_counted)
{
	say(GET("/text"));
	hear();
	conn_close_all(&env);
	cr_expect_eq(board->slot[0].bytes_sent, heard_n);
	cr_expect_eq(board->slot[0].live, 0);
}
