/* From a name to a connected socket. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/dial.h"
#include "net/sock.h"

enum { PATIENCE_MS = 20000, SHORT_MS = 200 };

static struct err e;
static int fd;

static enum dial_result dial_to(const char *host, unsigned port, int family, int timeout_ms)
{
	const struct dial_target t = { host, port, family, timeout_ms };

	return dial(&t, &fd, &e);
}

static int listen_on(const char *text, int backlog)
{
	struct sock_address a;
	int listener;

	cr_assert_eq(sock_parse_address(str_of(text), &a, &e), 0, "%s", e.text);
	listener = sock_listen(&a, backlog, &e);
	cr_assert_geq(listener, 0, "%s", e.text);
	return listener;
}

/* A listener whose queue is full lets a connect hang: the kernel drops the SYN. */
static int listen_silently(const char *text)
{
	int listener = listen_on(text, 0);
	struct sockaddr_storage a;
	socklen_t len = sizeof(a);
	char host[64];

	cr_assert_eq(getsockname(listener, (void *)&a, &len), 0);
	sock_format_host(&a, host, sizeof(host));
	for (int i = 0; i < 8; i++)
		if (dial_to(host, sock_local_port(listener), AF_UNSPEC, SHORT_MS) == DIAL_TIMED_OUT)
			return listener;
	cr_assert_fail("the queue does not fill");
	return -1;
}

Test(dial, connects_and_leaves_a_socket_as_ours_are)
{
	int listener = listen_on("127.0.0.1:0", 5), on = 0;
	socklen_t len = sizeof(on);

	cr_assert_eq(dial_to("127.0.0.1", sock_local_port(listener), AF_UNSPEC, PATIENCE_MS),
		DIAL_CONNECTED, "%s", e.text);
	cr_expect(fcntl(fd, F_GETFL) & O_NONBLOCK);
	cr_expect_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	cr_expect_eq(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
	cr_expect_neq(on, 0);
}

Test(dial, tells_a_refused_port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int bound = socket(AF_INET, SOCK_STREAM, 0);

	/* Bound, so that nobody else gets the port, and not listening. */
	cr_assert_eq(bind(bound, (void *)&a, sizeof(a)), 0);
	cr_expect_eq(
		dial_to("127.0.0.1", sock_local_port(bound), AF_UNSPEC, PATIENCE_MS), DIAL_REFUSED);
	cr_expect_eq(fd, -1);
	cr_expect_eq(e.code, ERR_UNAVAILABLE);
	cr_expect_not_null(strstr(e.text, "refused"), "%s", e.text);
}

Test(dial, tells_a_name_that_is_none)
{
	cr_expect_eq(dial_to("256.1.1.1.invalid", 443, AF_UNSPEC, PATIENCE_MS), DIAL_NO_NAME);
	cr_expect_eq(fd, -1);
	cr_expect_not_null(strstr(e.text, "256.1.1.1.invalid"), "%s", e.text);
	cr_expect_eq(dial_to("127.0.0.1", 443, AF_INET6, PATIENCE_MS), DIAL_NO_NAME);
	cr_expect_eq(dial_to("::1", 443, AF_INET, PATIENCE_MS), DIAL_NO_NAME);
}

Test(dial, localhost_is_the_loopback_in_any_spelling)
{
	int listener = listen_on("127.0.0.1:0", 5);
	unsigned port = sock_local_port(listener);

	/* localhost may be ::1 first, where nobody listens. */
	cr_expect_eq(dial_to("localhost", port, AF_UNSPEC, PATIENCE_MS), DIAL_CONNECTED);
	cr_expect_eq(dial_to("LocalHost.", port, AF_UNSPEC, PATIENCE_MS), DIAL_CONNECTED);
	cr_expect_eq(dial_to("www.localhost", port, AF_UNSPEC, PATIENCE_MS), DIAL_CONNECTED);
}

Test(dial, gives_up_at_the_deadline)
{
	int listener = listen_silently("127.0.0.1:0");

	cr_expect_eq(
		dial_to("127.0.0.1", sock_local_port(listener), AF_INET, SHORT_MS), DIAL_TIMED_OUT);
	cr_expect_eq(fd, -1);
	cr_expect_not_null(strstr(e.text, "timed out"), "%s", e.text);
}

/* One of localhost's two addresses is silent; the other one is asked long before the deadline. */
static void expect_other_family(const char *silent, const char *answering)
{
	int listener = listen_silently(silent);
	char text[64];
	int64_t began;

	snprintf(text, sizeof(text), "%s:%u", answering, sock_local_port(listener));
	listen_on(text, 5);
	began = clock_us_now();
	cr_expect_eq(dial_to("localhost", sock_local_port(listener), AF_UNSPEC, 6 * PATIENCE_MS),
		DIAL_CONNECTED, "%s", e.text);
	cr_expect_lt(clock_us_now() - began, 3000000LL * PATIENCE_MS / 1000);
}

static bool has_ipv6(void)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int s = socket(AF_INET6, SOCK_STREAM, 0);
	bool ok = s >= 0 && bind(s, (void *)&a, sizeof(a)) == 0;

	if (s >= 0)
		close(s);
	return ok;
}

Test(dial, a_silent_address_holds_nobody_up)
{
	if (!has_ipv6())
		cr_skip_test("no IPv6 here");
	expect_other_family("[::1]:0", "127.0.0.1");
	expect_other_family("127.0.0.1:0", "[::1]");
}
