/* HTTP/2 on a plain connection over a socket pair, as if ALPN had chosen it: what a client's
 * session sees for what it asks. The route is a stand-in; time is set by hand. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../h2_client.h"
#include "protocol/h2.h"
#include "rig.h"

static struct h2_client client;
static int peer;
static bool ended; /* the server's side */
static int later;  /* calls of a handler that needs four of them */

/* /split: a value that would break a line; /later: not before the fourth call. */
static void route(struct stream *s, void *routes)
{
	if (str_eq(s->path, STR("/short"))) {
		rig_reply_short(s, 30000, 60000);
	} else if (str_eq(s->path, STR("/split"))) {
		stream_add_field(s, STR("Location"), STR("/\r\nSet-Cookie: a=b"));
		stream_reply(s, 302);
	} else if (!str_eq(s->path, STR("/later"))) {
		rig_route(s, routes);
	} else if (later++ == 3) {
		stream_reply_text(s, 200, STR("text/plain"), STR("late"));
	}
}

/* Turns of the loop and words both ways until nothing moves; never waits. */
static void run(void)
{
	static char bytes[60000];
	bool any = true;
	ssize_t n = -1;

	while (any) {
		any = false;
		while (peer >= 0 &&
			(n = (ssize_t)http2_take(client.http2, bytes, sizeof bytes)) > 0) {
			cr_assert_eq(send(peer, bytes, (size_t)n, MSG_NOSIGNAL), n);
			turns_run(&loop, 10);
			any = true;
		}
		turns_run(&loop, 10);
		while (peer >= 0 && (n = read(peer, bytes, sizeof bytes)) > 0) {
			http2_feed(client.http2, bytes, (size_t)n);
			any = true;
		}
		ended |= n == 0;
	}
}

static void setup(void)
{
	later = 0;
	rig_set_up(route);
	peer = rig_connect();
	cr_assert(h2_start(env.all));
	h2_client_start(&client);
	run();
}

static void teardown(void)
{
	rig_tear_down();
	h2_client_stop(&client);
	if (peer >= 0)
		close(peer);
}

TestSuite(h2, .init = setup, .fini = teardown);

static void pass(int64_t ms)
{
	rig_pass(ms);
	run();
}

static struct str field(const struct h2_client_stream *s, const char *name)
{
	for (unsigned i = 0; i < s->fields.n; i++)
		if (str_eq(s->fields.line[i].name, str_of(name)))
			return s->fields.line[i].value;
	return (struct str){ NULL, 0 };
}

static int status(const struct h2_client_stream *s)
{
	return s->answered ? s->http2.status : 0;
}

/* A request with a field more. */
static struct h2_client_stream *ask_with(const char *path, const char *name, const char *value)
{
	struct h2_client_stream *s = h2_client_new(&client, "GET", path);

	http2_head_add(&s->head, str_of(name), str_of(value));
	cr_assert(http2_request(client.http2, &s->http2, &s->head, false));
	run();
	return s;
}

static struct h2_client_stream *get(const char *path)
{
	struct h2_client_stream *s = h2_client_get(&client, path);

	run();
	return s;
}

Test(h2, answers_and_stays_open)
{
	struct h2_client_stream *s = get("/text");

	cr_expect_eq(status(s), 200);
	cr_expect_str_eq(s->body, "hello");
	cr_expect(str_eq(field(s, "content-type"), STR("text/plain")));
	cr_expect(str_eq(field(s, "content-length"), STR("5")));
	cr_expect_not_null(field(s, "date").p);
	cr_expect(str_eq(field(s, "server"), STR("latchd")));
	cr_expect_null(field(s, "connection").p);
	cr_expect(s->closed && s->code == 0);
	s = get("/missing");
	cr_expect_eq(status(s), 404);
	cr_expect_eq(board->slot[0].requests, 2);
	cr_expect_eq(board->slot[0].responses[2], 1);
	cr_expect_eq(board->slot[0].responses[4], 1);
	cr_expect_eq(gone, 0);
}

Test(h2, serves_many_streams_at_once)
{
	struct h2_client_stream *s[10];

	for (int i = 0; i < 10; i++)
		s[i] = h2_client_get(&client, i % 2 ? "/big" : "/text");
	run();
	for (int i = 0; i < 10; i++) {
		cr_expect_eq(status(s[i]), 200);
		cr_expect_eq(s[i]->nbody, i % 2 ? sizeof body_text : 5u);
		cr_expect_eq(memcmp(s[i]->body, i % 2 ? body_text : "hello", s[i]->nbody), 0);
	}
	cr_expect_null(env.all->streams);
}

