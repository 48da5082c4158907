/* One exchange in HTTP/2. http2/session is memory in and memory out; this feeds it from the link,
 * and tells the same as h1.c in the same order. The text of heads is shown as HTTP/1.1 would have
 * it.
 *
 * Opens one stream and takes no other; trailers are dropped. */
#include "client/h2.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "http2/session.h"

enum { ARENA_MAX = 256 * 1024, TAKE_SIZE = 32 * 1024 };

struct h2 {
	struct exchange *x;
	struct http2 *session;
	struct http2_stream stream;
	struct http2_head ask; /* its text is in `arena` */
	struct arena arena;
	struct response_head response;
	struct fields fields; /* as they come */
	size_t sent;          /* of the content */
	unsigned interim;
	bool is_over;         /* the stream is, or somebody said no */
	bool is_torn;         /* a frame was left half sent */
	enum outcome outcome; /* OK: nobody said no */
	struct err *e;
	char in[EXCHANGE_BUFFER];
};

static void stop(struct h2 *h, enum outcome outcome)
{
	h->is_over = true;
	h->outcome = outcome;
}

/* ---- the request ------------------------------------------------------------------------------
 */

static struct str keep(struct h2 *h, struct str s)
{
	return (struct str){ arena_strdup(&h->arena, s), s.n };
}

/* Names are in lower case (RFC 9113 section 8.2). */
static bool add(void *arg, struct str name, struct str value)
{
	struct h2 *h = arg;
	struct str own_name = keep(h, name), own_value = keep(h, value);

	if (!own_name.p || !own_value.p)
		return false;
	for (size_t i = 0; i < name.n; i++)
		((char *)(uintptr_t)own_name.p)[i] = (char)str_lower((unsigned char)name.p[i]);
	return http2_head_add(&h->ask, own_name, own_value);
}

static bool add_pseudo(struct h2 *h)
{
	const struct ask *a = h->x->ask;
	struct buf text;
	bool ok;

	buf_init(&text, 0);
	ok = add(h, STR(":method"), a->method) && add(h, STR(":scheme"), STR("https")) &&
	     ask_authority(a, &text) && add(h, STR(":authority"), buf_str(&text));
	buf_clear(&text);
	ok = ok && (!a->url->path_missing || buf_append(&text, "/", 1)) &&
	     buf_append_str(&text, a->url->target) && add(h, STR(":path"), buf_str(&text));
	buf_done(&text);
	return ok;
}

static void report_ask(struct h2 *h)
{
	struct buf text;

	buf_init(&text, 0);
	for (unsigned i = 0; i < h->ask.n; i++)
		buf_appendf(&text, STR_FMT ": " STR_FMT "\n", STR_ARG(h->ask.line[i].name),
			STR_ARG(h->ask.line[i].value));
	report_lines(h->x->report, '>', buf_str(&text));
	buf_done(&text);
}

static bool submit(struct h2 *h)
{
	if (!add_pseudo(h) || !ask_each_field(h->x->ask, add, h))
		return false;
	report_ask(h);
	h->stream.fields = &h->fields;
	h->stream.arena = &h->arena;
	return http2_request(h->session, &h->stream, &h->ask, h->x->ask->content.n > 0);
}

static ssize_t on_read(void *owner, struct http2_stream *s, char *p, size_t n, bool *ret_last)
{
	struct h2 *h = owner;
	struct str content = h->x->ask->content;

	(void)s;
	if (n > content.n - h->sent)
		n = content.n - h->sent;
	memcpy(p, content.p + h->sent, n);
	h->sent += n;
	*ret_last = h->sent == content.n;
	return (ssize_t)n;
}

/* ---- the answer -------------------------------------------------------------------------------
 */

static bool write_lines(const struct h2 *h, struct buf *out)
{
	bool ok = buf_appendf(out, "HTTP/2 %d\r\n", h->response.status);

	for (unsigned i = 0; ok && i < h->fields.n; i++)
		ok = buf_appendf(out, STR_FMT ": " STR_FMT "\r\n", STR_ARG(h->fields.line[i].name),
			STR_ARG(h->fields.line[i].value));
	return ok && buf_append_str(out, STR("\r\n"));
}

/* A stream says its own end; a length only says how much to expect. */
static void frame(struct h2 *h, bool ended)
{
	struct str length = fields_get(&h->fields, FIELD_CONTENT_LENGTH);
	struct exchange *x = h->x;

	x->framing = (struct body_framing){ .kind = ended ? BODY_NONE : BODY_CHUNKED };
	if (!ended && str_parse_u64(length, &x->framing.length))
		x->framing.kind = BODY_LENGTH;
}

static enum outcome tell_head(struct h2 *h, bool ended)
{
	enum outcome r = OUTCOME_OK;
	struct buf lines;

	buf_init(&lines, 0);
	if (!write_lines(h, &lines)) {
		r = outcome_set(h->e, OUTCOME_OTHER, "out of memory");
		goto out;
	}
	report_lines(h->x->report, '<', buf_str(&lines));
	if (h->response.status < 200)
		goto out;
	frame(h, ended);
	r = h->x->on_head(h->x, &h->response, buf_str(&lines), h->e);
	h->x->stage = ended ? VERDICT_WHOLE : VERDICT_CONTENT;
out:
	buf_done(&lines);
	return r;
}

