/* One exchange on one connection: what is asked, what comes, and where it goes.
 *
 * Content is passed on as it comes, so that memory is bounded whatever its length. Follows no
 * redirect, reuses no connection; how an ending is judged is in verdict.c. */
#include "client/fetch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "client/link.h"
#include "client/verdict.h"
#include "http/body.h"
#include "http/head.h"

struct fetch {
	const struct fetch_env *env;
	const struct url *url;
	const char *text;
	char host[OPTIONS_HOST_SIZE];
	struct link link;
	enum verdict_stage stage;
	enum io_status ended; /* IO_OK: the message is whole and the connection was not looked at */
	struct response_head response;
	struct body_decoder body;
	uint64_t written_before; /* by earlier URLs */
	int64_t started_us;
	size_t off, end; /* of what is received and not yet used, in `in` */
	char in[FETCH_BUFFER];
};

static bool write_host(struct buf *out, const struct url *url)
{
	bool brackets = url->host_is_ip && str_find(url->host, ':', 0) < url->host.n;
	bool ok = buf_append_str(out, STR("Host: "));

	ok = ok && (!brackets || buf_append(out, "[", 1)) && buf_append_str(out, url->host) &&
	     (!brackets || buf_append(out, "]", 1));
	if (url->port != (url->tls ? 443u : 80u))
		ok = ok && buf_appendf(out, ":%u", url->port);
	return ok && buf_append(out, "\r\n", 2);
}

/* The connection carries one exchange, and saying so lets the server end it: so its close_notify is
 * seen on every fetch. */
bool fetch_write_request(struct buf *out, const struct url *url, bool head_only)
{
	return buf_append_str(out, head_only ? STR("HEAD ") : STR("GET ")) &&
	       (!url->path_missing || buf_append(out, "/", 1)) &&
	       buf_append_str(out, url->target) && buf_append_str(out, STR(" HTTP/1.1\r\n")) &&
	       write_host(out, url) &&
	       head_write_field(out, STR("User-Agent"), STR("latch/" LATCH_VERSION)) &&
	       head_write_field(out, STR("Accept"), STR("*/*")) &&
	       head_write_field(out, STR("Connection"), STR("close")) && head_write_end(out);
}

static enum outcome send_request(struct fetch *f, struct err *e)
{
	enum outcome r = OUTCOME_OK;
	enum io_status status;
	struct buf head;

	buf_init(&head, FETCH_BUFFER);
	if (!fetch_write_request(&head, f->url, f->env->options->head_only)) {
		r = outcome_set(e, OUTCOME_OTHER, "the request is too long");
		goto out;
	}
	report_lines(f->env->report, '>', buf_str(&head));
	status = link_write(&f->link, buf_head(&head), buf_len(&head));
	if (status == IO_WANT_READ)
		r = outcome_set(e, OUTCOME_TIMED_OUT,
			"the server did not take the request in time; "
			"--timeout sets how long to wait");
	/* After any other failure the answer, or how it failed to come, says more. */
out:
	buf_done(&head);
	return r;
}

/* More bytes behind those not used yet. */
static enum io_status receive(struct fetch *f)
{
	enum io_status status;
	size_t n;

	if (f->off > 0) {
		memmove(f->in, f->in + f->off, f->end - f->off);
		f->end -= f->off;
		f->off = 0;
	}
	status = link_read(&f->link, f->in + f->end, sizeof(f->in) - f->end, &n);
	f->end += n;
	return status;
}

static enum outcome malformed(const struct http_error *error, struct err *e)
{
	return outcome_set(e, OUTCOME_MALFORMED, "the answer is not valid HTTP: %s", error->reason);
}

/* One head, interim or final; `ret_head` is valid until the next receive(). When the connection
 * ended first, `f->ended` says how. */
static enum outcome read_head(struct fetch *f, struct str *ret_head, struct err *e)
{
	const struct head_limits limits = { .size = FETCH_BUFFER, .fields = FIELDS_MAX };
	struct http_error error = { 0 };
	struct head_scan scan = { 0 };

	for (;;) {
		size_t used = 0;
		enum parse_status status = head_parse_response(&scan, f->in + f->off,
			f->end - f->off, &limits, &f->response, &used, &error);

		if (status == PARSE_DONE) {
			*ret_head = (struct str){ f->in + f->off, used };
			f->off += used;
			return OUTCOME_OK;
		}
		if (status == PARSE_BAD)
			return malformed(&error, e);
		if (f->end - f->off == sizeof(f->in))
			return outcome_set(
				e, OUTCOME_MALFORMED, "the head of the answer is too long");
		f->ended = receive(f);
		if (f->end > f->off && f->stage == VERDICT_SILENT)
			f->stage = VERDICT_HEAD;
		if (f->ended != IO_OK)
			return OUTCOME_OK;
	}
}

