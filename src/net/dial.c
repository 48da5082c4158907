/* Name resolution and connecting, both with a deadline.
 *
 * The resolver runs in a thread of glibc's (getaddrinfo_a), for getaddrinfo() itself waits as long
 * as resolv.conf says. A and AAAA come together, so that the resolution delay of RFC 8305 section 3
 * has no place here. Knows nothing of TLS or proxies. */
#include "net/dial.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

static int64_t now_ms(void)
{
	return clock_us_now() / 1000;
}

/* ---- names ------------------------------------------------------------------------------------
 */

/* One question to the resolver. Belongs to the resolver's thread until that is done. */
struct question {
	struct gaicb cb;
	struct addrinfo hints;
	char host[256], service[12];
};

/* localhost is the loopback, whatever the resolver knows (RFC 6761 section 6.3). */
static bool is_localhost(const char *host)
{
	struct str s = str_of(host);

	if (s.n > 0 && s.p[s.n - 1] == '.')
		s.n--;
	return str_case_eq(s, STR("localhost")) ||
	       (s.n > 10 && str_case_eq((struct str){ s.p + s.n - 10, 10 }, STR(".localhost")));
}

static struct question *ask(const struct dial_target *t)
{
	struct question *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	snprintf(q->host, sizeof(q->host), "%s", t->host);
	snprintf(q->service, sizeof(q->service), "%u", t->port);
	q->hints = (struct addrinfo){
		.ai_family = t->family,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV,
	};
	q->cb = (struct gaicb){
		.ar_name = is_localhost(t->host) ? NULL : q->host,
		.ar_service = q->service,
		.ar_request = &q->hints,
	};
	return q;
}

/* Waits for the resolver's thread: an error of getaddrinfo(), or EAI_INPROGRESS at the deadline. */
static int await(struct question *q, int64_t deadline)
{
	const struct gaicb *list[] = { &q->cb };
	int rc = EAI_INPROGRESS;

	while (rc == EAI_INPROGRESS) {
		int64_t left = deadline - now_ms();
		struct timespec wait = { .tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000 };

		if (left <= 0)
			return EAI_INPROGRESS;
		gai_suspend(list, 1, &wait);
		rc = gai_error(&q->cb);
	}
	return rc;
}

/* 0 with a list for freeaddrinfo(), or an error of getaddrinfo(). EAI_INPROGRESS: too late, and the
 * question is left to the thread that may still be at it. */
static int resolve(const struct dial_target *t, int64_t deadline, struct addrinfo **ret)
{
	struct question *q = ask(t);
	struct gaicb *list[1];
	int rc;

	if (!q)
		return EAI_MEMORY;
	/* an address needs no thread */
	q->hints.ai_flags |= AI_NUMERICHOST;
	rc = getaddrinfo(q->cb.ar_name, q->service, &q->hints, ret);
	if (rc == EAI_NONAME) {
		q->hints.ai_flags &= ~AI_NUMERICHOST;
		list[0] = &q->cb;
		rc = getaddrinfo_a(GAI_NOWAIT, list, 1, NULL);
		if (rc == 0)
			rc = await(q, deadline);
		if (rc == EAI_INPROGRESS && gai_cancel(&q->cb) != EAI_CANCELED)
			return rc;
		*ret = q->cb.ar_result;
	}
	free(q);
	return rc;
}

/* ---- the race ---------------------------------------------------------------------------------
 */

struct race {
	const struct addrinfo *order[DIAL_ADDRESSES_MAX];
	struct pollfd attempt[DIAL_ADDRESSES_MAX]; /* fd -1: over */
	size_t n, started, running;
	int64_t next; /* when the next address is tried at the latest */
	int errnum;   /* of the last one that failed */
	int winner;   /* a descriptor, or -1 */
};

static const struct addrinfo *next_of(const struct addrinfo *ai, int family, bool same)
{
	while (ai && (ai->ai_family == family) != same)
		ai = ai->ai_next;
	return ai;
}