static void on_head(void *owner, struct http2_stream *s, bool ended)
{
	struct h2 *h = owner;
	enum outcome r;

	if (h->is_over)
		return;
	h->x->stage = VERDICT_HEAD;
	h->response = (struct response_head){
		.status = s->status, .version = HTTP_VERSION_2, .fields = h->fields
	};
	if (s->too_large)
		r = outcome_set(h->e, OUTCOME_MALFORMED, "the head of the answer is too long");
	else if (s->status < 200 && ++h->interim > EXCHANGE_INTERIM_MAX)
		r = outcome_set(
			h->e, OUTCOME_MALFORMED, "the server sends interim answers without end");
	else
		r = tell_head(h, ended);
	if (r != OUTCOME_OK || h->x->stage == VERDICT_WHOLE)
		stop(h, r);
}

static void on_data(void *owner, struct http2_stream *s, const char *p, size_t n)
{
	struct h2 *h = owner;
	enum outcome r;

	(void)s;
	if (h->is_over || n == 0)
		return;
	h->x->content += n;
	r = h->x->on_content(h->x, (struct str){ p, n }, h->e);
	if (r != OUTCOME_OK)
		stop(h, r);
}

static void on_end(void *owner, struct http2_stream *s)
{
	struct h2 *h = owner;

	(void)s;
	if (h->is_over)
		return;
	h->x->stage = VERDICT_WHOLE;
	stop(h, OUTCOME_OK);
}

static void on_close(void *owner, struct http2_stream *s, uint32_t code)
{
	static const char *const names[] = { "NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR",
		"FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED", "FRAME_SIZE_ERROR",
		"REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR",
		"ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED" };
	struct h2 *h = owner;

	(void)s;
	if (h->is_over)
		return;
	stop(h, outcome_set(h->e, OUTCOME_TRUNCATED,
			"the server reset the stream before the message was whole (%s); "
			"%llu bytes came",
			code < sizeof(names) / sizeof(names[0]) ? names[code] : "unknown code",
			(unsigned long long)h->x->content));
}

/* ---- the connection ---------------------------------------------------------------------------
 */

static void feed(struct h2 *h, size_t n)
{
	if (n == 0)
		return;
	clock_update();
	http2_feed(h->session, h->in, n);
}

/* Everything that is to be sent; what comes meanwhile is heard. */
static enum io_status send_all(struct h2 *h)
{
	char out[TAKE_SIZE];
	enum io_status status = IO_OK;
	size_t n, sent, got;

	while (status == IO_OK && !h->is_over &&
		(n = http2_take(h->session, out, sizeof(out))) > 0) {
		for (size_t off = 0; status == IO_OK && off < n; off += sent) {
			status = link_send(
				h->x->link, out + off, n - off, &sent, h->in, sizeof(h->in), &got);
			feed(h, got);
			h->is_torn = off + sent < n;
			if (h->is_over)
				break;
		}
	}
	return status;
}

static enum outcome describe_violation(struct h2 *h)
{
	const char *reason = http2_reason(h->session);

	return reason ? outcome_set(h->e, OUTCOME_MALFORMED, "the answer is not valid HTTP/2: %s",
				reason)
		      : OUTCOME_OK;
}

static enum outcome run(struct h2 *h)
{
	struct exchange *x = h->x;
	enum io_status status = send_all(h);
	enum outcome r = OUTCOME_OK;
	size_t n;

	while (status == IO_OK && !h->is_over && !http2_is_over(h->session)) {
		status = link_read(x->link, h->in, sizeof(h->in), &n);
		if (status != IO_OK)
			break;
		feed(h, n);
		if (!h->is_over)
			r = x->on_content(x, (struct str){ NULL, 0 }, h->e);
		if (r != OUTCOME_OK)
			return r;
		status = send_all(h);
	}
	if (h->outcome != OUTCOME_OK)
		return h->outcome;
	r = x->stage == VERDICT_WHOLE ? OUTCOME_OK : describe_violation(h);
	x->ended = x->stage == VERDICT_WHOLE ? IO_OK : status == IO_OK ? IO_EOF : status;
	return r;
}

/* The last words; whoever does not take them has had the message already. */
static void say_goodbye(struct h2 *h)
{
	char out[TAKE_SIZE];
	size_t n;

	http2_goaway(h->session, HTTP2_NO_ERROR);
	while ((n = http2_take(h->session, out, sizeof(out))) > 0)
		if (link_write(h->x->link, out, n) != IO_OK)
			return;
}

enum outcome h2_exchange(struct exchange *x, struct err *e)
{
	static const struct http2_events events = {
		.head = on_head,
		.data = on_data,
		.end = on_end,
		.close = on_close,
		.read = on_read,
	};
	const struct http2_limits limits = { .head_size = EXCHANGE_BUFFER,
		.head_lines = FIELDS_MAX };
	struct h2 *h = calloc(1, sizeof(*h));
	enum outcome r;

	if (!h)
		return outcome_set(e, OUTCOME_OTHER, "out of memory");
	h->x = x;
	h->e = e;
	arena_init(&h->arena, ARENA_MAX);
	clock_update();
	h->session = http2_new(&limits, &events, h);
	if (!h->session || !submit(h))
		r = outcome_set(e, OUTCOME_OTHER, "the request is too long");
	else
		r = run(h);
	if (r == OUTCOME_OK && x->stage == VERDICT_WHOLE)
		r = x->on_content(x, (struct str){ NULL, 0 }, e);
	if (h->session && x->stage == VERDICT_WHOLE && !h->is_torn)
		say_goodbye(h);
	http2_free(h->session);
	arena_done(&h->arena);
	free(h);
	return r;
}
