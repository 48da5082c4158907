/* HTTP/1.1 on one connection: reads heads, lets the route answer, drops request content that no
 * handler wants, seals responses into full records. A turn goes on until it needs the peer, or the
 * connection is gone; then everything that gathered leaves in one send().
 *
 * It refuses to guess: what http/head and http/body call malformed is answered and closed. */
#include "protocol/h1.h"

#include <assert.h>

#include "base/clock.h"
#include "ipc/board.h"
#include "protocol/exchange.h"
#include "protocol/report.h"
#include "protocol/response.h"

enum step {
	STEP_AGAIN, /* the state has changed, go on */
	STEP_READ,  /* more input is needed */
	STEP_WRITE, /* the socket is full, or others must have their turn */
	STEP_GONE,  /* the connection is gone */
};

/* One call of h1_run(): the input that is not consumed yet, in env->input or in c->h1.in. */
struct turn {
	struct conn *c;
	const char *p;
	size_t n;
	bool owned;    /* p is in c->h1.in */
	bool has_read; /* asking the socket (again) is of no use before the next event */
	bool routed;   /* a handler that has not answered was called in this turn */
	int reads;
	uint64_t sent_before; /* the session's bytes_out when the turn began */
	uint64_t requests_before;
};

/* ---- input ------------------------------------------------------------------ */

static void input_consume(struct turn *t, size_t n)
{
	t->p += n;
	t->n -= n;
	if (t->owned)
		buf_consume(&t->c->h1.in, n);
}

/* What is left over outlives the turn only in the connection's own buffer. */
static bool input_keep(struct turn *t)
{
	if (!t->owned && t->n > 0) {
		if (!buf_append(&t->c->h1.in, t->p, t->n))
			return false;
		t->p = buf_head(&t->c->h1.in);
		t->owned = true;
	}
	if (buf_len(&t->c->h1.in) == 0)
		buf_done(&t->c->h1.in);
	return true;
}

static enum io_status input_fill(struct turn *t)
{
	struct conn *c = t->c;
	enum io_status status;
	char *room = c->env->input;
	size_t got;

	if (t->n > 0) {
		if (!input_keep(t) || !(room = buf_reserve(&c->h1.in, SESSION_READ_MAX)))
			return IO_FAIL;
	}
	status = session_read(&c->session, room, SESSION_READ_MAX, &got);
	if (t->n > 0) {
		if (status == IO_OK)
			buf_commit(&c->h1.in, got);
		t->p = buf_head(&c->h1.in);
		t->n = buf_len(&c->h1.in);
		return status;
	}
	if (status == IO_OK) {
		t->p = room;
		t->n = got;
		t->owned = false;
	}
	return status;
}

/* More input, or what to do without. */
static enum step need_input(struct turn *t)
{
	struct conn *c = t->c;
	enum io_status status;

	if (t->has_read && !session_has_input(&c->session))
		return STEP_READ;
	if (t->reads++ == CONN_READS_A_TURN)
		return STEP_WRITE;
	t->has_read = true;
	status = input_fill(t);
	switch (status) {
	case IO_OK:
		return STEP_AGAIN;
	case IO_WANT_READ:
		return STEP_READ;
	case IO_WANT_WRITE:
		return STEP_WRITE;
	case IO_EOF:
	case IO_TRUNCATED:
		conn_close(c); /* nothing whole is waiting: an unfinished request is nobody's */
		return STEP_GONE;
	case IO_RESET:
	case IO_FAIL:
		break;
	}
	conn_abort(c, status);
	return STEP_GONE;
}

/* ---- response --------------------------------------------------------------- */

static enum step flush_some(struct turn *t)
{
	uint64_t before = t->c->session.bytes_out;
	enum io_status status = session_flush(&t->c->session);

	/* a head has its own deadline, whatever is sent meanwhile */
	if (t->c->session.bytes_out != before && t->c->state != CONN_HEADER)
		conn_touch(t->c);
	if (status == IO_OK)
		return STEP_AGAIN;
	if (status == IO_WANT_WRITE)
		return STEP_WRITE;
	conn_abort(t->c, status);
	return STEP_GONE;
}

static enum step response_done(struct conn *c)
{
	exchange_close(c->streams);
	if (!c->h1.keep_alive) {
		conn_close(c);
		return STEP_GONE;
	}
	conn_enter(c, CONN_IDLE, "waiting for a request", c->watch.events);
	return STEP_AGAIN;
}

/* Another answer instead of the handler's, and the end of the connection. */
static enum step reply_error(struct turn *t, int status, const char *reason)
{
	struct conn *c = t->c;

	if (!c->streams && !exchange_open(c)) {
		conn_close(c);
		return STEP_GONE;
	}
	exchange_refuse(c->streams, status, reason);
	c->h1.keep_alive = false;
	c->state = CONN_RESPONSE;
	return STEP_AGAIN;
}

