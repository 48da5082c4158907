/* The scripted server of the client's unit tests. It waits for events only, never for time. */
#include "client/peer.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/sock.h"

static int listen_somewhere(unsigned *ret_port)
{
	struct sock_address a;
	struct err e;
	int fd;

	cr_assert_eq(sock_parse_address(STR("127.0.0.1:0"), &a, &e), 0, "%s", e.text);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_geq(fd, 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&a.storage, a.len), 0);
	*ret_port = sock_local_port(fd);
	return fd;
}

static void read_request(struct peer *p, int fd)
{
	size_t have = 0;

	while (!strstr(p->request, "\r\n\r\n") && have + 1 < sizeof(p->request)) {
		ssize_t n = read(fd, p->request + have, sizeof(p->request) - 1 - have);

		if (n <= 0)
			return;
		have += (size_t)n;
	}
}

static void send_answer(const struct peer *p, int fd)
{
	struct str s = p->answer;

	while (s.n > 0) {
		ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		s = (struct str){ s.p + n, s.n - (size_t)n };
	}
}

static void *serve(void *arg)
{
	const struct linger reset = { .l_onoff = 1 };
	struct peer *p = arg;
	int fd = accept(p->listener, NULL, NULL);
	char c;

	if (fd < 0)
		return NULL;
	read_request(p, fd);
	send_answer(p, fd);
	if (p->end == PEER_SILENT && read(p->release[0], &c, 1) < 0)
		return NULL;
	if (p->end == PEER_RESET)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
	return NULL;
}

void peer_start(struct peer *p, struct str answer, enum peer_end end)
{
	memset(p, 0, sizeof(*p));
	p->answer = answer;
	p->end = end;
	cr_assert_eq(pipe(p->release), 0);
	p->listener = listen_somewhere(&p->port);
	cr_assert_eq(listen(p->listener, 1), 0);
	cr_assert_eq(pthread_create(&p->thread, NULL, serve, p), 0);
}

void peer_join(struct peer *p)
{
	close(p->release[1]);
	pthread_join(p->thread, NULL);
	close(p->release[0]);
	close(p->listener);
}

unsigned peer_dead_port(void)
{
	unsigned port;

	close(listen_somewhere(&port));
	return port;
}
