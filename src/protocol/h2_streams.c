/* Requests and responses of HTTP/2: what http2/session tells becomes a stream, the route answers
 * it, and content is pulled as the peer's windows allow. Requests are answered when they are whole,
 * as in HTTP/1.1; their content is counted and dropped. It never touches the socket. */
#include "protocol/h2_streams.h"

#include <string.h>

#include "base/clock.h"
#include "http/body.h"
#include "http/chars.h"
#include "protocol/exchange.h"
#include "protocol/report.h"
#include "protocol/response.h"

enum {
	/* What a peer may still send when it has an answer before its time: as much as it could
	 * before it saw that. */
	LATE_MAX = 64 * 1024
};

static struct h2_stream *of(struct stream *s)
{
	return s->driver;
}

/* ---- responses -------------------------------------------------------------- */

/* `lower` has room for the name. */
static bool add_line(struct http2_head *head, char *lower, struct str name, struct str value)
{
	return chars_lower_token(lower, name.p, name.n) && http_is_field_value(value) &&
	       http2_head_add(head, (struct str){ lower, name.n }, value);
}

static struct str digits(struct arena *a, uint64_t value)
{
	char text[20];
	size_t at = sizeof text;

	do {
		text[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	return (struct str){ arena_strdup(a, (struct str){ text + at, sizeof text - at }),
		sizeof text - at };
}

/* The same fields as in HTTP/1.1, but for those of the connection. */
static bool make_head(struct stream *s, struct http2_head *head)
{
	struct response *r = &s->response;
	struct str status = digits(&s->arena, (unsigned)r->status), length;
	size_t size = 0, names = 0;
	char *lower;
	bool ok = status.p && http2_head_add(head, STR(":status"), status) &&
		  http2_head_add(head, STR("date"), clock_http_date()) &&
		  http2_head_add(head, STR("server"), STR("latchd"));

	for (unsigned i = 0; i < r->nfields; i++) {
		names += r->field[i].name.n;
		size += r->field[i].name.n + r->field[i].value.n;
	}
	lower = arena_alloc(&s->arena, names + 1);
	for (unsigned i = 0; ok && lower && i < r->nfields; i++) {
		ok = add_line(head, lower, r->field[i].name, r->field[i].value);
		lower += r->field[i].name.n;
	}
	if (ok && response_has_length(s)) {
		length = digits(&s->arena, r->has_length ? r->length : 0);
		ok = length.p && http2_head_add(head, STR("content-length"), length);
	}
	return ok && lower && size < CONN_HEAD_MAX;
}

/* The response is complete: to http2/session with it. */
static void respond(struct h2_stream *h)
{
	struct stream *s = h->stream;
	struct http2_head head; /* large: not zeroed */

	head.n = 0;
	h->answered = true;
	h->moved_ms = clock_ms();
	if (!make_head(s, &head)) {
		exchange_refuse(s, 500, "the head of the response is too large");
		head.n = 0;
		if (!make_head(s, &head))
			head.n = 0;
	}
	s->head_written = true;
	if (head.n == 0 ||
		!http2_respond(s->conn->h2->http2, &h->http2, &head, response_left(s) > 0))
		http2_reset(s->conn->h2->http2, &h->http2, HTTP2_INTERNAL_ERROR);
}

/* What is still to come of the request is of no use. */
static void respond_early(struct h2_stream *h)
{
	h->cut = true;
	h->late = 0;
	h->stream->conn->h2->cuts++;
	respond(h);
}

static void cut(struct h2_stream *h, enum http2_code code)
{
	struct h2 *h2 = h->stream->conn->h2;

	h->cut = false;
	h2->cuts--;
	http2_reset(h2->http2, &h->http2, code);
}

static void respond_error(struct h2_stream *h, int status, const char *reason)
{
	exchange_refuse(h->stream, status, reason);
	respond_early(h);
}

static ssize_t on_read(void *owner, struct http2_stream *hs, char *p, size_t n, bool *ret_last)
{
	struct h2_stream *h = (struct h2_stream *)hs;
	struct stream *s = h->stream;
	uint64_t left = response_left(s);

	(void)owner;
	if (n > left)
		n = (size_t)left;
	if (response_take(s, p, n) < 0) {
		report_peer(s->conn, LOG_LEVEL_ERROR,
			"the content ended before its length: the stream is reset");
		return -1;
	}
	s->sent += n;
	h->moved_ms = clock_ms();
	*ret_last = n == left;
	return (ssize_t)n;
}

/* ---- requests --------------------------------------------------------------- */

static struct http2_stream *on_open(void *owner, int32_t id)
{
	struct conn *c = owner;
	struct stream *s = exchange_open(c);
	struct h2_stream *h = s ? arena_alloc(&s->arena, sizeof *h) : NULL;

	if (!h) {
		if (s)
			exchange_drop(s);
		return NULL;
	}
	*h = (struct h2_stream){ .stream = s, .moved_ms = clock_ms() };
	h->http2.fields = &s->request.fields;
	h->http2.arena = &s->arena;
	s->request.version = HTTP_VERSION_2;
	s->number = (uint64_t)id;
	s->driver = h;
	return &h->http2;
}

static bool is_same_host(struct str a, struct str b)
{
	struct str host_a, host_b;
	unsigned port_a, port_b;

	return str_case_eq(a, b) ||
	       (uri_split_authority(a, &host_a, &port_a) &&
		       uri_split_authority(b, &host_b, &port_b) && str_case_eq(host_a, host_b) &&
		       (port_a ? port_a : 443) == (port_b ? port_b : 443));
}

/* Pseudo-header fields -> request (RFC 9113 section 8.3.1); -1: malformed. */
static int take_request(struct h2_stream *h, struct http_error *error)
{
	const struct http2_stream *hs = &h->http2;
	struct request *r = &h->stream->request;
	struct str host = fields_get(&r->fields, FIELD_HOST);
	const char *why = NULL;

	r->method_text = hs->method;
	r->method = http_method_of(hs->method);
	r->target = r->method == HTTP_METHOD_CONNECT ? hs->authority : hs->path;
	r->authority = hs->authority.p ? hs->authority : host;
	if (r->authority.n == 0)
		why = "neither :authority nor Host";
	else if (r->fields.count[FIELD_HOST] > 1)
		why = "more than one Host field";
	else if (host.p && !is_same_host(host, r->authority))
		why = "Host is not :authority";
	else if (hs->scheme.p && !str_eq(hs->scheme, STR("https")) &&
		 !str_eq(hs->scheme, STR("http")))
		why = "unsupported scheme";
	else if (!r->target.p)
		why = "no :path";
	*error = (struct http_error){ 400, why };
	return why ? -1 : 0;
}

/* The request is whole. */
static void complete(struct h2_stream *h)
{
	if (h->stream->response.status) {
		respond(h);
		return;
	}
	h->waiting = true;
	h->stream->conn->h2->waiting++;
}

void h2_streams_route(struct conn *c)
{
	struct h2_stream *oldest = NULL;

	for (struct stream *s = c->streams; s && c->h2->waiting > 0; s = s->next)
		if (of(s)->waiting)
			oldest = of(s);
	if (!oldest)
		return;
	oldest->moved_ms = clock_ms();
	if (!exchange_route(oldest->stream))
		return;
	oldest->waiting = false;
	c->h2->waiting--;
	respond(oldest);
}

static void on_head(void *owner, struct http2_stream *hs, bool ended)
{
	struct conn *c = owner;
	struct h2_stream *h = (struct h2_stream *)hs;
	struct body_framing framing = { .kind = BODY_NONE };
	struct http_error error;
	struct stream *s = h->stream;

	h->asked = true;
	h->moved_ms = clock_ms();
	c->state = CONN_RESPONSE;
	if (hs->too_large)
		error = (struct http_error){ 431, "header section too large" };
	if (hs->too_large || take_request(h, &error) ||
		body_frame_request(&s->request, &framing, &error) ||
		exchange_serve(s, framing, &error)) {
		respond_error(h, error.status, error.reason);
		return;
	}
	if (ended) {
		complete(h);
	} else if (fields_has(&s->request.fields, FIELD_EXPECT)) {
		if (s->response.status >= 400)
			respond_early(h);
		else
			http2_interim(c->h2->http2, hs, STR("100"));
	}
}

static void on_data(void *owner, struct http2_stream *hs, const char *p, size_t n)
{
	struct conn *c = owner;
	struct h2_stream *h = (struct h2_stream *)hs;

	(void)p;
	if (h->answered) {
		h->late += n;
		if (h->cut && h->late > LATE_MAX) /* the answer waits, maybe for ever */
			cut(h, HTTP2_CANCEL);
		return;
	}
	h->received += n;
	h->moved_ms = clock_ms();
	if (h->received > (uint64_t)c->env->limits->body_size)
		respond_error(h, 413, "the request body is larger than limits.body_size");
}

static void on_end(void *owner, struct http2_stream *hs)
{
	struct h2_stream *h = (struct h2_stream *)hs;

	(void)owner;
	if (!h->answered)
		complete(h);
}

static void on_close(void *owner, struct http2_stream *hs, uint32_t code)
{
	struct conn *c = owner;
	struct h2_stream *h = (struct h2_stream *)hs;

	(void)code;
	c->h2->cuts -= h->cut;
	c->h2->waiting -= h->waiting;
	if (h->asked)
		exchange_close(h->stream);
	else
		exchange_drop(h->stream);
}

const struct http2_events h2_streams_events = { on_open, on_head, on_data, on_end, on_close,
	on_read };

/* ---- ends ------------------------------------------------------------------- */

void h2_streams_cut(struct conn *c)
{
	for (struct stream *s = c->streams; s && c->h2->cuts > 0; s = s->next) {
		struct h2_stream *h = of(s);

		if (h->cut && !h->http2.promised)
			cut(h, HTTP2_NO_ERROR);
	}
}

static int64_t deadline_of_stream(const struct conn *c, const struct h2_stream *h)
{
	const struct conn_timeouts *t = c->env->timeouts;

	if (h->waiting)
		return INT64_MAX;
	if (h->answered)
		return h->moved_ms + t->write_ms;
	return h->moved_ms + (h->asked ? t->body_ms : t->header_ms);
}

int64_t h2_streams_deadline(const struct conn *c, bool *ret_answered)
{
	int64_t at = INT64_MAX;

	*ret_answered = false;
	for (struct stream *s = c->streams; s; s = s->next) {
		int64_t of_stream = deadline_of_stream(c, of(s));

		at = of_stream < at ? of_stream : at;
		*ret_answered |= of(s)->answered || of(s)->waiting;
	}
	return at;
}

bool h2_streams_all_wait(const struct conn *c)
{
	bool any;

	return h2_streams_deadline(c, &any) == INT64_MAX;
}

void h2_streams_expire(struct conn *c, bool slow)
{
	for (struct stream *s = c->streams; s; s = s->next) {
		struct h2_stream *h = of(s);

		if (clock_ms() < deadline_of_stream(c, h) && (!slow || h->answered || h->waiting))
			continue;
		h->moved_ms = clock_ms();
		if (h->answered) {
			report_peer(c, LOG_LEVEL_INFO,
				"the peer took nothing of a stream within timeouts.write");
			http2_reset(c->h2->http2, &h->http2, HTTP2_CANCEL);
		} else if (h->asked) {
			respond_error(h, 408, "the request did not come within its deadline");
		}
	}
}