/* Is the handler still at it? Asks it, once a turn. */
static bool is_waiting(const struct turn *t)
{
	struct stream *s = t->c->streams;

	return s && !s->response.status && (t->routed || !exchange_route(s));
}

/* Not all of the response can be made or sent. */
static enum step response_failed(struct turn *t, enum io_status status)
{
	struct conn *c = t->c;

	if (status != IO_FAIL && status != IO_EOF) {
		conn_abort(c, status);
		return STEP_GONE;
	}
	if (!c->streams->head_written && c->streams->response.status != 500)
		return reply_error(
			t, 500, status == IO_FAIL ? "the head of the response is too large" : NULL);
	if (status == IO_FAIL && c->streams->head_written)
		report_tls(c);
	c->h1.keep_alive = false;
	return response_done(c);
}

static enum step step_response(struct turn *t)
{
	struct conn *c = t->c;
	struct stream *s = c->streams;
	bool first = s && !s->head_written;
	size_t room = response_room(c);
	enum io_status status;

	/* A head, and a record that is worth its cost, fit in this much. */
	if (room < SESSION_READ_MAX) {
		enum step step = flush_some(t);

		if (step != STEP_AGAIN)
			return step;
		room = response_room(c);
	}
	if (!first && response_left(s) == 0)
		return response_done(c);
	if (c->session.bytes_out - t->sent_before >= CONN_SENT_A_TURN)
		return STEP_WRITE;
	status = response_produce(c, room);
	if (status == IO_WANT_WRITE)
		return STEP_WRITE;
	if (status != IO_OK)
		return response_failed(t, status);
	return response_left(s) == 0 ? response_done(c) : STEP_AGAIN;
}

/* ---- request ---------------------------------------------------------------- */

static bool asks_keep_alive(const struct conn *c, const struct request *r)
{
	uint64_t most = c->env->limits->requests_per_connection;

	if (c->env->draining || (most && c->requests >= most))
		return false;
	if (r->version == HTTP_VERSION_1_0)
		return r->authority.n > 0 &&
		       fields_has_token(&r->fields, FIELD_CONNECTION, STR("keep-alive"));
	return !fields_has_token(&r->fields, FIELD_CONNECTION, STR("close"));
}

static enum step begin_body(struct turn *t, struct body_framing framing)
{
	struct conn *c = t->c;
	struct request *r = &c->streams->request;
	bool expects = fields_has(&r->fields, FIELD_EXPECT) && r->version != HTTP_VERSION_1_0;

	if (expects && c->streams->response.status >= 400) {
		c->h1.keep_alive = false; /* whether the content follows cannot be known */
		c->state = CONN_RESPONSE;
		return STEP_AGAIN;
	}
	if (expects && t->n == 0) {
		struct str interim = STR("HTTP/1.1 100 Continue\r\n\r\n");
		size_t n;

		if (session_write(&c->session, interim.p, interim.n, &n) != IO_OK)
			return reply_error(t, 503, "no room for 100 Continue");
	}
	body_start(&c->h1.body, framing);
	conn_enter(c, CONN_BODY, "reading a request body", c->watch.events);
	return STEP_AGAIN;
}

/* The head is parsed and is the stream's own: answer it, then read the content if there is any. */
static enum step serve(struct turn *t)
{
	struct conn *c = t->c;
	struct stream *s = c->streams;
	struct request *r = &s->request;
	struct body_framing framing;
	struct http_error error;

	c->h1.keep_alive = asks_keep_alive(c, r);
	if (body_frame_request(r, &framing, &error) || exchange_serve(s, framing, &error))
		return reply_error(t, error.status, error.reason);
	t->routed = s->response.status == 0;
	if (framing.kind == BODY_NONE || (framing.kind == BODY_LENGTH && framing.length == 0)) {
		c->state = CONN_RESPONSE;
		return STEP_AGAIN;
	}
	return begin_body(t, framing);
}

static enum step step_head(struct turn *t)
{
	struct conn *c = t->c;
	enum parse_status status;
	struct http_error error;
	struct stream *s;
	size_t used;
	char *own;

	if (t->n == 0)
		return need_input(t);
	if (c->requests >= t->requests_before + CONN_REQUESTS_A_TURN)
		return STEP_WRITE;
	s = exchange_next(c->env);
	if (!s) {
		conn_close(c);
		return STEP_GONE;
	}
	crumb_input(&c->env->counters->crumb, t->p, t->n);
	status = head_parse_request(
		&c->h1.scan, t->p, t->n, &c->env->limits->head, &s->request, &used, &error);
	if (status == PARSE_MORE) {
		request_clear(&s->request);
		return need_input(t);
	}
	memset(&c->h1.scan, 0, sizeof c->h1.scan);
	if (status == PARSE_BAD) {
		request_clear(&s->request);
		return reply_error(t, error.status, error.reason);
	}
	exchange_open(c);
	own = arena_alloc(&s->arena, used);
	if (!own) {
		request_clear(&s->request);
		return reply_error(t, 500, "out of memory");
	}
	memcpy(own, t->p, used);
	message_rebase(&s->request, t->p, used, own);
	input_consume(t, used);
	return serve(t);
}

