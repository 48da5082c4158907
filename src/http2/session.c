/* libnghttp2 behind an interface of our own, and the only room that includes it. What it adds: one
 * account of floods (http2/flood), heads collected into http/fields within limits, content written
 * straight into the buffer that goes to TLS, errors as sentences. It refuses server push, priority
 * trees (RFC 9218 instead) and, as the library does, whatever RFC 9113 calls malformed. */
#include "http2/session.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <nghttp2/nghttp2.h>

#include "base/clock.h"
#include "http2/flood.h"

enum {
	FRAME_HEAD = 9,
	DATA_WORTH = 512, /* a DATA frame at the end of a buffer is not made for less */
	HEAD_EXCESS = 8,  /* a head this many times as large as its limit is an attack */
	HEADS_MOST = 16,  /* server: heads of the limit's size that open streams may have in all */
	WINDOW = 1 << 20, /* client: what may come unasked */
	SETTINGS_MOST = 16, /* entries of one frame of the peer */
};

#define FLOODED "the peer floods the connection"

struct http2 {
	nghttp2_session *session;
	const struct http2_events *events;
	void *owner;
	struct http2_limits limits;
	struct flood flood;
	struct http2_stream *receiving; /* whose head comes in */
	const uint8_t *rest;            /* of the frame that did not fit the last buffer */
	size_t nrest;
	char *to; /* while http2_take() runs: where the next frame goes, and the room there */
	size_t room;
	size_t heads;  /* server: head_size of all open streams */
	size_t unpaid; /* content that has not paid yet: less than a KiB */
	const char *reason;
	const char *complaint;   /* about the last frame that was refused */
	int32_t opened_last;     /* server: the last request's stream */
	int32_t reset_last;      /* the last one that we reset: the peer may not know of it */
	enum http2_code verdict; /* why a callback made the library fail; 0: it did not */
	bool frame_paid;         /* the DATA frame that comes in has brought something */
	bool flooded, broken;
};

bool http2_head_add(struct http2_head *h, struct str name, struct str value)
{
	if (h->n == HTTP2_HEAD_MAX)
		return false;
	h->line[h->n].name = name;
	h->line[h->n].value = value;
	h->n++;
	return true;
}

static struct http2_stream *stream_of(nghttp2_session *session, int32_t id)
{
	return nghttp2_session_get_stream_user_data(session, id);
}

/* Content in either direction is what floods bring none of. */
static void pay_content(struct http2 *h, size_t n)
{
	h->unpaid += n;
	flood_pay(&h->flood, (int)(h->unpaid / 1024) * FLOOD_KIB);
	h->unpaid %= 1024;
}

/* The library is to stop at once. */
static int refuse(struct http2 *h, enum http2_code code, const char *why)
{
	h->verdict = code;
	h->complaint = why;
	return NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* What the library lets pass: it does not remember streams that are closed (RFC 9113 section 5.1),
 * and does not look at priorities of the old kind (section 6.3). DATA on a closed stream it drops
 * without a word: see refuse_late_data(). */
static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *user)
{
	struct http2 *h = user;

	h->frame_paid = false;
	if (hd->type == NGHTTP2_PRIORITY && hd->stream_id == 0)
		return refuse(h, HTTP2_PROTOCOL_ERROR, "PRIORITY on stream 0");
	if (hd->type > NGHTTP2_HEADERS || hd->stream_id == 0 || hd->stream_id > h->opened_last ||
		hd->stream_id <= h->reset_last || stream_of(session, hd->stream_id))
		return 0;
	return refuse(h, HTTP2_STREAM_CLOSED, "a frame on a stream that was ended");
}

/* ---- heads on their way in -------------------------------------------------- */

