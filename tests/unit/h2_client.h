/* The client's end of an HTTP/2 connection in memory, made of http2/session: requests go out with
 * h2_client_get() and the like, what came back stands in the streams. */
#ifndef LATCH_TESTS_H2_CLIENT_H
#define LATCH_TESTS_H2_CLIENT_H

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "http2/session.h"

struct h2_client_stream {
	struct http2_stream http2; /* first */
	struct fields fields;
	struct arena arena;
	struct http2_head head;
	size_t to_send; /* content */
	bool never_ends;
	int interim; /* status of an interim response */
	char *body;
	size_t nbody;
	bool answered, ended, closed;
	uint32_t code;
};

enum { H2_CLIENT_STREAMS = 300 };

struct h2_client {
	struct http2 *http2;
	struct h2_client_stream *stream[H2_CLIENT_STREAMS];
	unsigned n;
};

static inline struct http2_stream *h2_client_open(void *owner, int32_t id)
{
	(void)owner, (void)id;
	return NULL;
}

static inline void h2_client_head(void *owner, struct http2_stream *hs, bool ended)
{
	struct h2_client_stream *s = (struct h2_client_stream *)hs;

	(void)owner;
	if (hs->status < 200)
		s->interim = hs->status;
	else
		s->answered = true;
	s->ended = ended;
}

static inline void h2_client_data(void *owner, struct http2_stream *hs, const char *p, size_t n)
{
	struct h2_client_stream *s = (struct h2_client_stream *)hs;

	(void)owner;
	s->body = realloc(s->body, s->nbody + n + 1);
	memcpy(s->body + s->nbody, p, n);
	s->nbody += n;
	s->body[s->nbody] = '\0';
}

static inline void h2_client_end(void *owner, struct http2_stream *hs)
{
	(void)owner;
	((struct h2_client_stream *)hs)->ended = true;
}

static inline void h2_client_close(void *owner, struct http2_stream *hs, uint32_t code)
{
	struct h2_client_stream *s = (struct h2_client_stream *)hs;

	(void)owner;
	s->closed = true;
	s->code = code;
}

static inline ssize_t h2_client_read(
	void *owner, struct http2_stream *hs, char *p, size_t n, bool *ret_last)
{
	struct h2_client_stream *s = (struct h2_client_stream *)hs;

	(void)owner;
	n = n < s->to_send ? n : s->to_send;
	memset(p, 'x', n);
	s->to_send -= n;
	*ret_last = s->to_send == 0 && !s->never_ends;
	return (ssize_t)n;
}

static inline void h2_client_start(struct h2_client *c)
{
	static const struct http2_events events = { h2_client_open, h2_client_head, h2_client_data,
		h2_client_end, h2_client_close, h2_client_read };
	struct http2_limits limits = { false, 100, 64 * 1024, 100 };

	memset(c, 0, sizeof *c);
	c->http2 = http2_new(&limits, &events, c);
	cr_assert_not_null(c->http2);
}

static inline void h2_client_stop(struct h2_client *c)
{
	http2_free(c->http2);
	for (unsigned i = 0; i < c->n; i++) {
		arena_done(&c->stream[i]->arena);
		free(c->stream[i]->body);
		free(c->stream[i]);
	}
}

/* A stream with the four pseudo-header fields; more may be added before it is sent. */
static inline struct h2_client_stream *h2_client_new(
	struct h2_client *c, const char *method, const char *path)
{
	struct h2_client_stream *s = calloc(1, sizeof *s);

	cr_assert_lt(c->n, (unsigned)H2_CLIENT_STREAMS);
	c->stream[c->n++] = s;
	arena_init(&s->arena, 1 << 20);
	s->http2.fields = &s->fields;
	s->http2.arena = &s->arena;
	http2_head_add(&s->head, STR(":method"), str_of(method));
	http2_head_add(&s->head, STR(":scheme"), STR("https"));
	http2_head_add(&s->head, STR(":authority"), STR("x"));
	http2_head_add(&s->head, STR(":path"), str_of(path));
	return s;
}

static inline struct h2_client_stream *h2_client_get(struct h2_client *c, const char *path)
{
	struct h2_client_stream *s = h2_client_new(c, "GET", path);

	cr_assert(http2_request(c->http2, &s->http2, &s->head, false));
	return s;
}

static inline struct h2_client_stream *h2_client_post(
	struct h2_client *c, const char *path, size_t n)
{
	struct h2_client_stream *s = h2_client_new(c, "POST", path);

	s->to_send = n;
	cr_assert(http2_request(c->http2, &s->http2, &s->head, true));
	return s;
}

#endif
