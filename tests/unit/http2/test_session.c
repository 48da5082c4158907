/* Client and server sessions over memory: what one says the other hears, and what neither puts up
 * with. Hand-made bytes stand for peers that break the rules. */
#include <stdio.h>

#include "h2_client.h"

struct server_stream {
	struct http2_stream http2; /* first */
	struct fields fields;
	struct arena arena;
	size_t left; /* content to send */
	bool breaks, waits;
	size_t received;
	bool asked, ended, closed;
	uint32_t code;
};

static struct h2_client client;
static struct http2 *server;
static struct server_stream *streams[300];
static unsigned nstreams;
static bool refuse;
static void (*answer)(struct server_stream *s);

static struct http2_stream *on_open(void *owner, int32_t id)
{
	struct server_stream *s;

	(void)owner, (void)id;
	if (refuse)
		return NULL;
	s = calloc(1, sizeof *s);
	streams[nstreams++] = s;
	arena_init(&s->arena, 1 << 20);
	s->http2.fields = &s->fields;
	s->http2.arena = &s->arena;
	return &s->http2;
}

static void respond(struct server_stream *s, size_t content)
{
	struct http2_head head = { .n = 0 };

	s->left = content;
	http2_head_add(&head, STR(":status"), STR("200"));
	http2_head_add(&head, STR("x-test"), STR("yes"));
	cr_expect(http2_respond(server, &s->http2, &head, content > 0));
}

static void on_head(void *owner, struct http2_stream *hs, bool ended)
{
	struct server_stream *s = (struct server_stream *)hs;

	(void)owner;
	s->asked = true;
	s->ended = ended;
	if (answer)
		answer(s);
}

static void on_data(void *owner, struct http2_stream *hs, const char *p, size_t n)
{
	(void)owner, (void)p;
	((struct server_stream *)hs)->received += n;
}

static void on_end(void *owner, struct http2_stream *hs)
{
	(void)owner;
	((struct server_stream *)hs)->ended = true;
}

static void on_close(void *owner, struct http2_stream *hs, uint32_t code)
{
	(void)owner;
	((struct server_stream *)hs)->closed = true;
	((struct server_stream *)hs)->code = code;
}

static ssize_t on_read(void *owner, struct http2_stream *hs, char *p, size_t n, bool *ret_last)
{
	struct server_stream *s = (struct server_stream *)hs;

	(void)owner;
	if (s->breaks)
		return -1;
	if (s->waits)
		return 0;
	n = n < s->left ? n : s->left;
	memset(p, 'y', n);
	s->left -= n;
	*ret_last = s->left == 0;
	return (ssize_t)n;
}

static void setup(void)
{
	static const struct http2_events events = { on_open, on_head, on_data, on_end, on_close,
		on_read };
	struct http2_limits limits = { true, 20, 1000, 10 };

	h2_client_start(&client);
	server = http2_new(&limits, &events, NULL);
	cr_assert_not_null(server);
}

static void teardown(void)
{
	http2_free(server);
	h2_client_stop(&client);
	for (unsigned i = 0; i < nstreams; i++) {
		arena_done(&streams[i]->arena);
		free(streams[i]);
	}
}

TestSuite(session, .init = setup, .fini = teardown);

static bool carry(struct http2 *from, struct http2 *to, size_t room)
{
	static char bytes[70000];
	size_t n = http2_take(from, bytes, room);

	cr_assert_leq(n, room);
	if (n > 0)
		http2_feed(to, bytes, n);
	return n > 0;
}

/* Both ways until neither has anything to say. */
static void run(void)
{
	bool any = true;

	while (any) {
		any = carry(client.http2, server, 60000);
		any |= carry(server, client.http2, 60000);
	}
}

static void answer_empty(struct server_stream *s)
{
	respond(s, 0);
}

static void answer_long(struct server_stream *s)
{
	respond(s, 300000);
}

Test(session, a_request_and_its_response)
{
	struct h2_client_stream *s = h2_client_get(&client, "/a?b");

	answer = answer_empty;
	run();
	cr_assert_eq(nstreams, 1);
	cr_expect(streams[0]->asked && streams[0]->ended && streams[0]->closed);
	cr_expect(str_eq(streams[0]->http2.method, STR("GET")));
	cr_expect(str_eq(streams[0]->http2.path, STR("/a?b")));
	cr_expect(str_eq(streams[0]->http2.authority, STR("x")));
	cr_expect(str_eq(streams[0]->http2.scheme, STR("https")));
	cr_expect_eq(s->http2.status, 200);
	cr_expect(s->answered && s->ended && s->closed);
	cr_expect_eq(s->code, 0);
	cr_expect(str_eq(s->fields.line[0].name, STR("x-test")));
	cr_expect_not(http2_is_over(server));
}