static int begin_request(struct http2 *h, int32_t id)
{
	struct http2_stream *s = h->events->open(h->owner, id);

	if (!s)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	s->id = h->opened_last = id;
	h->receiving = s;
	nghttp2_session_set_stream_user_data(h->session, id, s);
	return 0;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct http2 *h = user;
	struct http2_stream *s;

	if (frame->headers.cat == NGHTTP2_HCAT_REQUEST)
		return begin_request(h, frame->hd.stream_id);
	h->receiving = s = stream_of(session, frame->hd.stream_id);
	if (s && !s->head_done) { /* the first head, or the one after an interim one */
		fields_clear(s->fields);
		s->status = 0;
		if (h->limits.is_server)
			h->heads -= s->head_size;
		s->head_size = 0;
	}
	return 0;
}

static void add_pseudo(struct http2_stream *s, struct str name, struct str value)
{
	if (str_eq(name, STR(":method")))
		s->method = value;
	else if (str_eq(name, STR(":path")))
		s->path = value;
	else if (str_eq(name, STR(":scheme")))
		s->scheme = value;
	else if (str_eq(name, STR(":authority")))
		s->authority = value;
	else if (str_eq(name, STR(":status")) && value.n == 3)
		s->status = (value.p[0] - '0') * 100 + (value.p[1] - '0') * 10 + value.p[2] - '0';
}

static void add_line(struct http2 *h, struct http2_stream *s, struct str name, struct str value)
{
	struct str own_name, own_value = { arena_strdup(s->arena, value), value.n };

	if (own_value.p && name.p[0] == ':') {
		add_pseudo(s, name, own_value);
		return;
	}
	own_name = (struct str){ arena_strdup(s->arena, name), name.n };
	if (!own_value.p || !own_name.p || s->fields->n >= h->limits.head_lines ||
		!fields_add(s->fields, own_name, own_value))
		s->too_large = true;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
	size_t nname, const uint8_t *value, size_t nvalue, uint8_t flags, void *user)
{
	struct http2 *h = user;
	struct http2_stream *s = h->receiving;

	(void)session, (void)flags;
	if (!s || s->id != frame->hd.stream_id)
		return 0;
	s->head_size += nname + nvalue + 32;
	if (h->limits.is_server)
		h->heads += nname + nvalue + 32;
	if (s->head_size > h->limits.head_size * HEAD_EXCESS) {
		return refuse(h, HTTP2_ENHANCE_YOUR_CALM,
			"a short block of fields that unfolds to a mass");
	}
	if (s->head_size > h->limits.head_size || h->heads > h->limits.head_size * HEADS_MOST)
		s->too_large = true;
	if (str_eq((struct str){ (const char *)name, nname }, STR(":status")) && value[0] == '0')
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* three digits, but no status */
	if (!s->too_large && !s->head_done)
		add_line(h, s, (struct str){ (const char *)name, nname },
			(struct str){ (const char *)value, nvalue });
	return 0;
}

static void take_head(struct http2 *h, struct http2_stream *s, bool ended)
{
	if (s->head_done) {
		if (ended)
			h->events->end(h->owner, s);
		return;
	}
	s->head_done = s->status == 0 || s->status >= 200;
	h->events->head(h->owner, s, ended);
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct http2 *h = user;
	bool ended = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
	struct http2_stream *s;

	if (frame->hd.type != NGHTTP2_HEADERS && (frame->hd.type != NGHTTP2_DATA || !ended))
		return 0;
	s = stream_of(session, frame->hd.stream_id);
	if (s && frame->hd.type == NGHTTP2_HEADERS)
		take_head(h, s, ended);
	else if (s)
		h->events->end(h->owner, s);
	return 0;
}

static int on_data_chunk(
	nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *p, size_t n, void *user)
{
	struct http2 *h = user;
	struct http2_stream *s = stream_of(session, id);

	(void)flags;
	if (!h->frame_paid) /* it comes in as many pieces as the peer likes */
		flood_pay(&h->flood, FLOOD_FRAME);
	h->frame_paid = true;
	pay_content(h, n);
	if (s)
		h->events->data(h->owner, s, (const char *)p, n);
	return 0;
}