static enum outcome read_final_head(struct fetch *f, struct str *ret_head, struct err *e)
{
	for (unsigned i = 0; i <= FETCH_INTERIM_MAX; i++) {
		enum outcome r = read_head(f, ret_head, e);

		if (r != OUTCOME_OK || f->ended != IO_OK)
			return r;
		report_lines(f->env->report, '<', *ret_head);
		if (f->response.status == 101)
			return outcome_set(e, OUTCOME_MALFORMED,
				"the server switched to a protocol that nobody asked for");
		if (f->response.status >= 200)
			return OUTCOME_OK;
	}
	return outcome_set(e, OUTCOME_MALFORMED, "the server sends interim answers without end");
}

static enum outcome output_failed(int r)
{
	return r < 0 ? OUTCOME_OUTPUT : OUTCOME_OK;
}

/* Checks the status, opens the output, writes the head if it is wanted, and starts the body. */
static enum outcome begin_answer(struct fetch *f, struct str head, struct err *e)
{
	const struct options *o = f->env->options;
	struct output *output = f->env->output;
	struct http_error error = { 0 };
	struct body_framing framing = { 0 };
	struct str reason = f->response.reason;
	enum http_method method = o->head_only ? HTTP_METHOD_HEAD : HTTP_METHOD_GET;

	if (o->fail && f->response.status >= 400)
		return outcome_set(e, OUTCOME_STATUS, "the server answered %d " STR_FMT,
			f->response.status, STR_ARG(reason));
	if (body_frame_response(&f->response, method, &framing, &error) < 0)
		return malformed(&error, e);
	if (output_open(output, e) < 0)
		return OUTCOME_OUTPUT;
	if ((o->with_head || o->head_only) && output_write(output, head, e) < 0)
		return OUTCOME_OUTPUT;
	body_start(&f->body, framing);
	f->stage = framing.kind == BODY_UNTIL_CLOSE ? VERDICT_UNTIL_CLOSE : VERDICT_CONTENT;
	if (framing.kind == BODY_NONE || (framing.kind == BODY_LENGTH && framing.length == 0))
		f->stage = VERDICT_WHOLE;
	else
		progress_start(f->env->progress, framing.kind == BODY_LENGTH, framing.length,
			clock_us_now());
	return OUTCOME_OK;
}

/* Passes on what is received, to the end of the message at most. */
static enum outcome deliver(struct fetch *f, struct err *e)
{
	struct output *output = f->env->output;
	struct http_error error = { 0 };
	uint64_t before = f->body.content;

	while (f->off < f->end && f->stage != VERDICT_WHOLE) {
		struct str content = { NULL, 0 };
		size_t used = 0;
		enum parse_status status = body_decode(
			&f->body, f->in + f->off, f->end - f->off, &used, &content, &error);

		if (status == PARSE_BAD)
			return malformed(&error, e);
		f->off += used;
		if (output_write(output, content, e) < 0)
			return OUTCOME_OUTPUT;
		if (status == PARSE_DONE)
			f->stage = VERDICT_WHOLE;
		else if (used == 0)
			break;
	}
	progress_add(f->env->progress, f->body.content - before, clock_us_now());
	return output_failed(output_flush(output, e));
}

static enum outcome read_body(struct fetch *f, struct err *e)
{
	for (;;) {
		enum outcome r = deliver(f, e);

		if (r != OUTCOME_OK || f->stage == VERDICT_WHOLE)
			return r;
		f->ended = receive(f);
		if (f->ended != IO_OK)
			return OUTCOME_OK;
	}
}

static enum outcome exchange(struct fetch *f, struct err *e)
{
	struct str head = { NULL, 0 };
	enum outcome r = send_request(f, e);

	if (r == OUTCOME_OK)
		r = read_final_head(f, &head, e);
	if (r != OUTCOME_OK || f->ended != IO_OK)
		return r;
	r = begin_answer(f, head, e);
	return r == OUTCOME_OK ? read_body(f, e) : r;
}

/* Strict waits for the server's close_notify as long as for any byte; lenient only listens for a
 * moment, so that it can say how the connection ended. */
static void see_the_end(struct fetch *f)
{
	const struct options *o = f->env->options;
	bool strict = o->shutdown == CLOSING_STRICT && f->url->tls;
	int wait_ms = o->timeout_ms;
	uint64_t dropped;

	if (!strict && wait_ms > FETCH_LINGER_MS)
		wait_ms = FETCH_LINGER_MS;
	f->ended = link_finish(&f->link, wait_ms, &dropped);
	dropped += f->end - f->off;
	if (dropped > 0)
		report_fact(f->env->report, "%" PRIu64 " bytes behind the message were dropped",
			dropped);
}

