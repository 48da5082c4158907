/* A stream's response in full records: over HTTP/1.1 head and content share the first, over HTTP/2
 * the driver takes the content alone. It never waits and never flushes; when is the driver's
 * business. */
#include "protocol/response.h"

#include "base/clock.h"
#include "protocol/report.h"

enum {
	OUTPUT_SPARE = 2048,    /* for the overhead of records, an interim response, close_notify */
	PASSED_MIN = 64 * 1024, /* what is shorter is read: head and content share a system call */
};

static bool wants_length(int status)
{
	return status >= 200 && status != 204 && status != 304;
}

/* The head of the response into `out`. */
static bool write_head(struct conn *c, struct buf *out)
{
	struct stream *s = c->streams;
	const struct response *r = &s->response;
	bool ok = head_write_status(out, r->status) &&
		  head_write_field(out, STR("Date"), clock_http_date()) &&
		  head_write_field(out, STR("Server"), STR("latchd"));

	for (unsigned i = 0; ok && i < r->nfields; i++)
		ok = head_write_field(out, r->field[i].name, r->field[i].value);
	if (ok && wants_length(r->status))
		ok = head_write_field_u64(
			out, STR("Content-Length"), r->has_length ? r->length : 0);
	if (ok && !c->h1.keep_alive)
		ok = head_write_field(out, STR("Connection"), STR("close"));
	else if (ok && s->request.version == HTTP_VERSION_1_0)
		ok = head_write_field(out, STR("Connection"), STR("keep-alive"));
	return ok && head_write_end(out);
}

bool response_has_length(const struct stream *s)
{
	return wants_length(s->response.status);
}

uint64_t response_left(const struct stream *s)
{
	if (s->request.method == HTTP_METHOD_HEAD || !s->response.has_length ||
		!wants_length(s->response.status))
		return 0;
	return s->response.length - s->sent;
}

static void report_cut(struct conn *c)
{
	report_peer(c, LOG_LEVEL_ERROR,
		c->streams->head_written
			? "the content ended before its length: the response is cut"
			: "the content ended before its length: the answer is 500 instead");
}

ssize_t response_take(struct stream *s, char *p, size_t n)
{
	struct response *r = &s->response;
	size_t done = 0;

	if (r->memory.p) {
		memcpy(p, r->memory.p + s->sent, n);
		return (ssize_t)n;
	}
	while (done < n) {
		ssize_t got = r->source->read(r->source, p + done, n - done);

		if (got <= 0)
			return -1; /* the length is promised: an early end is broken, too */
		done += (size_t)got;
	}
	return (ssize_t)n;
}

/* Only the last bytes of a large file, less than a record, are read and sealed here. */
static size_t passable(const struct conn *c, const struct response *r, uint64_t left)
{
	if (!c->session.offloaded || r->memory.p || !r->source || !r->source->pass ||
		left < PASSED_MIN)
		return 0;
	if (left > CONN_SENT_A_TURN)
		left = CONN_SENT_A_TURN;
	return (size_t)(left - 1) / SESSION_READ_MAX * SESSION_READ_MAX;
}

struct passing {
	struct session *session;
	enum io_status status;
};

static size_t pass(void *arg, int fd, uint64_t offset, size_t n)
{
	struct passing *p = arg;

	p->status = session_sendfile(p->session, fd, offset, n, &n);
	return p->status == IO_OK ? n : 0;
}

/* IO_OK: *ret_n bytes went from the source to the kernel, 0: none can. */
static enum io_status pass_content(struct conn *c, size_t n, size_t *ret_n)
{
	struct source *source = c->streams->response.source;
	struct passing p = { &c->session, IO_OK };
	ssize_t got = source->pass(source, n, pass, &p);

	*ret_n = got > 0 ? (size_t)got : 0;
	if (got < 0)
		report_cut(c);
	return got < 0 ? IO_EOF : p.status;
}

enum io_status response_produce(struct conn *c, size_t room)
{
	struct stream *s = c->streams;
	struct buf out = { .data = c->env->output, .cap = CONN_HEAD_MAX, .max = CONN_HEAD_MAX };
	enum io_status status;
	uint64_t left = response_left(s);
	size_t n = passable(c, &s->response, left);
	bool alone; /* the head, before a file that is passed */

	if (n > 0 && s->head_written) {
		status = pass_content(c, n, &n);
		s->sent += n;
		if (status != IO_OK || n > 0)
			return status;
	}
	alone = n > 0;
	if (!s->head_written && !write_head(c, &out))
		return IO_FAIL;
	if (room > CONN_OUTPUT_MAX)
		room = CONN_OUTPUT_MAX;
	n = room > out.end && !alone ? room - out.end : 0;
	if (n > left)
		n = (size_t)left;
	if (n > 0 && response_take(s, out.data + out.end, n) < 0) {
		report_cut(c);
		return IO_EOF;
	}
	s->head_written = true;
	s->sent += n;
	out.end += n;
	status = session_write(&c->session, out.data, out.end, &n);
	/* `room` said that it fits: only memory can have failed, and the rest is lost */
	return status == IO_OK && n != out.end ? IO_RESET : status;
}

size_t response_room(const struct conn *c)
{
	size_t used = buf_len(&c->env->io.out);

	if (buf_len(&c->session.pending) > 0 || used + OUTPUT_SPARE >= SESSION_OUT_MAX)
		return 0;
	return SESSION_OUT_MAX - OUTPUT_SPARE - used;
}