static enum step step_body(struct turn *t)
{
	struct conn *c = t->c;
	struct http_error error;
	struct str content;
	size_t used;

	if (t->n == 0)
		return need_input(t);
	switch (body_decode(&c->h1.body, t->p, t->n, &used, &content, &error)) {
	case PARSE_MORE:
		input_consume(t, used);
		if (used == 0)
			return need_input(t);
		break;
	case PARSE_BAD:
		return reply_error(t, error.status, error.reason);
	case PARSE_DONE:
		input_consume(t, used);
		c->state = CONN_RESPONSE;
		break;
	}
	if (c->h1.body.content > (uint64_t)c->env->limits->body_size)
		return reply_error(t, 413, "the request body is larger than limits.body_size");
	return STEP_AGAIN;
}

/* ---- turns ------------------------------------------------------------------ */

static enum step run_steps(struct turn *t)
{
	enum step step;

	do {
		switch (t->c->state) {
		case CONN_IDLE:
		case CONN_HEADER:
			step = step_head(t);
			break;
		case CONN_BODY:
			step = step_body(t);
			break;
		case CONN_RESPONSE:
			if (is_waiting(t)) {
				rate_begin(t->c);
				step = STEP_WRITE;
			} else {
				step = step_response(t);
			}
			break;
		case CONN_HANDSHAKE:
		case CONN_CLOSING:
		default:
			assert(!"a state that is not HTTP's");
			return STEP_GONE;
		}
	} while (step == STEP_AGAIN);
	return step;
}

static void finish_turn(struct turn *t, enum step step)
{
	struct conn *c = t->c;
	enum io_status status = IO_WANT_WRITE;

	if (!input_keep(t)) {
		conn_close(c);
		return;
	}
	/* Always: what is left in the output buffer would be in the next session's way. */
	if (buf_len(&c->session.pending) == 0)
		status = session_flush(&c->session);
	if (status == IO_OK && step == STEP_WRITE)
		status = IO_WANT_WRITE;
	if (status == IO_WANT_WRITE)
		conn_enter(c, c->state, "sending a response", LOOP_WRITE);
	else if (status != IO_OK)
		conn_abort(c, status);
	else if (c->state == CONN_BODY)
		conn_enter(c, CONN_BODY, "reading a request body", LOOP_READ);
	else if (t->n > 0)
		conn_enter(c, CONN_HEADER, "reading a request head", LOOP_READ);
	else
		conn_enter(c, CONN_IDLE, "waiting for a request", LOOP_READ);
}

static void run_turn(struct turn *t)
{
	enum step step = run_steps(t);

	if (step != STEP_GONE)
		finish_turn(t, step);
}

static void h1_run(struct conn *c, bool readable)
{
	struct turn t = { .c = c,
		.has_read = !readable,
		.sent_before = c->session.bytes_out,
		.requests_before = c->requests };

	if (buf_len(&c->session.pending) > 0) {
		enum step step = flush_some(&t);

		if (step == STEP_GONE)
			return;
		if (buf_len(&c->session.pending) > 0) {
			loop_watch(c->env->loop, &c->watch, LOOP_WRITE);
			return;
		}
	}
	if (buf_len(&c->h1.in) > 0) {
		t.p = buf_head(&c->h1.in);
		t.n = buf_len(&c->h1.in);
		t.owned = true;
	}
	run_turn(&t);
}

static void h1_timeout(struct conn *c)
{
	struct turn t = {
		.c = c, .sent_before = c->session.bytes_out, .requests_before = c->requests
	};

	if (c->state == CONN_RESPONSE) {
		conn_stuck(c);
		return;
	}
	c->timed_out = true;
	if (c->state == CONN_IDLE)
		conn_close(c);
	else if (reply_error(&t, 408, "the request did not come within its deadline") != STEP_GONE)
		run_turn(&t);
}

static void h1_done(struct conn *c)
{
	buf_done(&c->h1.in);
}

void h1_init(struct conn *c)
{
	buf_init(&c->h1.in, c->env->limits->head.size + SESSION_READ_MAX);
}

/* The next response says it (asks_keep_alive()). */
static void h1_drain(struct conn *c)
{
	(void)c;
}

static void h1_goodbye(struct conn *c)
{
	(void)c;
}

const struct conn_protocol h1_protocol = { false, h1_run, h1_timeout, h1_drain, h1_goodbye,
	h1_done };
