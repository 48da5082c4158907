/* A whole connection over a socket pair: whatever a client sends, what it gets is well formed and
 * nothing is left behind. The first byte of the input says how:
 *
 *   bit 0     HTTP/2, else HTTP/1.1
 *   bit 1     HTTP/2: the client's preface and an empty SETTINGS come before the input
 *   bits 2-4  the input comes in pieces of 1, 3, 9, 27, 81, 243, 729 bytes, or in one
 *   bit 5     the client has nothing more to say after it */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "fuzz.h"
#include "ipc/board.h"
#include "protocol/conn.h"
#include "protocol/h2.h"

static struct loop loop;
static struct conn_env env;
static struct board *board;
static struct conn_timeouts timeouts = { 10000, 10000, 10000, 10000, 10000 };
static struct conn_limits limits = { .head = { 2048, 20 }, .body_size = 200, .streams = 8 };
static struct closing_policy policy = { CLOSING_LENIENT, 500 };
static struct conn_listener listener = { .name = "fuzz", .policy = &policy };
static char content[40000];
static unsigned gone;

static void site_facts(const struct conn_env *e, const void *site, struct str *ret_name,
	struct access_log **ret_log)
{
	(void)e, (void)site;
	*ret_name = (struct str){ NULL, 0 };
	*ret_log = NULL;
}

static void on_gone(struct conn_env *e)
{
	(void)e;
	gone++;
}

/* By the length of the path, so that the fuzzer finds all kinds. */
static void route(struct stream *s, void *routes)
{
	(void)routes;
	check(s->path.n == 0 || memchr(s->path.p, '\0', s->path.n) == NULL);
	switch (s->path.n % 4) {
	case 0:
		stream_reply_error(s, 404);
		break;
	case 1:
		stream_reply_text(s, 200, STR("text/plain"), STR("hello"));
		break;
	case 2:
		stream_reply_text(
			s, 200, STR("text/plain"), (struct str){ content, sizeof content });
		break;
	default:
		stream_reply(s, 204);
		break;
	}
}

static void set_up(void)
{
	struct err e;

	if (board)
		return;
	board = board_new(&e);
	check(board && loop_init(&loop, &e) == 0 && conn_env_init(&env, true) == 0);
	env.loop = &loop;
	env.board = board;
	env.counters = &board->slot[0];
	env.timeouts = &timeouts;
	env.limits = &limits;
	env.route = route;
	env.site_facts = site_facts;
	env.on_gone = on_gone;
	log_set(LOG_TARGET_OFF, -1, LOG_LEVEL_ERROR);
	memset(content, 'c', sizeof content);
}

/* All that the peer can read; what `out` has no room for is dropped. */
static void hear(int peer, char *out, size_t *n, size_t size)
{
	char dropped[4096];
	ssize_t got = 1;

	while (got > 0 && *n < size)
		if ((got = read(peer, out + *n, size - *n)) > 0)
			*n += (size_t)got;
	while (got > 0)
		got = read(peer, dropped, sizeof dropped);
}

/* Turns while anything is ready: a descriptor of the connection keeps the loop from waiting. */
static void turns(int peer, char *out, size_t *n, size_t size)
{
	for (int i = 0; i < 4 && env.all; i++) {
		char byte;

		/* something to wake for, whatever the connection waits for */
		if (env.all->watch.events & LOOP_WRITE ||
			recv(env.all->watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0)
			loop_turn(&loop);
		hear(peer, out, n, size);
	}
}

static void check_frames(const unsigned char *p, size_t n)
{
	bool first = true;

	while (n >= 9) {
		size_t length = (size_t)p[0] << 16 | (size_t)p[1] << 8 | p[2];

		check(length <= 16384);
		check(!first || p[3] == 4); /* our SETTINGS */
		if (9 + length > n)
			return;
		first = false;
		p += 9 + length;
		n -= 9 + length;
	}
}

static void talk(const char *p, size_t n, uint8_t how)
{
	static const unsigned sizes[] = { 1, 3, 9, 27, 81, 243, 729, 1 << 20 };
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
	static char out[1 << 20];
	struct sockaddr_storage address = { .ss_family = AF_UNIX };
	size_t size = sizes[how >> 2 & 7], nout = 0;
	int fds[2];

	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	check(conn_open(&env, &listener, fds[0], &address));
	if (how & 1)
		check(h2_start(env.all));
	if ((how & 3) == 3)
		check(send(fds[1], preface, sizeof preface, MSG_NOSIGNAL) == sizeof preface);
	turns(fds[1], out, &nout, sizeof out);
	for (size_t at = 0; at < n && env.all; at += size) {
		size_t piece = n - at < size ? n - at : size;

		if (send(fds[1], p + at, piece, MSG_NOSIGNAL) != (ssize_t)piece)
			break;
		turns(fds[1], out, &nout, sizeof out);
	}
	if (how & 32) {
		shutdown(fds[1], SHUT_WR);
		turns(fds[1], out, &nout, sizeof out);
	}
	conn_close_all(&env);
	close(fds[1]);
	if (how & 1)
		check_frames((const unsigned char *)out, nout);
	else
		check(nout < 9 || memcmp(out, "HTTP/1.1 ", 9) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	set_up();
	gone = 0;
	talk((const char *)data + 1, size - 1, data[0]);
	check(gone == 1 && env.live == 0 && !env.all);
	return 0;
}