/* ---- ends ------------------------------------------------------------------- */

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
	struct http2 *h = user;
	struct http2_stream *s = stream_of(session, id);

	if (code == NGHTTP2_NO_ERROR)
		flood_pay(&h->flood, FLOOD_REPLY);
	if (s == h->receiving)
		h->receiving = NULL;
	if (s && h->limits.is_server)
		h->heads -= s->head_size;
	if (s)
		h->events->close(h->owner, s, code);
	return 0;
}

static int on_invalid_frame(
	nghttp2_session *session, const nghttp2_frame *frame, int error, void *user)
{
	struct http2 *h = user;

	(void)session, (void)frame;
	h->complaint = nghttp2_strerror(error);
	return 0;
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct http2 *h = user;

	(void)session;
	if (frame->hd.type == NGHTTP2_RST_STREAM) {
		if (frame->hd.stream_id > h->reset_last)
			h->reset_last = frame->hd.stream_id;
		if (frame->rst_stream.error_code != NGHTTP2_NO_ERROR)
			flood_charge(&h->flood, FLOOD_RESET);
	} else if (frame->hd.type == NGHTTP2_GOAWAY &&
		   frame->goaway.error_code != NGHTTP2_NO_ERROR && !h->reason) {
		h->flooded |= frame->goaway.error_code == NGHTTP2_ENHANCE_YOUR_CALM;
		h->reason = h->flooded     ? FLOODED
			    : h->complaint ? h->complaint
					   : nghttp2_http2_strerror(frame->goaway.error_code);
	}
	return 0;
}

/* ---- content on its way out ------------------------------------------------- */

/* Straight to where the frame will stand; nghttp2 sends it right after this. */
static ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *p, size_t n, uint32_t *flags,
	nghttp2_data_source *source, void *user)
{
	struct http2 *h = user;
	struct http2_stream *s = source->ptr;
	bool last = false;
	ssize_t got;

	(void)session, (void)id, (void)p;
	if (h->room < FRAME_HEAD + DATA_WORTH)
		return NGHTTP2_ERR_PAUSE;
	if (n > h->room - FRAME_HEAD)
		n = h->room - FRAME_HEAD;
	got = h->events->read(h->owner, s, h->to + FRAME_HEAD, n, &last);
	if (got < 0)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	if (got == 0 && !last)
		return NGHTTP2_ERR_DEFERRED;
	*flags |= NGHTTP2_DATA_FLAG_NO_COPY | (last ? NGHTTP2_DATA_FLAG_EOF : 0u);
	s->promised = !last;
	pay_content(h, (size_t)got);
	return got;
}

static int on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
	size_t n, nghttp2_data_source *source, void *user)
{
	struct http2 *h = user;

	(void)session, (void)frame, (void)source;
	assert(FRAME_HEAD + n <= h->room);
	memcpy(h->to, head, FRAME_HEAD);
	h->to += FRAME_HEAD + n;
	h->room -= FRAME_HEAD + n;
	return 0;
}

/* ---- the connection --------------------------------------------------------- */

static nghttp2_session_callbacks *make_callbacks(void)
{
	nghttp2_session_callbacks *c;

	if (nghttp2_session_callbacks_new(&c))
		return NULL;
	nghttp2_session_callbacks_set_on_begin_frame_callback(c, on_begin_frame);
	nghttp2_session_callbacks_set_on_begin_headers_callback(c, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(c, on_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame_recv);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data_chunk);
	nghttp2_session_callbacks_set_on_stream_close_callback(c, on_stream_close);
	nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(c, on_invalid_frame);
	nghttp2_session_callbacks_set_on_frame_send_callback(c, on_frame_send);
	nghttp2_session_callbacks_set_send_data_callback(c, on_send_data);
	return c;
}

