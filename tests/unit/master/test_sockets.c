/* Listening sockets across generations. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "master/sockets.h"
#include "toy.h"

enum { MAX = 4 };

static struct sockets sockets;
static struct findings found;
static char directory[] = "/tmp/latchd-test-XXXXXX";

static void setup(void)
{
	cr_assert_not_null(mkdtemp(directory));
}

static void teardown(void)
{
	sockets_done(&sockets);
	findings_done(&found);
	rmdir(directory);
}

TestSuite(sockets, .init = setup, .fini = teardown);

/* A configuration with these addresses; line n + 1 each. */
static void configure(
	struct config *c, struct config_listener *l, size_t n, const char *const *addresses)
{
	struct err e;

	memset(c, 0, sizeof(*c));
	memset(l, 0, n * sizeof(*l));
	for (size_t i = 0; i < n; i++) {
		l[i].place = (struct config_place){ "test.conf", (int)i + 1 };
		l[i].backlog = 64;
		cr_assert_eq(sock_parse_address(str_of(addresses[i]), &l[i].address, &e), 0, "%s",
			e.text);
	}
	c->listeners = l;
	c->nlisteners = n;
}

static int *acquire(const char *const *addresses, size_t n)
{
	struct config_listener l[MAX];
	struct config c;

	configure(&c, l, n, addresses);
	return sockets_acquire(&sockets, &c, &found);
}

static bool is_listening(int fd)
{
	int on = 0;
	socklen_t len = sizeof(on);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == 0 && on;
}

Test(sockets, opens_one_a_listener_in_order)
{
	static const char *const a[] = { "127.0.0.1:0", "[::1]:0" };
	int *fds = acquire(a, 2);
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);

	cr_assert_not_null(fds);
	cr_expect(is_listening(fds[0]));
	cr_expect(is_listening(fds[1]));
	cr_assert_eq(getsockname(fds[1], (struct sockaddr *)&name, &len), 0);
	cr_expect_eq(name.ss_family, AF_INET6);
	cr_expect_eq(sockets.n, 2);
	cr_expect_eq(sockets_release(&sockets, fds, 2), 2);
	cr_expect_eq(sockets.n, 0);
}

Test(sockets, the_same_address_keeps_its_socket)
{
	static const char *const a[] = { "127.0.0.1:0", "[::1]:0" }, *const b[] = { "[::1]:0" };
	int *old = acquire(a, 2), *new = acquire(b, 1);
	int kept = old[1], gone = old[0];

	cr_expect_eq(new[0], kept);
	cr_expect_eq(sockets.n, 2);
	cr_expect_eq(sockets_release(&sockets, old, 2), 1, "only the one nobody wants any more");
	cr_expect(is_listening(kept));
	cr_expect_eq(fcntl(gone, F_GETFD), -1);
	cr_expect_eq(sockets_release(&sockets, new, 1), 1);
}

Test(sockets, a_candidate_that_goes_leaves_those_in_service)
{
	static const char *const a[] = { "127.0.0.1:0" }, *const b[] = { "127.0.0.1:0", "[::1]:0" };
	int *old = acquire(a, 1), *new = acquire(b, 2);
	int served = old[0];

	cr_expect_eq(new[0], served);
	cr_expect_eq(sockets_release(&sockets, new, 2), 1);
	cr_expect(is_listening(served));
	cr_expect_eq(sockets_release(&sockets, old, 1), 1);
}

Test(sockets, both_families_and_ipv6_alone_are_not_the_same)
{
	struct config_listener l[2];
	struct config c;
	static const char *const a[] = { "*:0", "[::]:0" };
	int *fds;

	configure(&c, l, 2, a);
	cr_expect(l[0].address.dual);
	cr_expect_not(l[1].address.dual);
	fds = sockets_acquire(&sockets, &c, &found);
	cr_assert_not_null(fds);
	cr_expect_neq(fds[0], fds[1]);
	sockets_release(&sockets, fds, 2);
}

Test(sockets, every_one_that_cannot_be_had_is_a_finding_and_nothing_is_held)
{
	char taken[64], missing[64];
	const char *a[] = { "127.0.0.1:0", taken, missing };
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);
	int before, other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(listen(other, 1), 0);
	cr_assert_eq(getsockname(other, (struct sockaddr *)&name, &len), 0);
	snprintf(taken, sizeof(taken), "127.0.0.1:%u", sock_local_port(other));
	snprintf(missing, sizeof(missing), "unix:%s/not/there", directory);
	before = toy_count_fds();
	cr_expect_null(acquire(a, 3));
	cr_expect_eq(found.errors, 2);
	cr_expect_eq(found.v[0].err.code, ERR_UNAVAILABLE);
	cr_expect_eq(found.v[0].err.line, 2);
	cr_expect_str_eq(found.v[0].err.file, "test.conf");
	cr_expect_eq(found.v[1].err.line, 3);
	cr_expect_eq(sockets.n, 0);
	cr_expect_eq(toy_count_fds(), before);
	close(other);
}

Test(sockets, the_path_of_a_unix_socket_goes_with_it)
{
	char path[64], address[80];
	const char *a[] = { address };
	int *old, *new;

	snprintf(path, sizeof(path), "%s/s", directory);
	snprintf(address, sizeof(address), "unix:%s", path);
	old = acquire(a, 1);
	new = acquire(a, 1);
	cr_assert_eq(old[0], new[0]);
	sockets_release(&sockets, old, 1);
	cr_expect_eq(access(path, F_OK), 0);
	sockets_release(&sockets, new, 1);
	cr_expect_eq(access(path, F_OK), -1);
}

Test(sockets, release_takes_nothing)
{
	cr_expect_eq(sockets_release(&sockets, NULL, 3), 0);
	sockets_done(NULL);
}

Test(sockets, a_new_backlog_leaves_the_socket_listening)
{
	static const char *const a[] = { "127.0.0.1:0" };
	struct config_listener l[1];
	struct config c;
	int *fds;

	configure(&c, l, 1, a);
	fds = sockets_acquire(&sockets, &c, &found);
	l[0].backlog = 4096;
	sockets_apply_backlogs(&c, fds);
	cr_expect(is_listening(fds[0]));
	sockets_release(&sockets, fds, 1);
}
