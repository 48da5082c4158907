/* One exchange in HTTP/1.1: the head out, interim answers and the final head in, then content.
 *
 * A server that answers before it took all content is listened to, not written at any more. Judges
 * framing only; what a status means, and where content goes, is the caller's. */
#include "client/h1.h"

#include <stdlib.h>
#include <string.h>

#include "http/head.h"

struct h1 {
	struct exchange *x;
	struct response_head response;
	struct body_decoder body;
	size_t off, end; /* of what is received and not yet used, in `in` */
	char in[EXCHANGE_BUFFER];
};

/* `*ret_stop`: the answer comes already, or never will: do not send more. */
static enum outcome send_bytes(struct h1 *h, struct str s, bool *ret_stop, struct err *e)
{
	size_t sent, got = 0;
	enum io_status status = link_send(
		h->x->link, s.p, s.n, &sent, h->in + h->end, sizeof(h->in) - h->end, &got);

	h->end += got;
	*ret_stop = status != IO_OK || got > 0;
	if (status == IO_WANT_READ)
		return outcome_set(e, OUTCOME_TIMED_OUT,
			"the server did not take the request in time; "
			"--timeout sets how long to wait");
	/* After any other failure the answer, or how it failed to come, says more. */
	return OUTCOME_OK;
}

static enum outcome send_request(struct h1 *h, struct err *e)
{
	enum outcome r;
	struct buf head;
	bool stop = false;

	buf_init(&head, EXCHANGE_BUFFER);
	if (!ask_write(h->x->ask, &head)) {
		buf_done(&head);
		return outcome_set(e, OUTCOME_OTHER, "the request is too long");
	}
	report_lines(h->x->report, '>', buf_str(&head));
	r = send_bytes(h, buf_str(&head), &stop, e);
	buf_done(&head);
	if (r == OUTCOME_OK && !stop && h->x->ask->content.n > 0)
		r = send_bytes(h, h->x->ask->content, &stop, e);
	return r;
}

/* More bytes behind those not used yet. */
static enum io_status receive(struct h1 *h)
{
	enum io_status status;
	size_t n;

	if (h->off > 0) {
		memmove(h->in, h->in + h->off, h->end - h->off);
		h->end -= h->off;
		h->off = 0;
	}
	status = link_read(h->x->link, h->in + h->end, sizeof(h->in) - h->end, &n);
	h->end += n;
	return status;
}

static enum outcome malformed(const struct http_error *error, struct err *e)
{
	return outcome_set(e, OUTCOME_MALFORMED, "the answer is not valid HTTP: %s", error->reason);
}

/* One head, interim or final; `ret_head` is valid until the next receive(). When the connection
 * ended first, `x->ended` says how. */
static enum outcome read_head(struct h1 *h, struct str *ret_head, struct err *e)
{
	const struct head_limits limits = { .size = EXCHANGE_BUFFER, .fields = FIELDS_MAX };
	struct http_error error = { 0 };
	struct head_scan scan = { 0 };

	for (;;) {
		size_t used = 0;
		enum parse_status status = head_parse_response(&scan, h->in + h->off,
			h->end - h->off, &limits, &h->response, &used, &error);

		if (h->end > h->off && h->x->stage == VERDICT_SILENT)
			h->x->stage = VERDICT_HEAD;
		if (status == PARSE_DONE) {
			*ret_head = (struct str){ h->in + h->off, used };
			h->off += used;
			return OUTCOME_OK;
		}
		if (status == PARSE_BAD)
			return malformed(&error, e);
		if (h->end - h->off == sizeof(h->in))
			return outcome_set(
				e, OUTCOME_MALFORMED, "the head of the answer is too long");
		h->x->ended = receive(h);
		if (h->end > h->off && h->x->stage == VERDICT_SILENT)
			h->x->stage = VERDICT_HEAD;
		if (h->x->ended != IO_OK)
			return OUTCOME_OK;
	}
}

static enum outcome read_final_head(struct h1 *h, struct str *ret_head, struct err *e)
{
	for (unsigned i = 0; i <= EXCHANGE_INTERIM_MAX; i++) {
		enum outcome r = read_head(h, ret_head, e);

		if (r != OUTCOME_OK || h->x->ended != IO_OK)
			return r;
		report_lines(h->x->report, '<', *ret_head);
		if (h->response.status == 101)
			return outcome_set(e, OUTCOME_MALFORMED,
				"the server switched to a protocol that nobody asked for");
		if (h->response.status >= 200)
			return OUTCOME_OK;
	}
	return outcome_set(e, OUTCOME_MALFORMED, "the server sends interim answers without end");
}

static enum outcome begin_answer(struct h1 *h, struct str head, struct err *e)
{
	struct exchange *x = h->x;
	enum http_method method = http_method_of(x->ask->method);
	struct http_error error = { 0 };
	enum outcome r;

	if (body_frame_response(&h->response, method, &x->framing, &error) < 0)
		return malformed(&error, e);
	r = x->on_head(x, &h->response, head, e);
	if (r != OUTCOME_OK)
		return r;
	body_start(&h->body, x->framing);
	x->stage = x->framing.kind == BODY_UNTIL_CLOSE ? VERDICT_UNTIL_CLOSE : VERDICT_CONTENT;
	if (x->framing.kind == BODY_NONE ||
		(x->framing.kind == BODY_LENGTH && x->framing.length == 0))
		x->stage = VERDICT_WHOLE;
	return OUTCOME_OK;
}

/* Passes on what is received, to the end of the message at most. */
static enum outcome deliver(struct h1 *h, struct err *e)
{
	struct exchange *x = h->x;
	struct http_error error = { 0 };
	enum outcome r;

	while (h->off < h->end && x->stage != VERDICT_WHOLE) {
		struct str content = { NULL, 0 };
		size_t used = 0;
		enum parse_status status = body_decode(
			&h->body, h->in + h->off, h->end - h->off, &used, &content, &error);

		if (status == PARSE_BAD)
			return malformed(&error, e);
		h->off += used;
		x->content += content.n;
		r = content.n > 0 ? x->on_content(x, content, e) : OUTCOME_OK;
		if (r != OUTCOME_OK)
			return r;
		if (status == PARSE_DONE)
			x->stage = VERDICT_WHOLE;
		else if (used == 0)
			break;
	}
	x->left_over = h->end - h->off;
	return x->on_content(x, (struct str){ NULL, 0 }, e);
}

static enum outcome read_body(struct h1 *h, struct err *e)
{
	for (;;) {
		enum outcome r = deliver(h, e);

		if (r != OUTCOME_OK || h->x->stage == VERDICT_WHOLE)
			return r;
		h->x->ended = receive(h);
		if (h->x->ended != IO_OK)
			return OUTCOME_OK;
	}
}

static enum outcome run(struct h1 *h, struct err *e)
{
	struct str head = { NULL, 0 };
	enum outcome r = send_request(h, e);

	if (r == OUTCOME_OK)
		r = read_final_head(h, &head, e);
	if (r != OUTCOME_OK || h->x->ended != IO_OK)
		return r;
	r = begin_answer(h, head, e);
	return r == OUTCOME_OK ? read_body(h, e) : r;
}

enum outcome h1_exchange(struct exchange *x, struct err *e)
{
	struct h1 *h = calloc(1, sizeof(*h));
	enum outcome r;

	if (!h)
		return outcome_set(e, OUTCOME_OTHER, "out of memory");
	h->x = x;
	r = run(h, e);
	free(h);
	return r;
}
