/* Streams of connections from their first byte to their line in the log. Streams are kept and used
 * again: the memory of one is warm for the next. It never reads or writes a byte of a connection:
 * that is the driver's business. */
#include "protocol/exchange.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "ipc/board.h"
#include "protocol/report.h"

enum { TIMED_EACH = 4 };
enum { SPARE_MAX = 64 /* streams of a worker that wait for their next use */ };

static void stream_free(struct stream *s)
{
	arena_done(&s->arena);
	free(s);
}

void exchange_env_done(struct conn_env *env)
{
	while (env->spare) {
		struct stream *s = env->spare;

		env->spare = s->next;
		stream_free(s);
	}
	env->nspare = 0;
}

struct stream *exchange_next(struct conn_env *env)
{
	if (!env->spare && (env->spare = calloc(1, sizeof *env->spare))) {
		arena_init(&env->spare->arena, STREAM_ARENA_MAX + 2 * env->limits->head.size);
		env->nspare++;
	}
	return env->spare;
}

struct stream *exchange_open(struct conn *c)
{
	struct conn_env *env = c->env;
	struct stream *s = exchange_next(env);

	if (!s)
		return NULL;
	env->spare = s->next;
	env->nspare--;
	if (!c->streams)
		rate_begin(c);
	s->conn = c;
	s->next = c->streams;
	s->link = &c->streams;
	if (s->next)
		s->next->link = &s->next;
	c->streams = s;
	s->board = env->board;
	s->files = env->files;
	s->peer = (struct stream_peer){
		.address = &c->peer,
		.tls = c->session.ssl != NULL,
		.client = c->session.peer,
	};
	s->site = c->session.site;
	s->number = ++c->requests;
	s->wall_ms = clock_wall_ms();
	/* All of them for an access log, else some for the plot of the status page. */
	s->started_us =
		env->timed || env->counters->requests % TIMED_EACH == 0 ? clock_us_now() : 0;
	return s;
}

static bool understand_host(struct stream *s)
{
	struct str authority = s->request.authority;
	unsigned port;

	if (authority.n == 0 || uri_split_authority(authority, &s->host, &port))
		return true;
	s->host = (struct str){ NULL, 0 };
	return false;
}

/* Target, host and path of the parsed request, in the stream's own memory. */
static int understand(struct stream *s, struct http_error *error)
{
	struct request *r = &s->request;
	char *path;

	if (uri_parse_target(r->target, r->method, &s->target, error))
		return -1;
	if (!understand_host(s)) {
		*error = (struct http_error){ 400, "malformed host" };
		return -1;
	}
	path = arena_alloc(&s->arena, s->target.path.n + 1);
	if (!path) {
		*error = (struct http_error){ 500, "out of memory" };
		return -1;
	}
	if (s->target.path.n == 0) {
		s->path = (struct str){ path, 0 };
		return 0;
	}
	return uri_decode_path(s->target.path, path, &s->path, error);
}

void exchange_refuse(struct stream *s, int status, const char *reason)
{
	struct conn *c = s->conn;

	if (reason)
		report_peer(c, LOG_LEVEL_INFO, reason);
	stream_discard_reply(s);
	stream_reply_error(s, status);
	if (!c->env->dress)
		return;
	if (!s->host.p) /* it was refused before anybody looked */
		understand_host(s);
	c->env->dress(s, c->listener->routes);
}

static bool has_field(const struct response *r, struct str name)
{
	for (unsigned i = 0; i < r->nfields; i++)
		if (str_case_eq(r->field[i].name, name))
			return true;
	return false;
}

bool exchange_route(struct stream *s)
{
	struct arena_mark mark = arena_mark(&s->arena);

	crumb_request(&s->conn->env->counters->crumb, s->request.method_text, s->request.target);
	s->conn->env->route(s, s->conn->listener->routes);
	if (s->response.status)
		return true;
	arena_rewind(&s->arena, mark);
	if (!s->put_off_ms)
		s->put_off_ms = clock_ms();
	if (clock_ms() - s->put_off_ms < STREAM_WAIT_MS)
		return false;
	report_peer(s->conn, LOG_LEVEL_WARNING, "there is too much work before this request");
	exchange_refuse(s, 503, NULL);
	if (!has_field(&s->response, STR("Retry-After")))
		stream_add_field(s, STR("Retry-After"), STR("30"));
	return true;
}

int exchange_serve(struct stream *s, struct body_framing framing, struct http_error *error)
{
	struct conn *c = s->conn;
	const struct request *r = &s->request;

	if (understand(s, error))
		return -1;
	if (framing.kind == BODY_LENGTH && framing.length > (uint64_t)c->env->limits->body_size) {
		*error = (struct http_error){ 413,
			"the request body is larger than limits.body_size" };
		return -1;
	}
	if (fields_has(&r->fields, FIELD_EXPECT) && r->version != HTTP_VERSION_1_0 &&
		!str_case_eq(fields_get(&r->fields, FIELD_EXPECT), STR("100-continue"))) {
		*error = (struct http_error){ 417, NULL };
		return -1;
	}
	exchange_route(s);
	return 0;
}

/* Everything but the arena and what exchange_open() sets; the field table is cleared by count. */
static void stream_clear(struct stream *s)
{
	request_clear(&s->request);
	memset(&s->target, 0, sizeof s->target);
	s->path = s->host = (struct str){ NULL, 0 };
	stream_discard_reply(s);
	s->head_written = false;
	s->driver = NULL;
	s->sent = 0;
	s->put_off_ms = 0;
}

static void give_back(struct stream *s)
{
	struct conn_env *env = s->conn->env;

	stream_clear(s);
	arena_reset(&s->arena);
	*s->link = s->next;
	if (s->next)
		s->next->link = s->link;
	if (env->nspare >= SPARE_MAX) {
		stream_free(s);
		return;
	}
	s->next = env->spare;
	env->spare = s;
	env->nspare++;
}

void exchange_count_bytes(struct conn *c)
{
	board_add(c->env->counters->bytes_sent, c->session.bytes_out - c->bytes_counted);
	c->bytes_counted = c->session.bytes_out;
}

void exchange_close(struct stream *s)
{
	struct conn *c = s->conn;
	struct conn_env *env = c->env;
	int class = s->response.status / 100, code = http_status_index(s->response.status);

	if (env->timed)
		report_request(c, s);
	if (s->started_us) {
		board_add(env->counters->timed, 1);
		board_add(env->counters->timed_us, (uint64_t)(clock_us_now() - s->started_us));
	}
	crumb_answered(&env->counters->crumb);
	board_add(env->counters->requests, 1);
	if (class > 0 && class < BOARD_STATUS_CLASSES)
		board_add(env->counters->responses[class], 1);
	if (code >= 0)
		board_add(env->counters->codes[code], 1);
	exchange_count_bytes(c);
	c->content_sent += s->sent;
	give_back(s);
}

void exchange_drop(struct stream *s)
{
	s->conn->requests--;
	give_back(s);
}