/* The verdict's sentence, with how much came and what TLS said where that helps. */
static void describe_end(const struct fetch *f, const struct verdict *v, struct err *e)
{
	const struct body_framing *framing = &f->body.framing;

	outcome_set(e, OUTCOME_OTHER, "%s", v->sentence);
	if (f->ended == IO_FAIL)
		outcome_set(e, OUTCOME_OTHER, "%s: %s", e->text, f->link.reason.sentence);
	if (f->stage == VERDICT_CONTENT && framing->kind == BODY_LENGTH)
		outcome_set(e, OUTCOME_OTHER, "%s; %" PRIu64 " of %" PRIu64 " bytes came", e->text,
			f->body.content, framing->length);
	else if (f->stage == VERDICT_CONTENT || f->stage == VERDICT_UNTIL_CLOSE)
		outcome_set(
			e, OUTCOME_OTHER, "%s; %" PRIu64 " bytes came", e->text, f->body.content);
	else if (f->stage == VERDICT_SILENT && !f->url->tls)
		outcome_set(e, OUTCOME_OTHER, "%s; if this port speaks TLS, use https://", e->text);
}

static enum outcome judge(struct fetch *f, struct err *e)
{
	const struct options *o = f->env->options;
	enum closing_mode mode = f->url->tls ? o->shutdown : CLOSING_LENIENT;
	struct verdict v;

	if (f->stage == VERDICT_WHOLE)
		report_fact(f->env->report, "message whole: %" PRIu64 " bytes of content in %.3f s",
			f->body.content, (double)(clock_us_now() - f->started_us) / 1e6);
	if (f->ended == IO_OK)
		see_the_end(f);
	v = verdict_of(f->stage, f->ended, mode);
	report_closure(f->env->report, v.closure, f->url->tls);
	if (v.sentence)
		describe_end(f, &v, e);
	if (v.outcome == OUTCOME_OK && v.sentence)
		report_warning(f->env->report, f->text, e->text);
	return v.outcome;
}

static void tick(void *arg)
{
	const struct fetch *f = arg;

	progress_add(f->env->progress, 0, clock_us_now());
}

static enum outcome open_link(struct fetch *f, struct err *e)
{
	const struct options *o = f->env->options;
	const struct link_options lo = {
		.host = f->host,
		.connect_host = o->connect_host[0] ? o->connect_host : f->host,
		.port = o->connect_port ? o->connect_port : f->url->port,
		.ctx = f->url->tls ? f->env->ctx : NULL,
		.verify = !o->insecure,
		.timeout_ms = o->timeout_ms,
	};
	struct report *report = f->env->report;
	enum outcome r = link_open(&f->link, &lo, e);

	if (r != OUTCOME_OK && f->link.address[0] && !f->link.session.handshaken)
		report_fact(report, "connected to %s", f->link.address);
	else if (f->link.address[0])
		report_link(report, &f->link);
	if (r != OUTCOME_OK)
		return r;
	if (f->url->tls && o->insecure)
		report_fact(report, "certificate not verified (-k)");
	else if (f->url->tls)
		report_fact(report, "certificate verified: its chain, and the name %s", f->host);
	f->link.tick = tick;
	f->link.tick_arg = f;
	return OUTCOME_OK;
}

/* A file that holds a part of the content is left, and that is said. */
static void describe_rest(const struct fetch *f, enum outcome r, struct err *e)
{
	const struct output *output = f->env->output;
	uint64_t n = output->written - f->written_before;

	if (output->path && n > 0)
		outcome_set(e, r, "%s; %s keeps the %" PRIu64 " bytes that arrived", e->text,
			output->path, n);
}

enum outcome fetch_run(
	const struct fetch_env *env, const struct url *url, const char *text, struct err *e)
{
	struct fetch *f = NULL;
	enum outcome r = OUTCOME_OTHER;

	if (url->host.n >= sizeof(f->host))
		return outcome_set(e, OUTCOME_USAGE, "the host name is too long");
	f = calloc(1, sizeof(*f));
	if (!f)
		return outcome_set(e, OUTCOME_OTHER, "out of memory");
	f->env = env;
	f->url = url;
	f->text = text;
	f->written_before = env->output->written;
	f->started_us = clock_us_now();
	memcpy(f->host, url->host.p, url->host.n);
	r = open_link(f, e);
	if (r == OUTCOME_OK)
		r = exchange(f, e);
	if (r == OUTCOME_OK)
		r = judge(f, e);
	progress_stop(env->progress);
	if (r != OUTCOME_OK) {
		output_flush(env->output, NULL); /* the first failure counts */
		describe_rest(f, r, e);
	}
	link_close(&f->link);
	free(f);
	return r;
}