Test(h2, head_and_empty_have_no_content)
{
	struct h2_client_stream *s = h2_client_new(&client, "HEAD", "/text"), *t;

	cr_assert(http2_request(client.http2, &s->http2, &s->head, false));
	t = get("/empty");
	cr_expect_eq(status(s), 200);
	cr_expect(str_eq(field(s, "content-length"), STR("5")));
	cr_expect_eq(s->nbody, 0);
	cr_expect(s->closed);
	cr_expect_eq(status(t), 204);
	cr_expect_null(field(t, "content-length").p);
}

Test(h2, reads_and_drops_a_body)
{
	struct h2_client_stream *s = h2_client_post(&client, "/text", 100);

	run();
	cr_expect_eq(status(s), 200);
	cr_expect(s->closed && s->code == 0);
}

Test(h2, a_body_larger_than_the_limit_is_answered_and_stopped)
{
	struct h2_client_stream *s = h2_client_post(&client, "/text", 101), *t;

	t = h2_client_new(&client, "POST", "/text");
	http2_head_add(&t->head, STR("content-length"), STR("101"));
	t->never_ends = true;
	cr_assert(http2_request(client.http2, &t->http2, &t->head, true));
	run();
	cr_expect_eq(status(s), 413);
	cr_expect_eq(status(t), 413, "before any of it has come");
	cr_expect(t->closed);
	cr_expect_eq(t->code, HTTP2_NO_ERROR);
	cr_expect_eq(status(get("/text")), 200);
	cr_expect_eq(env.all->h2 != NULL, true);
}

Test(h2, continues_before_a_body_that_is_wanted)
{
	struct h2_client_stream *s = h2_client_new(&client, "POST", "/text");

	http2_head_add(&s->head, STR("expect"), STR("100-continue"));
	s->never_ends = true;
	cr_assert(http2_request(client.http2, &s->http2, &s->head, true));
	run();
	cr_expect_eq(s->interim, 100);
	cr_expect_eq(status(s), 0);
	s->never_ends = false;
	http2_resume(client.http2, &s->http2);
	run();
	cr_expect_eq(status(s), 200);
}

Test(h2, refuses_instead_of_continuing)
{
	struct h2_client_stream *s = h2_client_new(&client, "POST", "/missing");

	http2_head_add(&s->head, STR("expect"), STR("100-continue"));
	s->never_ends = true;
	cr_assert(http2_request(client.http2, &s->http2, &s->head, true));
	run();
	cr_expect_eq(s->interim, 0);
	cr_expect_eq(status(s), 404);
	cr_expect(s->closed && s->code == 0);
	cr_expect_eq(status(ask_with("/text", "expect", "the-unexpected")), 417);
}

Test(h2, a_broken_source_resets_its_stream)
{
	struct h2_client_stream *s = get("/short");

	cr_expect(s->closed);
	cr_expect_eq(s->code, HTTP2_INTERNAL_ERROR);
	cr_expect_lt(s->nbody, 60000u);
	cr_expect_eq(status(get("/text")), 200, "others go on");
}

Test(h2, a_handler_may_take_several_turns)
{
	struct h2_client_stream *s = h2_client_get(&client, "/later"), *t = get("/text");

	cr_expect_eq(status(t), 200);
	cr_expect_eq(status(s), 200);
	cr_expect_str_eq(s->body, "late");
	cr_expect_eq(later, 4);
	later = 0;
	s = h2_client_post(&client, "/later", 5);
	run();
	cr_expect_str_eq(s->body, "late");
}

Test(h2, a_head_that_cannot_be_sent_is_500)
{
	cr_expect_eq(status(get("/long")), 500);
	cr_expect_eq(status(get("/split")), 500);
}

Test(h2, limits_of_the_head)
{
	struct h2_client_stream *s = h2_client_new(&client, "GET", "/text");
	char value[1000];

	memset(value, 'v', sizeof value - 1);
	value[sizeof value - 1] = '\0';
	cr_expect_eq(status(ask_with("/text", "x", value)), 431);
	for (int i = 0; i < 21; i++)
		http2_head_add(&s->head, STR("a"), STR("b"));
	cr_assert(http2_request(client.http2, &s->http2, &s->head, false));
	run();
	cr_expect_eq(status(s), 431);
}

