/* The load of tests/bench: many TLS connections on one thread, for a given time.
 *
 *   loadgen full|resumed|keepalive|idle PORT PATH LENGTH CONNECTIONS SECONDS [1.2|1.3]
 *
 * full: a handshake, a request, an end; resumed: the same with the ticket of the connection before,
 * each used once; keepalive: request after request; idle: open them all, one request each, and hold
 * them until standard input ends. Writes "start" when warm, then "end" and what happened as JSON.
 *
 * It counts nothing that is not whole: an operation is a response of status 200 with LENGTH bytes
 * of content, and with full and resumed also the server's end of the connection. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum mode { FULL, RESUMED, KEEPALIVE, IDLE };
enum step { HANDSHAKE, SEND, RECEIVE, LEAVE };

static const char *const mode_names[] = { "full", "resumed", "keepalive", "idle" };

enum { WARM_MS = 300, READ_MAX = 256 * 1024, HEAD_MAX = 8192, FAILED_ROW_MAX = 200 };

struct slot {
	int fd;
	SSL *ssl;
	enum step step;
	unsigned watched;     /* epoll events asked for */
	SSL_SESSION *session; /* for the next connection of this slot */
	char head[HEAD_MAX];
	size_t head_len;
	bool head_done;
	uint64_t content; /* bytes of it seen */
};

struct load {
	enum mode mode;
	struct sockaddr_in to;
	char request[1024];
	size_t request_len;
	uint64_t length;
	unsigned nslots;
	struct slot *slots;
	SSL_CTX *ctx;
	int epoll;
	unsigned idle; /* slots that hold an idle connection */
	unsigned failed_row;
	/* counted between start and end */
	uint64_t done, failed, handshakes, resumed, bytes;
};

static char *scratch;

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void die(const char *what)
{
	fprintf(stderr, "loadgen: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	struct slot *s = SSL_get_app_data(ssl);

	SSL_SESSION_free(s->session);
	s->session = session;
	return 1;
}

static void slot_watch(struct load *l, struct slot *s, unsigned events)
{
	struct epoll_event e = { .events = events, .data.ptr = s };

	if (s->watched == events)
		return;
	if (epoll_ctl(l->epoll, s->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, s->fd, &e))
		die("epoll_ctl");
	s->watched = events;
}

static void slot_close(struct slot *s)
{
	SSL_free(s->ssl);
	s->ssl = NULL;
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->watched = 0;
}

static void slot_open(struct load *l, struct slot *s)
{
	int one = 1;

	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		die("socket");
	/* Loopback: connecting is done at once or waits for a place in the queue. */
	if (connect(s->fd, (struct sockaddr *)&l->to, sizeof l->to))
		die("connect");
	if (fcntl(s->fd, F_SETFL, O_NONBLOCK) ||
		setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one))
		die("socket options");
	s->ssl = SSL_new(l->ctx);
	if (!s->ssl || !SSL_set_fd(s->ssl, s->fd) || !SSL_set_tlsext_host_name(s->ssl, "localhost"))
		die("SSL_new");
	SSL_set_app_data(s->ssl, s);
	SSL_set_connect_state(s->ssl);
	if (l->mode == RESUMED && s->session) {
		SSL_set_session(s->ssl, s->session);
		SSL_SESSION_free(s->session);
		s->session = NULL;
	}
	s->step = HANDSHAKE;
}

static void slot_expect(struct slot *s, enum step step)
{
	s->step = step;
	s->head_len = 0;
	s->head_done = false;
	s->content = 0;
}

/* The connection is over, for good or bad; the slot takes the next one. */
static void slot_over(struct load *l, struct slot *s, bool good)
{
	if (good) {
		l->failed_row = 0;
	} else {
		l->failed++;
		if (++l->failed_row > FAILED_ROW_MAX) {
			fprintf(stderr, "loadgen: %u failures in a row\n", l->failed_row);
			exit(1);
		}
	}
	ERR_clear_error();
	slot_close(s);
	slot_open(l, s);
	slot_watch(l, s, EPOLLIN | EPOLLOUT);
}

