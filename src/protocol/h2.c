/* HTTP/2 on one connection. A turn reads what has come, lets http2/session make requests of it, and
 * writes what the streams have to say into full records, in the order of their priorities; then
 * everything leaves in one send(). While the peer does not take what we have, nothing more of it is
 * read: what a peer can make us remember is bounded by its streams.
 * What streams do is h2_streams' business; each has a deadline in every state, as a connection. */
#include "protocol/h2.h"

#include <stdlib.h>

#include "base/clock.h"
#include "ipc/board.h"
#include "protocol/h2_streams.h"
#include "protocol/report.h"
#include "protocol/response.h"

enum step {
	STEP_AGAIN, /* go on */
	STEP_READ,  /* more input is needed */
	STEP_WRITE, /* the socket is full, or others must have their turn */
	STEP_GONE,  /* the connection is gone */
};

enum {
	READS_A_REPLY = 4, /* of them before what they ask for is written */
	NOTICE_MS = 1000,  /* from the notice of a shutdown until what still comes is late */
};

/* One call of h2_run(). */
struct turn {
	struct conn *c;
	bool has_read; /* asking the socket (again) is of no use before the next event */
	int reads;
	uint64_t sent_before; /* the session's bytes_out when the turn began */
	uint64_t requests_before;
};

/* ---- turns ------------------------------------------------------------------ */

/* One buffer full. */
static enum io_status write_some(struct conn *c, size_t room, size_t *ret_n)
{
	char *out = c->env->output;
	size_t n = http2_take(c->h2->http2, out, room < CONN_OUTPUT_MAX ? room : CONN_OUTPUT_MAX);
	enum io_status status;
	size_t took;

	*ret_n = n;
	if (n == 0)
		return IO_OK;
	status = session_write(&c->session, out, n, &took);
	/* `room` said that it fits: only memory can have failed, and the rest is lost */
	return status == IO_OK && took != n ? IO_RESET : status;
}

static enum step flush_some(struct turn *t)
{
	uint64_t before = t->c->session.bytes_out;
	enum io_status status = session_flush(&t->c->session);

	if (t->c->session.bytes_out != before)
		conn_touch(t->c);
	if (status == IO_OK)
		return STEP_AGAIN;
	if (status == IO_WANT_WRITE)
		return STEP_WRITE;
	conn_abort(t->c, status);
	return STEP_GONE;
}

/* Writes all that there is to say. */
static enum step step_write(struct turn *t)
{
	struct conn *c = t->c;

	for (;;) {
		size_t room = response_room(c), n;
		enum io_status status;

		if (room < SESSION_READ_MAX) {
			enum step step = flush_some(t);

			if (step != STEP_AGAIN)
				return step;
			continue;
		}
		if (c->session.bytes_out - t->sent_before >= CONN_SENT_A_TURN)
			return STEP_WRITE;
		status = write_some(c, room, &n);
		if (status != IO_OK) {
			conn_abort(c, status);
			return STEP_GONE;
		}
		if (n == 0 && c->h2->cuts == 0)
			return STEP_AGAIN;
		if (c->h2->cuts > 0)
			h2_streams_cut(c);
		if (n == 0)
			return STEP_AGAIN;
	}
}

/* Reads and understands one buffer full. */
static enum step step_read(struct turn *t)
{
	struct conn *c = t->c;
	enum io_status status;
	size_t n;

	if (c->h2->peer_ended || (t->has_read && !session_has_input(&c->session)))
		return STEP_READ;
	if (t->reads == CONN_READS_A_TURN ||
		c->requests >= t->requests_before + CONN_REQUESTS_A_TURN) /* may sink */
		return STEP_WRITE;
	t->reads++;
	t->has_read = true;
	status = session_read(&c->session, c->env->input, SESSION_READ_MAX, &n);
	switch (status) {
	case IO_OK:
		return http2_feed(c->h2->http2, c->env->input, n) ? STEP_AGAIN : STEP_READ;
	case IO_WANT_READ:
		return STEP_READ;
	case IO_WANT_WRITE:
		return STEP_WRITE;
	case IO_EOF:
	case IO_TRUNCATED:
		c->h2->peer_ended = true;
		return STEP_READ;
	case IO_RESET:
	case IO_FAIL:
		break;
	}
	conn_abort(c, status);
	return STEP_GONE;
}

static enum step run_steps(struct turn *t)
{
	enum step read, written;

	do {
		int before = t->reads;

		do
			read = step_read(t);
		while (read == STEP_AGAIN && t->reads - before < READS_A_REPLY);
		if (read == STEP_GONE)
			return STEP_GONE;
		written = step_write(t);
	} while (read == STEP_AGAIN && written == STEP_AGAIN);
	return written == STEP_AGAIN ? read : written;
}

static void end(struct conn *c)
{
	const char *reason = http2_reason(c->h2->http2);

	if (http2_is_flooded(c->h2->http2))
		board_add(c->env->counters->floods, 1);
	if (reason)
		report_peer(c, LOG_LEVEL_INFO, reason);
	conn_close(c);
}