/* RFC 9113 section 8.3.1. */
Test(h2, host_and_authority)
{
	struct h2_client_stream *s;

	cr_expect_eq(status(ask_with("/text", "host", "x")), 200);
	cr_expect_eq(status(ask_with("/text", "host", "X:443")), 200);
	cr_expect_eq(status(ask_with("/text", "host", "y")), 400);
	s = h2_client_new(&client, "GET", "/text");
	s->head.line[2].name = STR("host"); /* pseudo-header fields come first */
	s->head.line[2].value = STR("x");
	s->head.line[3].name = STR("host");
	s->head.line[2] = (typeof(s->head.line[2])){ STR(":path"), STR("/text") };
	s->head.line[3] = (typeof(s->head.line[3])){ STR("host"), STR("x") };
	cr_assert(http2_request(client.http2, &s->http2, &s->head, false));
	run();
	cr_expect_eq(status(s), 200, "Host alone will do");
}

Test(h2, connect_is_answered)
{
	struct h2_client_stream *s = h2_client_new(&client, "CONNECT", "");

	s->head.n = 2;
	s->head.line[1] = (typeof(s->head.line[1])){ STR(":authority"), STR("x:443") };
	cr_assert(http2_request(client.http2, &s->http2, &s->head, false));
	run();
	cr_expect_neq(status(s), 0);
}

Test(h2, an_idle_connection_is_told_before_it_ends)
{
	get("/text");
	pass(3900);
	cr_expect_not(ended);
	pass(200);
	cr_expect(ended);
	cr_expect(http2_is_over(client.http2));
	close(peer);
	peer = -1;
	run();
	cr_expect_eq(gone, 1);
	cr_expect_eq(board->slot[0].closures[CLOSURE_TIMEOUT], 1);
}

Test(h2, nothing_but_requests_keeps_it_from_being_idle)
{
	static const char ping[17] = { 0, 0, 8, 6 };

	for (int i = 0; i < 39 && !ended; i++) {
		cr_assert_eq(send(peer, ping, i % 2 ? 5 : sizeof ping, MSG_NOSIGNAL),
			(ssize_t)(i % 2 ? 5 : sizeof ping));
		if (i % 2)
			cr_assert_eq(send(peer, ping + 5, sizeof ping - 5, MSG_NOSIGNAL), 12);
		pass(100);
	}
	cr_expect_not(ended);
	pass(200);
	cr_expect(ended);
}

Test(h2, a_frame_that_does_not_end)
{
	static const char part[5] = { 0, 0, 8, 6, 0 };

	cr_assert_eq(send(peer, part, sizeof part, 0), 5);
	pass(0);
	pass(1900);
	cr_expect_not(ended);
	pass(200);
	cr_expect(ended);
}

Test(h2, a_head_that_does_not_end_among_streams)
{
	static const char part[12] = "\0\0\x05\x01\0\0\0\0\x63\x82\x87\x84";
	struct h2_client_stream *s = h2_client_post(&client, "/text", 10);

	s->never_ends = true;
	run();
	cr_assert_eq(send(peer, part, sizeof part, 0), 12);
	for (int i = 0; i < 19; i++)
		pass(100);
	cr_expect_not(ended);
	pass(300);
	cr_expect(ended);
}

Test(h2, a_body_that_does_not_come)
{
	struct h2_client_stream *s = h2_client_post(&client, "/text", 10);

	s->never_ends = true;
	run();
	pass(2900);
	cr_expect_eq(status(s), 0);
	pass(200);
	cr_expect_eq(status(s), 408);
	cr_expect(s->closed);
	cr_expect_eq(status(get("/text")), 200);
}

Test(h2, a_body_slower_than_the_least_rate)
{
	struct h2_client_stream *s = h2_client_post(&client, "/text", 1);

	limits.min_rate = 1000;
	s->never_ends = true;
	run();
	for (int i = 0; i < 8 && !s->answered; i++) {
		pass(900);
		s->to_send = 1;
		http2_resume(client.http2, &s->http2);
		run();
	}
	cr_expect_eq(status(s), 408);
	cr_expect_eq(status(get("/text")), 200);
	cr_expect_not(ended);
}