/* What OpenSSL waits for; false: it failed. */
static bool slot_wait(struct load *l, struct slot *s, int result)
{
	switch (SSL_get_error(s->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		slot_watch(l, s, EPOLLIN);
		return true;
	case SSL_ERROR_WANT_WRITE:
		slot_watch(l, s, EPOLLOUT);
		return true;
	default:
		return false;
	}
}

/* One whole response is here. */
static void slot_answered(struct load *l, struct slot *s)
{
	if (l->mode == KEEPALIVE) {
		l->done++;
		slot_expect(s, SEND);
	} else if (l->mode == IDLE) {
		l->idle++;
		slot_watch(l, s, EPOLLIN);
	} else {
		SSL_shutdown(s->ssl);
		s->step = LEAVE;
	}
}

/* Takes bytes of head and content; -1: not what was asked for, 1: the response is whole. */
static int slot_take(struct load *l, struct slot *s, const char *p, size_t n)
{
	if (!s->head_done) {
		size_t room = HEAD_MAX - 1 - s->head_len;
		size_t part = n < room ? n : room;
		memcpy(s->head + s->head_len, p, part);
		s->head_len += part;
		s->head[s->head_len] = '\0';
		char *end = strstr(s->head, "\r\n\r\n");
		if (!end)
			return s->head_len == HEAD_MAX - 1 ? -1 : 0;
		if (strncmp(s->head, "HTTP/1.1 200", 12) != 0)
			return -1;
		s->head_done = true;
		s->content = s->head_len - (size_t)(end + 4 - s->head) + (n - part);
	} else {
		s->content += n;
	}
	l->bytes += n;
	if (s->content > l->length)
		return -1;
	return s->content == l->length;
}

/* Each step goes as far as it can: false when it waits or the slot took the next connection. */
static bool step_handshake(struct load *l, struct slot *s)
{
	int r = SSL_do_handshake(s->ssl);

	if (r != 1) {
		if (!slot_wait(l, s, r))
			slot_over(l, s, false);
		return false;
	}
	l->handshakes++;
	l->resumed += SSL_session_reused(s->ssl) ? 1 : 0;
	slot_expect(s, SEND);
	return true;
}

static bool step_send(struct load *l, struct slot *s)
{
	int r = SSL_write(s->ssl, l->request, (int)l->request_len);

	if (r <= 0) {
		if (!slot_wait(l, s, r))
			slot_over(l, s, false);
		return false;
	}
	slot_expect(s, RECEIVE);
	slot_watch(l, s, EPOLLIN);
	return true;
}

static bool step_receive(struct load *l, struct slot *s)
{
	int r = SSL_read(s->ssl, scratch, READ_MAX);

	if (r <= 0) {
		if (!slot_wait(l, s, r))
			slot_over(l, s, false);
		return false;
	}
	int whole = slot_take(l, s, scratch, (size_t)r);
	if (whole < 0) {
		slot_over(l, s, false);
		return false;
	}
	if (whole)
		slot_answered(l, s);
	return !(whole && l->mode == IDLE);
}

/* Our close_notify is sent: the server's end is part of the operation. */
static bool step_leave(struct load *l, struct slot *s)
{
	ssize_t n = read(s->fd, scratch, READ_MAX);

	if (n > 0)
		return true;
	if (n < 0 && errno == EAGAIN) {
		slot_watch(l, s, EPOLLIN);
		return false;
	}
	if (n == 0)
		l->done++;
	slot_over(l, s, n == 0);
	return false;
}

static bool (*const steps[])(struct load *, struct slot *) = {
	[HANDSHAKE] = step_handshake,
	[SEND] = step_send,
	[RECEIVE] = step_receive,
	[LEAVE] = step_leave,
};

static void run_until(struct load *l, int64_t deadline)
{
	struct epoll_event events[256];

	for (;;) {
		int64_t left = deadline - now_ms();
		if (left <= 0 || (l->mode == IDLE && l->idle == l->nslots))
			return;
		int n = epoll_wait(l->epoll, events, 256, (int)left);
		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < n; i++) {
			struct slot *s = events[i].data.ptr;
			/* A keep-alive slot would never wait on a server that is always faster. */
			for (int budget = 16; budget > 0 && steps[s->step](l, s); budget--)
				;
			if (s->step == SEND)
				slot_watch(l, s, EPOLLIN | EPOLLOUT);
		}
	}
}

static void load_init(struct load *l, char **argv, const char *version)
{
	for (l->mode = FULL; l->mode < IDLE && strcmp(argv[1], mode_names[l->mode]) != 0; l->mode++)
		;
	l->to = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	l->request_len = (size_t)snprintf(l->request, sizeof l->request,
		"GET %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: loadgen\r\n\r\n", argv[3]);
	l->length = strtoull(argv[4], NULL, 10);
	l->nslots = (unsigned)strtoul(argv[5], NULL, 10);
	l->slots = calloc(l->nslots, sizeof *l->slots);
	scratch = malloc(READ_MAX);
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->ctx = SSL_CTX_new(TLS_client_method());
	if (!l->slots || !scratch || l->epoll < 0 || !l->ctx)
		die("start");
	int v = strcmp(version, "1.2") == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
	SSL_CTX_set_min_proto_version(l->ctx, v);
	SSL_CTX_set_max_proto_version(l->ctx, v);
	SSL_CTX_set_session_cache_mode(l->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(l->ctx, keep_session);
}

int main(int argc, char **argv)
{
	static struct load l;

	if (argc != 7 && argc != 8) {
		fprintf(stderr, "usage: loadgen full|resumed|keepalive|idle PORT PATH LENGTH "
				"CONNECTIONS SECONDS [1.2|1.3]\n");
		return 64;
	}
	load_init(&l, argv, argc == 8 ? argv[7] : "1.3");
	for (unsigned i = 0; i < l.nslots; i++) {
		slot_open(&l, &l.slots[i]);
		slot_watch(&l, &l.slots[i], EPOLLIN | EPOLLOUT);
		/* So that no queue of a listener overflows. */
		if (i % 64 == 63)
			run_until(&l, now_ms() + 20);
	}
	int64_t length_ms = (int64_t)(strtod(argv[6], NULL) * 1000);
	run_until(&l, now_ms() + (l.mode == IDLE ? length_ms : WARM_MS));
	l.done = l.failed = l.handshakes = l.resumed = l.bytes = 0;
	int64_t begun = now_ms();
	puts("start");
	fflush(stdout);
	if (l.mode == IDLE)
		while (read(STDIN_FILENO, scratch, READ_MAX) > 0)
			;
	else
		run_until(&l, begun + length_ms);
	printf("end\n{\"done\": %llu, \"failed\": %llu, \"handshakes\": %llu, \"resumed\": %llu, "
	       "\"bytes\": %llu, \"idle\": %u, \"ms\": %lld}\n",
		(unsigned long long)l.done, (unsigned long long)l.failed,
		(unsigned long long)l.handshakes, (unsigned long long)l.resumed,
		(unsigned long long)l.bytes, l.idle, (long long)(now_ms() - begun));
	return 0;
}