static int make_session(struct http2 *h)
{
	nghttp2_session_callbacks *callbacks = make_callbacks();
	nghttp2_option *option = NULL;
	int result = NGHTTP2_ERR_NOMEM;

	if (!callbacks || nghttp2_option_new(&option))
		goto out;
	nghttp2_option_set_no_closed_streams(option, 1);
	nghttp2_option_set_max_settings(option, SETTINGS_MOST);
	nghttp2_option_set_max_continuations(option, FLOOD_BLOCK_MOST);
	nghttp2_option_set_builtin_recv_extension_type(option, NGHTTP2_PRIORITY_UPDATE);
	result = h->limits.is_server
			 ? nghttp2_session_server_new2(&h->session, callbacks, h, option)
			 : nghttp2_session_client_new2(&h->session, callbacks, h, option);
out:
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(callbacks);
	return result;
}

static int submit_settings(struct http2 *h)
{
	nghttp2_settings_entry server[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, h->limits.streams },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)h->limits.head_size },
		{ NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1 },
	};
	nghttp2_settings_entry client[] = {
		{ NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)h->limits.head_size },
		{ NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1 },
	};

	if (h->limits.is_server)
		return nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, server, 3);
	if (nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, client, 4))
		return -1;
	return nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0, WINDOW);
}

struct http2 *http2_new(
	const struct http2_limits *limits, const struct http2_events *events, void *owner)
{
	struct http2 *h = calloc(1, sizeof *h);

	if (!h)
		return NULL;
	h->limits = *limits;
	h->events = events;
	h->owner = owner;
	flood_init(&h->flood, limits->is_server, clock_ms());
	if (make_session(h) || submit_settings(h)) {
		http2_free(h);
		return NULL;
	}
	return h;
}

void http2_free(struct http2 *h)
{
	if (!h)
		return;
	nghttp2_session_del(h->session);
	free(h);
}

void http2_terminate(struct http2 *h, enum http2_code code, const char *reason)
{
	h->flooded |= code == HTTP2_ENHANCE_YOUR_CALM;
	if (reason && !h->reason)
		h->reason = reason;
	nghttp2_session_terminate_session(h->session, code);
}

/* A failure that nghttp2 has not answered itself. */
static void fail(struct http2 *h, ssize_t error)
{
	if (h->verdict) {
		http2_terminate(h, h->verdict, h->complaint);
	} else if (error == NGHTTP2_ERR_FLOODED || error == NGHTTP2_ERR_TOO_MANY_SETTINGS ||
		   error == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS) {
		http2_terminate(h, HTTP2_ENHANCE_YOUR_CALM, FLOODED);
	} else if (error == NGHTTP2_ERR_NOMEM) {
		h->broken = true;
		http2_terminate(h, HTTP2_INTERNAL_ERROR, nghttp2_strerror((int)error));
	} else {
		http2_terminate(h, HTTP2_PROTOCOL_ERROR, nghttp2_strerror((int)error));
	}
}

/* The parser has seen the head of a DATA frame. A stream that has ended without our reset gets no
 * more of them (RFC 9113 section 6.1). */
static void refuse_late_data(struct http2 *h, int32_t id)
{
	if (id <= h->opened_last && id > h->reset_last && !stream_of(h->session, id) &&
		nghttp2_session_want_read(h->session))
		nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, id, NGHTTP2_STREAM_CLOSED);
}

/* A part of what came that flood_look() lets pass. */
static void feed_part(struct http2 *h, const char *p, size_t n)
{
	ssize_t got = nghttp2_session_mem_recv(h->session, (const uint8_t *)p, n);

	if (got < 0)
		fail(h, got);
	else if (flood_is_over(&h->flood))
		fail(h, NGHTTP2_ERR_FLOODED);
	else if (h->flood.data > 0)
		refuse_late_data(h, (int32_t)h->flood.data);
}

bool http2_feed(struct http2 *h, const char *p, size_t n)
{
	while (n > 0 && !h->reason && !h->verdict) {
		size_t may = flood_look(&h->flood, p, n, clock_ms());

		feed_part(h, p, may);
		p += may;
		n -= may;
	}
	return !h->reason && nghttp2_session_want_read(h->session);
}