Test(session, content_both_ways_in_buffers_of_any_size)
{
	struct h2_client_stream *s;

	answer = answer_long;
	for (size_t room = HTTP2_TAKE_MIN; room < 60000; room += 7001) {
		bool any = true;

		s = h2_client_post(&client, "/", 100000);
		while (any) {
			any = carry(client.http2, server, room);
			any |= carry(server, client.http2, room);
		}
		cr_expect_eq(streams[nstreams - 1]->received, 100000);
		cr_expect(streams[nstreams - 1]->ended);
		cr_expect_eq(s->nbody, 300000);
		cr_expect(s->closed && s->code == 0);
	}
}

Test(session, interim_responses)
{
	struct h2_client_stream *s = h2_client_new(&client, "POST", "/");

	s->never_ends = true;
	http2_request(client.http2, &s->http2, &s->head, true);
	run();
	cr_expect(http2_interim(server, &streams[0]->http2, STR("100")));
	run();
	cr_expect_eq(s->interim, 100);
	cr_expect_not(s->answered);
	respond(streams[0], 0);
	run();
	cr_expect_eq(s->http2.status, 200);
}

Test(session, content_that_waits_goes_on_when_told)
{
	struct h2_client_stream *s = h2_client_get(&client, "/");

	run();
	streams[0]->waits = true;
	respond(streams[0], 10);
	run();
	cr_expect(s->answered);
	cr_expect_eq(s->nbody, 0);
	streams[0]->waits = false;
	run();
	cr_expect_eq(s->nbody, 0, "nobody has told");
	http2_resume(server, &streams[0]->http2);
	run();
	cr_expect_eq(s->nbody, 10);
	cr_expect(s->closed);
}

Test(session, content_that_breaks_resets_its_stream_alone)
{
	struct h2_client_stream *s = h2_client_get(&client, "/"), *t;

	run();
	streams[0]->breaks = true;
	respond(streams[0], 10);
	t = h2_client_get(&client, "/");
	answer = answer_long;
	run();
	cr_expect(s->closed);
	cr_expect_eq(s->code, HTTP2_INTERNAL_ERROR);
	cr_expect_eq(t->nbody, 300000);
}

Test(session, a_head_larger_than_the_limits_is_marked)
{
	struct h2_client_stream *s = h2_client_new(&client, "GET", "/"),
				*t = h2_client_new(&client, "GET", "/");
	static char large[900];

	answer = answer_empty;
	memset(large, 'v', sizeof large);
	http2_head_add(&s->head, STR("x-large"), (struct str){ large, sizeof large });
	cr_assert(http2_request(client.http2, &s->http2, &s->head, false));
	for (int i = 0; i < 11; i++)
		http2_head_add(&t->head, STR("x"), STR("y"));
	cr_assert(http2_request(client.http2, &t->http2, &t->head, false));
	run();
	cr_expect(streams[0]->http2.too_large, "in bytes");
	cr_expect(streams[1]->http2.too_large, "in lines");
	cr_expect_eq(streams[1]->fields.n, 10);
	cr_expect(s->closed && t->closed, "they can be answered");
}

Test(session, heads_of_all_open_streams_have_a_limit_in_all)
{
	static char large[700];
	unsigned too_large = 0;

	memset(large, 'v', sizeof large);
	run();
	for (int i = 0; i < 20; i++) { /* 906 bytes each, of 16000 */
		struct h2_client_stream *s = h2_client_new(&client, "GET", "/");

		http2_head_add(&s->head, STR("x-large"), (struct str){ large, sizeof large });
		cr_assert(http2_request(client.http2, &s->http2, &s->head, false));
	}
	run();
	cr_assert_eq(nstreams, 20);
	for (int i = 0; i < 20; i++)
		too_large += streams[i]->http2.too_large;
	cr_expect_eq(too_large, 3);
	for (int i = 0; i < 20; i++)
		respond(streams[i], 0);
	run();
	answer = answer_empty;
	h2_client_get(&client, "/");
	run();
	cr_expect_not(streams[20]->http2.too_large, "the others are gone");
	cr_expect(streams[20]->closed);
}

Test(session, a_head_that_unfolds_to_a_mass_ends_the_connection)
{
	struct h2_client_stream *s = h2_client_new(&client, "GET", "/");
	static char large[1500];

	memset(large, 'v', sizeof large);
	for (int i = 0; i < 6; i++) /* indexed after the first: a byte each */
		http2_head_add(&s->head, STR("x-large"), (struct str){ large, sizeof large });
	http2_request(client.http2, &s->http2, &s->head, false);
	run();
	cr_expect(http2_is_flooded(server));
	cr_expect_not_null(http2_reason(server));
	cr_expect(http2_is_over(server));
	cr_expect_not(s->answered);
}

Test(session, more_streams_than_allowed_wait)
{
	run();
	for (int i = 0; i < 50; i++)
		h2_client_get(&client, "/");
	run();
	cr_expect_eq(nstreams, 20, "the client knows and waits");
	answer = answer_empty;
	for (int i = 0; i < 20; i++)
		respond(streams[i], 0);
	run();
	cr_expect_eq(nstreams, 50);
	for (int i = 0; i < 50; i++)
		cr_expect(client.stream[i]->closed && client.stream[i]->code == 0);
}