Test(h2, requests_between_do_not_excuse_a_slow_body)
{
	struct h2_client_stream *s = h2_client_post(&client, "/text", 1);

	limits.min_rate = 1000;
	s->never_ends = true;
	run();
	for (int i = 0; i < 16 && !s->answered; i++) {
		pass(900);
		s->to_send = 1;
		http2_resume(client.http2, &s->http2);
		cr_expect_eq(status(get("/text")), 200);
	}
	cr_expect_eq(status(s), 408);
	for (int i = 0; i < 8; i++) {
		pass(900);
		cr_expect_eq(status(get("/text")), 200, "what comes after it is no slower for it");
	}
	cr_expect_not(ended);
}

Test(h2, a_handler_is_not_bound_by_the_least_rate)
{
	struct h2_client_stream *s;

	limits.min_rate = 1000;
	later = -100000;
	s = h2_client_get(&client, "/later");
	for (int i = 0; i < 8; i++)
		pass(900);
	cr_expect_not(ended);
	cr_assert_lt(later, 0);
	later = 3;
	run();
	cr_expect_str_eq(s->body, "late");
}

Test(h2, a_handler_has_its_deadline)
{
	struct h2_client_stream *s[3];

	later = -1000000;
	for (int i = 0; i < 3; i++)
		s[i] = h2_client_get(&client, "/later");
	run();
	for (int i = 0; i < 29; i++)
		pass(1000);
	for (int i = 0; i < 3; i++)
		cr_expect_eq(status(s[i]), 0);
	pass(1100);
	for (int i = 0; i < 3; i++)
		cr_expect_eq(status(s[i]), 503);
	cr_expect_not(ended);
}

/* What frames of a type are there in what the server sent since; `*ret_last`: the last one's
 * payload. */
static unsigned raw_frames(unsigned char type, char *ret_last, size_t n)
{
	static char bytes[300000];
	size_t have = 0;
	unsigned found = 0;
	ssize_t got;

	turns_run(&loop, 10);
	while ((got = read(peer, bytes + have, sizeof bytes - have)) > 0) {
		have += (size_t)got;
		turns_run(&loop, 10);
	}
	for (const unsigned char *h = (void *)bytes; have >= 9;) {
		size_t length = (size_t)h[0] << 16 | (size_t)h[1] << 8 | h[2];

		cr_assert_leq(9 + length, have);
		if (h[3] == type) {
			found++;
			memcpy(ret_last, h + 9, n < length ? n : length);
		}
		h += 9 + length;
		have -= 9 + length;
	}
	return found;
}

static void raw_pass(int64_t ms)
{
	fake_clock_us += ms * 1000;
	clock_update();
	turns_run(&loop, 10);
}

/* Zero windows: the stream goes, the connection stays. */
Test(h2, a_stream_whose_window_stays_shut)
{
	static const char words[] = "\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0" /* SETTINGS */
				    "\0\0\x0b\x01\x05\0\0\0\x01\x82\x87\x04\x04/big\x41\x01x";
	static const char again[] = "\0\0\x0d\x01\x05\0\0\0\x03\x82\x87\x04\x06/empty\x41\x01x";
	char code[4] = "";

	cr_assert_gt(send(peer, words, sizeof words - 1, 0), 0);
	cr_expect_eq(raw_frames(1, code, 1), 1, "HEADERS");
	raw_pass(4900);
	cr_expect_eq(raw_frames(3, code, 4), 0);
	raw_pass(200);
	cr_expect_eq(raw_frames(3, code, 4), 1, "RST_STREAM");
	cr_expect_eq(code[3], HTTP2_CANCEL);
	cr_assert_gt(send(peer, again, sizeof again - 1, 0), 0);
	cr_expect_eq(raw_frames(1, code, 1), 1);
	cr_expect_eq(gone, 0);
}

Test(h2, requests_between_do_not_excuse_a_slow_reader)
{
	static const char words[] = "\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\1" /* SETTINGS */
				    "\0\0\x0b\x01\x05\0\0\0\x01\x82\x87\x04\x04/big\x41\x01x";
	char more[] = "\0\0\x04\x08\0\0\0\0\x01\0\0\0\x01" /* a byte more of it */
		      "\0\0\x0d\x01\x05\0\0\0\x03\x82\x87\x04\x06/empty\x41\x01x";
	char byte = 0;

	limits.min_rate = 1000;
	cr_assert_gt(send(peer, words, sizeof words - 1, 0), 0);
	raw_frames(0, &byte, 1);
	for (int i = 0; i < 16 && gone == 0; i++) {
		raw_pass(900);
		send(peer, more, sizeof more - 1, MSG_NOSIGNAL);
		raw_frames(0, &byte, 1);
		more[21] += 2;
	}
	cr_expect_eq(gone, 1);
	cr_expect_eq(board->slot[0].closures[CLOSURE_TIMEOUT], 1);
}

