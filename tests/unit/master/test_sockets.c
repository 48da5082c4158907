/* Listening sockets across generations. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
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

/* In a process of its own, whose descriptors from 3 on may be anybody's: gives it `n` sockets as
 * the service manager does, named `names`, and says what `check` returns. */
static int when_given(const char *names, int n, int (*check)(void))
{
	pid_t pid = fork();
	int status;

	cr_assert_geq(pid, 0);
	if (pid == 0) {
		char text[16];

		for (int i = 0; i < n; i++) {
			struct sockaddr_in a = { .sin_family = AF_INET,
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
			int fd = socket(AF_INET, SOCK_STREAM, 0);

			if (bind(fd, (void *)&a, sizeof(a)) || listen(fd, 8))
				_exit(100);
			dup2(fd, 50 + i);
		}
		for (int i = 0; i < n; i++)
			dup2(50 + i, 3 + i);
		close_range(3 + (unsigned)n, ~0u, 0);
		snprintf(text, sizeof(text), "%d", (int)getpid());
		setenv("LISTEN_PID", text, 1);
		snprintf(text, sizeof(text), "%d", n);
		setenv("LISTEN_FDS", text, 1);
		setenv("LISTEN_FDNAMES", names, 1);
		_exit(check());
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 101;
}

static struct config_listener given_listeners[MAX];

/* Two listeners, "a" and "b", at the addresses; NULL: any. */
static int *acquire_named(const char *a, const char *b)
{
	const char *addresses[] = { a ? a : "127.0.0.1:1", b ? b : "127.0.0.1:2" };
	static char name_a[] = "a", name_b[] = "b";
	struct config c;

	configure(&c, given_listeners, 2, addresses);
	given_listeners[0].name = name_a;
	given_listeners[1].name = name_b;
	return sockets_acquire(&sockets, &c, &found);
}

static int take_both_by_name(void)
{
	struct err e;
	int *fds;

	if (sockets_adopt(&sockets, &e) || sockets.n != 2)
		return 1;
	fds = acquire_named(NULL, NULL);
	if (!fds || fds[0] != 4 || fds[1] != 3)
		return 2;
	if (found.n != 2 || found.errors)
		return 3; /* two warnings: other addresses */
	if (sockets_release(&sockets, fds, 2) != 0 || !is_listening(3) || !is_listening(4))
		return 4; /* they are not ours to close */
	if (getenv("LISTEN_FDS"))
		return 5;
	fds = acquire_named(NULL, NULL);
	return fds && fds[0] == 4 ? 0 : 6;
}

Test(sockets, given_ones_go_by_name_and_stay)
{
	cr_expect_eq(when_given("b:a", 2, take_both_by_name), 0);
}

static int take_by_address(void)
{
	struct sock_address first, second;
	struct err e;
	int *fds;

	if (sockets_adopt(&sockets, &e) || sock_local_address(3, &first) ||
		sock_local_address(4, &second))
		return 1;
	fds = acquire_named(second.text, first.text);
	return fds && fds[0] == 4 && fds[1] == 3 && found.n == 0 ? 0 : 2;
}

Test(sockets, given_ones_go_by_address)
{
	cr_expect_eq(when_given("latchd.socket:latchd.socket", 2, take_by_address), 0);
}

static int prefer_address_among_one_name(void)
{
	struct sock_address first, second;
	struct err e;
	int *fds;

	if (sockets_adopt(&sockets, &e) || sock_local_address(3, &first) ||
		sock_local_address(4, &second))
		return 1;
	fds = acquire_named(second.text, first.text);
	return fds && fds[0] == 4 && fds[1] == 3 && found.n == 0 ? 0 : 2;
}

Test(sockets, of_one_name_the_address_decides)
{
	cr_expect_eq(when_given("a:a", 2, prefer_address_among_one_name), 0);
}

static int miss_one(void)
{
	struct err e;

	if (sockets_adopt(&sockets, &e) || acquire_named(NULL, "[::1]:0"))
		return 1;
	return found.errors == 1 && found.v[found.n - 1].err.code == ERR_CONFIG &&
			       found.v[found.n - 1].err.line == 2
		       ? 0
		       : 2;
}

Test(sockets, a_listener_that_finds_none_is_an_error)
{
	cr_expect_eq(when_given("a", 1, miss_one), 0);
}

static int have_one_too_many(void)
{
	struct err e;

	if (sockets_adopt(&sockets, &e) || acquire_named(NULL, NULL))
		return 1;
	return found.errors == 1 && found.v[found.n - 1].err.code == ERR_CONFIG &&
			       strstr(found.v[found.n - 1].err.text, "\"c\"")
		       ? 0
		       : 2;
}

Test(sockets, one_that_no_listener_wants_is_an_error)
{
	cr_expect_eq(when_given("a:b:c", 3, have_one_too_many), 0);
}

static int be_given_what_does_not_listen(void)
{
	struct err e;

	dup2(socket(AF_INET, SOCK_STREAM, 0), 3);
	if (sockets_adopt(&sockets, &e) == 0)
		return 1;
	return e.code == ERR_CONFIG && strstr(e.text, "\"a\"") ? 0 : 2;
}

Test(sockets, what_does_not_listen_is_refused)
{
	cr_expect_eq(when_given("a", 1, be_given_what_does_not_listen), 0);
}

Test(sockets, nothing_given_is_fine)
{
	struct err e;

	unsetenv("LISTEN_FDS");
	cr_expect_eq(sockets_adopt(&sockets, &e), 0);
	cr_expect_eq(sockets.n, 0);
}