/* A frame, or what did not fit of it, into the buffer. */
static void put(struct http2 *h, const uint8_t *p, size_t n)
{
	size_t fits = n < h->room ? n : h->room;

	memcpy(h->to, p, fits);
	h->to += fits;
	h->room -= fits;
	h->rest = p + fits;
	h->nrest = n - fits;
}

size_t http2_take(struct http2 *h, char *p, size_t room)
{
	h->to = p;
	h->room = room;
	if (h->nrest > 0)
		put(h, h->rest, h->nrest);
	while (h->nrest == 0 && !h->broken) {
		const uint8_t *frame;
		ssize_t n = nghttp2_session_mem_send(h->session, &frame);

		if (n < 0) {
			h->broken = true;
			if (!h->reason)
				h->reason = nghttp2_strerror((int)n);
		}
		if (n <= 0)
			break;
		put(h, frame, (size_t)n);
	}
	return room - h->room;
}

bool http2_is_over(const struct http2 *h)
{
	if (h->nrest > 0)
		return false;
	return h->broken ||
	       (!nghttp2_session_want_read(h->session) && !nghttp2_session_want_write(h->session));
}

const char *http2_reason(const struct http2 *h)
{
	return h->reason;
}

bool http2_is_flooded(const struct http2 *h)
{
	return h->flooded;
}

bool http2_is_inside(const struct http2 *h)
{
	return flood_is_inside(&h->flood);
}

/* ---- streams ---------------------------------------------------------------- */

/* Names and values stay where they are until the stream is gone. */
static void make_lines(nghttp2_nv *nv, const struct http2_head *head)
{
	for (unsigned i = 0; i < head->n; i++)
		nv[i] = (nghttp2_nv){
			.name = (uint8_t *)(uintptr_t)head->line[i].name.p,
			.value = (uint8_t *)(uintptr_t)head->line[i].value.p,
			.namelen = head->line[i].name.n,
			.valuelen = head->line[i].value.n,
			.flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE,
		};
}

bool http2_respond(
	struct http2 *h, struct http2_stream *s, const struct http2_head *head, bool content)
{
	nghttp2_data_provider provider = { .source.ptr = s, .read_callback = on_read };
	nghttp2_nv nv[HTTP2_HEAD_MAX];

	make_lines(nv, head);
	s->promised = content;
	return nghttp2_submit_response(
		       h->session, s->id, nv, head->n, content ? &provider : NULL) == 0;
}

bool http2_interim(struct http2 *h, struct http2_stream *s, struct str status)
{
	nghttp2_nv nv[1];
	struct http2_head head;

	head.n = 0;
	http2_head_add(&head, STR(":status"), status);
	make_lines(nv, &head);
	return nghttp2_submit_headers(h->session, NGHTTP2_FLAG_NONE, s->id, NULL, nv, 1, NULL) == 0;
}

bool http2_request(
	struct http2 *h, struct http2_stream *s, const struct http2_head *head, bool content)
{
	nghttp2_data_provider provider = { .source.ptr = s, .read_callback = on_read };
	nghttp2_nv nv[HTTP2_HEAD_MAX];
	int32_t id;

	if (!nghttp2_session_check_request_allowed(h->session))
		return false;
	make_lines(nv, head);
	s->promised = content;
	id = nghttp2_submit_request(h->session, NULL, nv, head->n, content ? &provider : NULL, s);
	if (id > 0)
		s->id = id;
	return id > 0;
}

void http2_resume(struct http2 *h, struct http2_stream *s)
{
	nghttp2_session_resume_data(h->session, s->id);
}

void http2_reset(struct http2 *h, struct http2_stream *s, enum http2_code code)
{
	nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, s->id, code);
}

void http2_notice(struct http2 *h)
{
	nghttp2_submit_shutdown_notice(h->session);
}

void http2_goaway(struct http2 *h, enum http2_code code)
{
	nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE,
		nghttp2_session_get_last_proc_stream_id(h->session), code, NULL, 0);
}