/* Waits for what comes next, with the deadline that comes first. */
static void await(struct conn *c)
{
	struct h2 *h = c->h2;
	int64_t inside = INT64_MAX, at;
	bool answered;

	if (!http2_is_inside(h->http2))
		h->inside_since_ms = 0;
	else if (!h->inside_since_ms)
		h->inside_since_ms = clock_ms();
	if (h->inside_since_ms)
		inside = h->inside_since_ms + c->env->timeouts->header_ms;
	if (c->streams) {
		at = h2_streams_deadline(c, &answered);
		conn_await(c, answered ? CONN_RESPONSE : CONN_BODY,
			answered ? "sending responses" : "reading requests", LOOP_READ,
			at < inside ? at : inside);
		return;
	}
	if (c->state == CONN_RESPONSE || c->state == CONN_BODY)
		h->idle_since_ms = clock_ms();
	at = h->idle_since_ms + c->env->timeouts->idle_ms;
	if (inside < at)
		conn_await(c, CONN_HEADER, "reading a frame", LOOP_READ, inside);
	else
		conn_await(c, CONN_IDLE, "waiting for a request", LOOP_READ, at);
}

static void finish_turn(struct turn *t, enum step step)
{
	struct conn *c = t->c;
	enum io_status status = IO_WANT_WRITE;
	unsigned events = LOOP_WRITE;

	if (buf_len(&c->session.pending) == 0)
		status = session_flush(&c->session);
	if (status == IO_OK)
		events |= LOOP_READ; /* if it goes on, it is for the sake of others */
	if (status == IO_OK && c->h2->waiting > 0 && h2_streams_all_wait(c))
		rate_begin(c);
	if (status == IO_OK && (step == STEP_WRITE || c->h2->waiting > 0))
		status = IO_WANT_WRITE;
	if (status == IO_WANT_WRITE)
		conn_enter(c, CONN_RESPONSE, "sending responses", events);
	else if (status != IO_OK)
		conn_abort(c, status);
	else if (c->h2->peer_ended || http2_is_over(c->h2->http2))
		end(c);
	else
		await(c);
}

static void h2_run(struct conn *c, bool readable)
{
	struct turn t = { .c = c,
		.has_read = !readable,
		.sent_before = c->session.bytes_out,
		.requests_before = c->requests };
	uint64_t most = c->env->limits->requests_per_connection;
	enum step step;

	if (buf_len(&c->session.pending) > 0) {
		if (flush_some(&t) == STEP_GONE)
			return;
		if (buf_len(&c->session.pending) > 0) {
			loop_watch(c->env->loop, &c->watch, LOOP_WRITE);
			return;
		}
	}
	h2_streams_route(c);
	step = run_steps(&t);
	if (step == STEP_GONE)
		return;
	if (most && c->requests >= most && !c->h2->going) {
		c->h2->going = true;
		http2_goaway(c->h2->http2, HTTP2_NO_ERROR);
		step = run_steps(&t);
	}
	if (step != STEP_GONE)
		finish_turn(&t, step);
}

/* ---- deadlines and the end -------------------------------------------------- */

static void h2_timeout(struct conn *c)
{
	struct h2 *h = c->h2;
	bool slow = clock_ms() < c->rate.due_ms; /* then limits.min_rate is why we are here */

	if (h->inside_since_ms && clock_ms() >= h->inside_since_ms + c->env->timeouts->header_ms) {
		c->timed_out = true;
		http2_terminate(h->http2, HTTP2_NO_ERROR, "a frame or head did not end in time");
	} else if (!c->streams) {
		c->timed_out = true;
		http2_terminate(h->http2, HTTP2_NO_ERROR, NULL);
	} else {
		h2_streams_expire(c, slow);
		if (slow)
			rate_begin(c);
	}
	h2_run(c, false);
}

static void h2_drain(struct conn *c)
{
	struct h2 *h = c->h2;

	if (!h->noticed_ms) {
		h->noticed_ms = clock_ms();
		http2_notice(h->http2);
	} else if (!h->going && clock_ms() >= h->noticed_ms + NOTICE_MS) {
		h->going = true;
		http2_goaway(h->http2, HTTP2_NO_ERROR);
	} else {
		return;
	}
	h2_run(c, false);
}

static void h2_goodbye(struct conn *c)
{
	size_t room = response_room(c), n;

	http2_terminate(c->h2->http2, HTTP2_NO_ERROR, NULL);
	if (room >= HTTP2_TAKE_MIN)
		write_some(c, room, &n);
}

static void h2_done(struct conn *c)
{
	if (!c->h2)
		return;
	http2_free(c->h2->http2);
	free(c->h2);
	c->h2 = NULL;
}

bool h2_start(struct conn *c)
{
	const struct conn_limits *most = c->env->limits;
	struct http2_limits limits = { true, most->streams, most->head.size, most->head.fields };
	struct h2 *h = calloc(1, sizeof *h);

	if (!h || !(h->http2 = http2_new(&limits, &h2_streams_events, c))) {
		free(h);
		return false;
	}
	h->idle_since_ms = clock_ms();
	c->protocol->done(c);
	c->h2 = h;
	c->protocol = &h2_protocol;
	return true;
}

const struct conn_protocol h2_protocol = { true, h2_run, h2_timeout, h2_drain, h2_goodbye,
	h2_done };