Test(h2, a_peer_that_reads_nothing_is_cut_off)
{
	static char request[2000];
	int small = 4096;

	setsockopt(peer, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	setsockopt(env.all->watch.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
	for (int i = 0; i < 5; i++)
		h2_client_get(&client, "/big");
	for (size_t n; (n = http2_take(client.http2, request, sizeof request)) > 0;)
		cr_assert_eq(send(peer, request, n, 0), (ssize_t)n);
	turns_run(&loop, 50);
	cr_expect_gt(buf_len(&env.all->session.pending), 0u);
	fake_clock_us += 4900 * 1000;
	clock_update();
	turns_run(&loop, 50);
	cr_expect_eq(gone, 0);
	fake_clock_us += 200 * 1000;
	clock_update();
	turns_run(&loop, 50);
	cr_expect_eq(gone, 1);
	cr_expect_eq(board->slot[0].closures[CLOSURE_TIMEOUT], 1);
}

Test(h2, so_many_requests_and_no_more)
{
	struct h2_client_stream *s;

	limits.requests_per_connection = 2;
	cr_expect_eq(status(get("/text")), 200);
	cr_expect_eq(status(get("/big")), 200);
	cr_expect(ended);
	s = h2_client_new(&client, "GET", "/text");
	cr_expect_not(http2_request(client.http2, &s->http2, &s->head, false));
}

Test(h2, a_drain_lets_streams_end)
{
	struct h2_client_stream *s = h2_client_post(&client, "/text", 10), *t;

	s->never_ends = true;
	run();
	env.draining = true;
	conn_close_idle(&env, 500);
	t = get("/text"); /* on its way when the notice was sent */
	cr_expect_eq(status(t), 200);
	cr_expect_not(ended);
	fake_clock_us += 1100 * 1000;
	clock_update();
	conn_close_idle(&env, 500);
	run();
	cr_expect_not(ended, "a request is not whole yet");
	s->never_ends = false;
	http2_resume(client.http2, &s->http2);
	run();
	cr_expect_eq(status(s), 200);
	cr_expect(ended);
}

Test(h2, a_drain_ends_idle_ones)
{
	get("/text");
	fake_clock_us += 600 * 1000;
	clock_update();
	conn_close_idle(&env, 500);
	run();
	cr_expect(ended);
	cr_expect(http2_is_over(client.http2));
	cr_expect_null(http2_reason(client.http2));
}

Test(h2, the_end_of_the_worker)
{
	struct h2_client_stream *s = h2_client_post(&client, "/text", 10);

	s->never_ends = true;
	run();
	conn_close_all(&env);
	run();
	cr_expect(ended);
	cr_expect_eq(gone, 1);
	cr_expect_not(s->answered);
}

Test(h2, what_breaks_the_rules_ends_it)
{
	static const char bad[14] = { 0, 0, 5, 0, 0, 0, 0, 0, 0 }; /* DATA on stream 0 */

	cr_assert_eq(send(peer, bad, sizeof bad, 0), 14);
	run();
	cr_expect(ended);
	cr_expect_eq(board->slot[0].floods, 0);
}

Test(h2, floods_are_counted)
{
	static char pings[17 * 1600];

	for (int i = 0; i < 1600; i++)
		memcpy(pings + 17 * i, "\0\0\x08\x06", 5);
	cr_assert_eq(send(peer, pings, sizeof pings, 0), (ssize_t)sizeof pings);
	run();
	cr_expect(ended);
	cr_expect_eq(board->slot[0].floods, 1);
}

Test(h2, the_peers_end_is_the_end)
{
	get("/text");
	shutdown(peer, SHUT_WR);
	run();
	cr_expect(ended);
	cr_expect_eq(gone, 1);
	cr_expect_eq(board->slot[0].closures[CLOSURE_CLEAN], 1);
}