Test(session, an_owner_may_refuse)
{
	struct h2_client_stream *s = h2_client_get(&client, "/");

	refuse = true;
	run();
	cr_expect(s->closed);
	cr_expect_neq(s->code, 0);
	refuse = false;
	answer = answer_empty;
	s = h2_client_get(&client, "/");
	run();
	cr_expect_eq(s->http2.status, 200);
}

Test(session, a_shutdown_in_two_steps)
{
	struct h2_client_stream *s = h2_client_get(&client, "/"), *t;

	run();
	http2_notice(server);
	run();
	cr_expect_not(http2_is_over(server));
	http2_goaway(server, HTTP2_NO_ERROR);
	run();
	cr_expect_not(http2_is_over(server), "a stream is open");
	t = h2_client_new(&client, "GET", "/");
	cr_expect_not(
		http2_request(client.http2, &t->http2, &t->head, false) && (run(), t->answered),
		"no more streams");
	respond(streams[0], 100);
	run();
	cr_expect_eq(s->nbody, 100);
	cr_expect(http2_is_over(server));
	cr_expect_null(http2_reason(server));
}

Test(session, garbage_is_no_connection)
{
	char out[200];

	cr_expect_not(http2_feed(server, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27));
	cr_expect_not_null(http2_reason(server));
	while (http2_take(server, out, sizeof out < HTTP2_TAKE_MIN ? HTTP2_TAKE_MIN : 0) > 0)
		;
	cr_expect(http2_is_over(server));
}

/* A frame by hand. */
static void feed_frame(
	unsigned char type, unsigned char flags, uint32_t id, const char *p, size_t n)
{
	char frame[64] = { 0, 0, (char)n, (char)type, (char)flags, (char)(id >> 24),
		(char)(id >> 16), (char)(id >> 8), (char)id };

	cr_assert_leq(n, sizeof frame - 9);
	memcpy(frame + 9, p, n);
	http2_feed(server, frame, 9 + n);
}

static unsigned drain(void)
{
	static char out[60000];
	unsigned n = 0;

	while (http2_take(server, out, sizeof out) > 0)
		n++;
	return n;
}

Test(session, a_flood_ends_the_connection)
{
	unsigned n = 0;

	run();
	for (; n < 2000 && !http2_is_over(server); n++) {
		feed_frame(6, 0, 0, "12345678", 8);
		drain();
	}
	cr_expect_lt(n, 1600u);
	cr_expect(http2_is_flooded(server));
}

/* CVE-2023-44487. */
Test(session, rapid_resets_end_the_connection)
{
	unsigned n = 0;

	run();
	for (; n < 2000 && !http2_is_over(server); n++) {
		/* :method GET, :scheme https, :path /, :authority x */
		feed_frame(1, 5, 2 * n + 1, "\x82\x87\x84\x41\x01x", 6);
		feed_frame(3, 0, 2 * n + 1, "\0\0\0\x08", 4);
		drain();
	}
	cr_expect_lt(n, 500u);
	cr_expect(http2_is_flooded(server));
}

/* CVE-2025-8671: the server is made to reset by errors of the peer. */
Test(session, resets_of_our_own_count_too)
{
	unsigned n = 0;

	run();
	for (; n < 290 && !http2_is_over(server); n++) {
		feed_frame(1, 5, 2 * n + 1, "\x82\x87\x84\x41\x01x", 6);
		feed_frame(8, 0, 2 * n + 1, "\x7f\xff\xff\xff", 4); /* WINDOW_UPDATE */
		drain();
	}
	cr_expect_lt(n, 290u);
	cr_expect(http2_is_flooded(server), "%s after %u", http2_reason(server), n);
}

/* Frames that bring nothing are not paid for by the pieces of one that does. */
Test(session, a_frame_pays_once)
{
	unsigned n = 0;

	run();
	feed_frame(1, 4, 1, "\x83\x87\x84\x41\x01x", 6); /* POST */
	for (; n < 2000 && !http2_is_over(server); n++) {
		feed_frame(6, 0, 0, "12345678", 8);
		http2_feed(server, "\0\0\x05\0\0\0\0\0\x01", 9);
		for (int i = 0; i < 5; i++)
			http2_feed(server, "x", 1);
		drain();
	}
	cr_expect_lt(n, 1600u);
	cr_expect(http2_is_flooded(server));
}

Test(session, many_requests_are_no_flood)
{
	answer = answer_empty;
	for (int round = 0; round < 200; round++) {
		struct h2_client_stream *s = h2_client_get(&client, "/");

		run();
		cr_assert(s->closed && s->code == 0, "round %d", round);
	}
	cr_expect_not(http2_is_flooded(server));
}