/* The families in turn, beginning with the first one's (RFC 8305 section 4). */
static void put_in_order(struct race *r, const struct addrinfo *list)
{
	int family = list->ai_family;
	const struct addrinfo *turn[2] = { list, next_of(list, family, false) };

	for (unsigned i = 0; r->n < DIAL_ADDRESSES_MAX && (turn[0] || turn[1]); i = !i) {
		if (!turn[i])
			continue;
		r->order[r->n++] = turn[i];
		turn[i] = next_of(turn[i]->ai_next, family, i == 0);
	}
}

static void fail_one(struct race *r, size_t i, int errnum)
{
	close(r->attempt[i].fd);
	r->attempt[i].fd = -1;
	r->running--;
	r->errnum = errnum;
	r->next = 0; /* the next one need not wait */
}

static void win(struct race *r, size_t i)
{
	r->winner = r->attempt[i].fd;
	r->attempt[i].fd = -1;
}

static void start_next(struct race *r, int64_t now)
{
	size_t i = r->started++;
	const struct addrinfo *ai = r->order[i];
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	r->attempt[i] = (struct pollfd){ .fd = fd, .events = POLLOUT };
	r->next = now + DIAL_STAGGER_MS;
	r->running++;
	if (fd < 0)
		fail_one(r, i, errno);
	else if (connect(fd, ai->ai_addr, ai->ai_addrlen) == 0)
		win(r, i);
	else if (errno != EINPROGRESS && errno != EINTR)
		fail_one(r, i, errno);
}

static void look_at(struct race *r, size_t i)
{
	int errnum = 0;
	socklen_t len = sizeof(errnum);

	if (r->attempt[i].fd < 0 || r->attempt[i].revents == 0)
		return;
	if (getsockopt(r->attempt[i].fd, SOL_SOCKET, SO_ERROR, &errnum, &len) < 0)
		errnum = errno;
	if (errnum)
		fail_one(r, i, errnum);
	else if (r->winner < 0)
		win(r, i);
}

static void wait_for_news(struct race *r, int64_t now, int64_t deadline)
{
	int64_t until = r->started < r->n && r->next < deadline ? r->next : deadline;
	int n = poll(r->attempt, r->started, until > now ? (int)(until - now) : 0);

	for (size_t i = 0; n > 0 && i < r->started; i++)
		look_at(r, i);
}

/* 0, or an errno. */
static int race(const struct addrinfo *list, int64_t deadline, int *ret_fd)
{
	struct race r = { .winner = -1 };
	int64_t now = now_ms();

	put_in_order(&r, list);
	while (r.winner < 0 && now < deadline && (r.started < r.n || r.running > 0)) {
		if (r.started < r.n && (r.running == 0 || now >= r.next))
			start_next(&r, now);
		else
			wait_for_news(&r, now, deadline);
		now = now_ms();
	}
	if (r.winner < 0 && (now >= deadline || r.errnum == 0))
		r.errnum = ETIMEDOUT;
	for (size_t i = 0; i < r.started; i++)
		if (r.attempt[i].fd >= 0)
			close(r.attempt[i].fd);
	*ret_fd = r.winner;
	return r.winner < 0 ? r.errnum : 0;
}

static enum dial_result no_name(const struct dial_target *t, int rc, struct err *e)
{
	if (rc == EAI_INPROGRESS) {
		err_set(e, ERR_UNAVAILABLE, "%s was not resolved in time", t->host);
		return DIAL_TIMED_OUT;
	}
	err_set(e, ERR_UNAVAILABLE, "cannot resolve %s: %s", t->host,
		rc == EAI_SYSTEM ? strerrordesc_np(errno) : gai_strerror(rc));
	return DIAL_NO_NAME;
}

enum dial_result dial(const struct dial_target *t, int *ret_fd, struct err *e)
{
	int64_t deadline = now_ms() + t->timeout_ms;
	struct addrinfo *list = NULL;
	const int on = 1;
	int rc;

	*ret_fd = -1;
	rc = resolve(t, deadline, &list);
	if (rc != 0)
		return no_name(t, rc, e);
	rc = race(list, deadline, ret_fd);
	freeaddrinfo(list);
	if (rc != 0) {
		err_errno(e, ERR_UNAVAILABLE, rc, "cannot connect to %s port %u", t->host, t->port);
		return rc == ETIMEDOUT ? DIAL_TIMED_OUT : DIAL_REFUSED;
	}
	setsockopt(*ret_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return DIAL_CONNECTED;
}
