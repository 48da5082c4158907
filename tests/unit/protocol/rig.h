/* What a worker gives its connections, without a worker: a loop, a board and an environment, whose
 * peers are the other ends of socket pairs. Time is set by hand. For one test file each. */
#ifndef LATCH_TESTS_RIG_H
#define LATCH_TESTS_RIG_H

#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>

#include "../fake_clock.h"
#include "../turns.h"
#include "base/clock.h"
#include "base/log.h"
#include "ipc/board.h"
#include "protocol/conn.h"

static struct loop loop;
static struct conn_env env;
static struct board *board;
static struct conn_timeouts timeouts = { 1000, 2000, 3000, 4000, 5000 };
static struct conn_limits limits = { .head = { 1024, 20 }, .body_size = 100, .streams = 10 };
static struct closing_policy policy = { CLOSING_LENIENT, 500 };
static struct conn_listener listener = { .name = "test", .policy = &policy };
static unsigned gone;          /* connections */
static char body_text[200000]; /* of /big */

static inline void rig_site_facts(const struct conn_env *e, const void *site, struct str *ret_name,
	struct access_log **ret_log)
{
	(void)e, (void)site;
	*ret_name = (struct str){ NULL, 0 };
	*ret_log = NULL;
}

static inline void rig_on_gone(struct conn_env *e)
{
	(void)e;
	gone++;
}

static inline void rig_set_up(void (*route)(struct stream *s, void *routes))
{
	struct err e;

	fake_clock_us = 1000000000;
	for (size_t i = 0; i < sizeof(body_text); i++)
		body_text[i] = (char)('a' + i % 26);
	board = board_new(&e);
	cr_assert_not_null(board);
	cr_assert_eq(loop_init(&loop, &e), 0);
	turns_start(&loop);
	cr_assert_eq(conn_env_init(&env, true), 0);
	env.loop = &loop;
	env.board = board;
	env.counters = &board->slot[0];
	env.timeouts = &timeouts;
	env.limits = &limits;
	env.route = route;
	env.site_facts = rig_site_facts;
	env.on_gone = rig_on_gone;
	log_set(LOG_TARGET_OFF, -1, LOG_LEVEL_ERROR);
}

static inline void rig_tear_down(void)
{
	conn_close_all(&env);
	conn_env_done(&env);
	turns_stop();
	loop_done(&loop);
	board_free(board);
}

/* A connection; returns its peer's end. */
static inline int rig_connect(void)
{
	struct sockaddr_storage address = { .ss_family = AF_UNIX };
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	cr_assert(conn_open(&env, &listener, fds[0], &address));
	return fds[1];
}

static inline void rig_pass(int64_t ms)
{
	fake_clock_us += ms * 1000;
	clock_update();
}

/* Breaks after `left` bytes. */
struct rig_short_source {
	struct source source;
	size_t left;
};

static inline ssize_t rig_short_read(struct source *source, void *p, size_t n)
{
	struct rig_short_source *s = (struct rig_short_source *)source;

	n = n < s->left ? n : s->left;
	memset(p, 's', n);
	s->left -= n;
	return (ssize_t)n;
}

/* A response whose source has less than its head says. */
static inline void rig_reply_short(struct stream *s, size_t has, size_t says)
{
	static struct rig_short_source broken;

	broken = (struct rig_short_source){ { .read = rig_short_read }, has };
	s->response.source = &broken.source;
	s->response.has_length = true;
	s->response.length = says;
	stream_reply(s, 200);
}

/* /text: 5 bytes; /big: body_text; /long: a field that no head takes; /empty: 204; else 404. */
static inline void rig_route(struct stream *s, void *routes)
{
	(void)routes;
	if (str_eq(s->path, STR("/text"))) {
		stream_reply_text(s, 200, STR("text/plain"), STR("hello"));
	} else if (str_eq(s->path, STR("/big"))) {
		stream_reply_text(
			s, 200, STR("text/plain"), (struct str){ body_text, sizeof(body_text) });
	} else if (str_eq(s->path, STR("/long"))) {
		stream_add_field(s, STR("Location"), (struct str){ body_text, CONN_HEAD_MAX });
		stream_reply_text(s, 308, STR("text/plain"), STR("hello"));
	} else if (str_eq(s->path, STR("/empty"))) {
		stream_reply(s, 204);
	} else {
		stream_reply_error(s, 404);
	}
}

#endif
