/* Sockets: addresses as text and back, listeners of every kind, ranges, the client's connect. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/sock.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct err e;
static char dir[] = "/tmp/latch-sock-XXXXXX";
static char unix_text[128]; /* "unix:" and a path in `dir` */
static const char *unix_path;

static void make_dir(void)
{
	cr_assert_not_null(mkdtemp(dir));
	snprintf(unix_text, sizeof(unix_text), "unix:%s/s", dir);
	unix_path = unix_text + 5;
}

static void remove_dir(void)
{
	unlink(unix_path);
	rmdir(dir);
}

TestSuite(sock);
TestSuite(sock_unix, .init = make_dir, .fini = remove_dir);

static struct sock_address parse(const char *text)
{
	struct sock_address a;

	cr_assert_eq(sock_parse_address(str_of(text), &a, &e), 0, "%s", text);
	return a;
}

static int listen_on(const char *text)
{
	struct sock_address a = parse(text);
	int fd = sock_listen(&a, 16, &e);

	cr_assert_geq(fd, 0, "%s", e.text);
	return fd;
}

static bool has_ipv6(void)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	bool ok = fd >= 0 && bind(fd, (void *)&in6, sizeof(in6)) == 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

/* 0 with a blocking socket, or an errno. */
static int connect_to(const char *host, unsigned port, int *ret_fd)
{
	struct sock_address a;
	char text[64];

	snprintf(text, sizeof(text), strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, port);
	a = parse(text);
	*ret_fd = socket(a.storage.ss_family, SOCK_STREAM, 0);
	return connect(*ret_fd, (void *)&a.storage, a.len) == 0 ? 0 : errno;
}

static void wait_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	cr_assert_eq(poll(&p, 1, 5000), 1);
}

Test(sock, addresses_keep_their_spelling)
{
	static const char *const good[] = { "*:443", "*:0", "127.0.0.1:8443", "0.0.0.0:65535",
		"[::1]:443", "[::]:443", "[2001:db8::5]:1", "unix:/run/latchd/http.sock" };

	for (size_t i = 0; i < COUNT(good); i++) {
		struct sock_address a = parse(good[i]);

		cr_expect_str_eq(a.text, good[i]);
		cr_expect_eq(a.dual, good[i][0] == '*', "%s", good[i]);
	}
}

Test(sock, addresses_are_what_they_say)
{
	struct sock_address a = parse("1.2.3.4:443");
	const struct sockaddr_in *in = (const void *)&a.storage;
	const struct sockaddr_in6 *in6 = (const void *)&a.storage;
	const struct sockaddr_un *sun = (const void *)&a.storage;

	cr_expect_eq(in->sin_family, AF_INET);
	cr_expect_eq(ntohs(in->sin_port), 443);
	cr_expect_eq(ntohl(in->sin_addr.s_addr), 0x01020304);
	cr_expect_eq(a.len, sizeof(*in));
	a = parse("*:80");
	cr_expect_eq(in6->sin6_family, AF_INET6);
	cr_expect(IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr));
	cr_expect_eq(ntohs(in6->sin6_port), 80);
	a = parse("unix:/a/b");
	cr_expect_eq(sun->sun_family, AF_UNIX);
	cr_expect_str_eq(sun->sun_path, "/a/b");
}

Test(sock, one_address_has_one_identity)
{
	cr_expect_str_eq(parse("[0:0:0:0:0:0:0:1]:443").text, "[::1]:443");
	cr_expect_str_neq(parse("*:443").text, parse("[::]:443").text);
}

Test(sock, what_is_no_address_is_told)
{
	static const char *const bad[] = { "", "*", "*:", ":443", "443", "*:65536", "*:-1", "*:+1",
		"*: 1", "*:1a", "*:00443443", "localhost:443", "example.org:443", "1.2.3:443",
		"1.2.3.4", "1.2.3.4:", "1.2.3.256:1", "::1:443", "[::1]", "[::1]443", "[::1:443",
		"[]:443", "[1.2.3.4]:443", "[*]:443", "unix:", "unix:/", "unix:run/sock", "unix",
		"**:443" };
	struct sock_address a;
	char longer[200];

	for (size_t i = 0; i < COUNT(bad); i++) {
		e = (struct err){ 0 };
		cr_expect_eq(sock_parse_address(str_of(bad[i]), &a, &e), -1, "%s", bad[i]);
		cr_expect_eq(e.code, ERR_CONFIG);
		cr_expect_not_null(strstr(e.text, "expected"), "%s", e.text);
	}
	cr_expect_eq(sock_parse_address((struct str){ "unix:/a\0b", 9 }, &a, &e), -1);
	cr_expect_eq(sock_parse_address((struct str){ "1.2.3.4\0:1", 10 }, &a, &e), -1);
	memset(longer, '/', sizeof(longer));
	memcpy(longer, "unix:", 5);
	cr_expect_eq(sock_parse_address((struct str){ longer, 5 + 108 }, &a, &e), -1);
	cr_expect_eq(sock_parse_address((struct str){ longer, 5 + 107 }, &a, &e), 0);
	cr_expect_eq(strlen(a.text), 5 + 107);
}

static void expect_flags(int fd)
{
	int nodelay = 0;
	socklen_t len = sizeof(nodelay);

	cr_expect(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	cr_expect(fcntl(fd, F_GETFL) & O_NONBLOCK);
	cr_expect_eq(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &nodelay, &len), 0);
	cr_expect_neq(nodelay, 0);
}

Test(sock, listens_accepts_and_connects)
{
	int listener = listen_on("127.0.0.1:0"), client, server, reuse = 0;
	socklen_t reuse_len = sizeof(reuse);
	unsigned port = sock_local_port(listener);
	struct sockaddr_storage peer;
	socklen_t peer_len;
	char text[SOCK_TEXT_SIZE];

	cr_expect_gt(port, 0);
	expect_flags(listener);
	cr_expect_eq(getsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &reuse, &reuse_len), 0);
	cr_expect_neq(reuse, 0, "a restart does not wait for the last connections to die");
	cr_expect_eq(sock_accept(listener, &peer, &peer_len), -1);
	cr_expect_eq(errno, EAGAIN);
	cr_assert_eq(connect_to("127.0.0.1", port, &client), 0);
	wait_readable(listener);
	server = sock_accept(listener, &peer, &peer_len);
	cr_assert_geq(server, 0);
	expect_flags(server);
	cr_expect_str_eq(sock_format_host(&peer, text, sizeof(text)).p, "127.0.0.1");
	cr_expect_eq(peer_len, sizeof(struct sockaddr_in));
	cr_expect_eq(write(client, "hi", 2), 2);
	wait_readable(server);
	cr_expect_eq(read(server, text, sizeof(text)), 2);
	close(server);
	cr_assert_eq(connect_to("127.0.0.1", port, &client), 0);
	wait_readable(listener);
	cr_expect_geq(sock_accept(listener, NULL, NULL), 0, "nobody has to ask who it is");
}

Test(sock, a_port_in_use_is_unavailable)
{
	int listener = listen_on("127.0.0.1:0");
	struct sock_address a;
	char text[64];

	snprintf(text, sizeof(text), "127.0.0.1:%u", sock_local_port(listener));
	a = parse(text);
	cr_expect_eq(sock_listen(&a, 16, &e), -1);
	cr_expect_eq(e.code, ERR_UNAVAILABLE);
	cr_expect_not_null(strstr(e.text, text), "%s", e.text);
}

Test(sock, both_families_come_in_by_a_dual_listener)
{
	int listener = listen_on("*:0"), client;
	unsigned port = sock_local_port(listener);
	struct sockaddr_storage peer;
	socklen_t peer_len;
	char text[SOCK_TEXT_SIZE];

	cr_expect_gt(port, 0);
	cr_assert_eq(connect_to("127.0.0.1", port, &client), 0);
	wait_readable(listener);
	cr_assert_geq(sock_accept(listener, &peer, &peer_len), 0);
	cr_expect_str_eq(sock_format_host(&peer, text, sizeof(text)).p, "127.0.0.1");
	if (!has_ipv6())
		return;
	cr_assert_eq(connect_to("::1", port, &client), 0);
	wait_readable(listener);
	cr_assert_geq(sock_accept(listener, &peer, &peer_len), 0);
	cr_expect_str_eq(sock_format_host(&peer, text, sizeof(text)).p, "::1");
}

Test(sock, ipv6_alone_takes_no_ipv4)
{
	int listener, client, on = 0;
	socklen_t len = sizeof(on);

	if (!has_ipv6())
		cr_skip("no IPv6 here");
	listener = listen_on("[::]:0");
	cr_expect_eq(getsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &on, &len), 0);
	cr_expect_eq(on, 1);
	cr_expect_eq(connect_to("127.0.0.1", sock_local_port(listener), &client), ECONNREFUSED);
}

Test(sock_unix, listens_and_lets_everybody_in)
{
	mode_t before = umask(077);
	int listener = listen_on(unix_text), client;
	struct sock_address a = parse(unix_text);
	struct sockaddr_storage peer;
	socklen_t peer_len;
	char text[SOCK_TEXT_SIZE];
	struct stat st;

	cr_expect_eq(umask(before), 077, "the mask is as it was");
	cr_assert_eq(stat(unix_path, &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0666);
	cr_expect_eq(sock_local_port(listener), 0);
	client = socket(AF_UNIX, SOCK_STREAM, 0);
	cr_assert_eq(connect(client, (void *)&a.storage, a.len), 0);
	cr_assert_geq(sock_accept(listener, &peer, &peer_len), 0);
	cr_expect_str_eq(sock_format_host(&peer, text, sizeof(text)).p, "unix");
	cr_expect_str_eq(sock_format_address(&peer, peer_len, text, sizeof(text)).p, "unix:");
}

Test(sock_unix, a_live_socket_is_left_alone)
{
	struct sock_address a = parse(unix_text);
	int listener = listen_on(unix_text);

	cr_expect_eq(sock_listen(&a, 16, &e), -1);
	cr_expect_eq(e.code, ERR_UNAVAILABLE);
	cr_expect_not_null(strstr(e.text, "in use; another program"), "%s", e.text);
	cr_expect_eq(connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&a.storage, a.len), 0);
	cr_expect_geq(sock_accept(listener, NULL, NULL), 0);
}

Test(sock_unix, a_stale_socket_is_replaced)
{
	struct sock_address a = parse(unix_text);
	int listener = listen_on(unix_text);

	close(listener);
	cr_assert_eq(access(unix_path, F_OK), 0);
	listener = sock_listen(&a, 16, &e);
	cr_expect_geq(listener, 0, "%s", e.text);
}

Test(sock_unix, a_file_is_no_socket)
{
	struct sock_address a = parse(unix_text);
	int fd = open(unix_path, O_CREAT | O_WRONLY, 0600);
	struct stat st;

	close(fd);
	cr_expect_eq(sock_listen(&a, 16, &e), -1);
	cr_expect_eq(e.code, ERR_UNAVAILABLE);
	cr_assert_eq(stat(unix_path, &st), 0);
	cr_expect(S_ISREG(st.st_mode));
}

Test(sock_unix, a_missing_directory_is_unavailable)
{
	struct sock_address a;
	char text[160];

	snprintf(text, sizeof(text), "%s/none/s", unix_text);
	a = parse(text);
	cr_expect_eq(sock_listen(&a, 16, &e), -1);
	cr_expect_eq(e.code, ERR_UNAVAILABLE);
	cr_expect_not_null(strstr(e.text, "create the directory"), "%s", e.text);
}

Test(sock, formats_mapped_addresses_as_ipv4)
{
	struct sockaddr_storage a = { 0 };
	struct sockaddr_in6 *in6 = (void *)&a;
	char text[SOCK_TEXT_SIZE];

	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(443);
	inet_pton(AF_INET6, "::ffff:10.1.2.3", &in6->sin6_addr);
	cr_expect_str_eq(sock_format_host(&a, text, sizeof(text)).p, "10.1.2.3");
	cr_expect_str_eq(
		sock_format_address(&a, sizeof(*in6), text, sizeof(text)).p, "10.1.2.3:443");
	inet_pton(AF_INET6, "2001:db8::1", &in6->sin6_addr);
	cr_expect_str_eq(sock_format_host(&a, text, sizeof(text)).p, "2001:db8::1");
	cr_expect_str_eq(
		sock_format_address(&a, sizeof(*in6), text, sizeof(text)).p, "[2001:db8::1]:443");
}

Test(sock, a_small_place_is_terminated)
{
	struct sock_address a = parse("192.168.100.200:65535");
	char small[4];

	cr_expect_eq(sock_format_host(&a.storage, small, sizeof(small)).n, strlen(small));
	cr_expect_eq(sock_format_address(&a.storage, a.len, small, sizeof(small)).n, 3);
}

static bool in_range(const char *address, const char *range)
{
	struct sockaddr_storage a = { 0 };
	struct sockaddr_in *in = (void *)&a;
	struct sockaddr_in6 *in6 = (void *)&a;
	struct sock_range r;

	cr_assert(sock_parse_range(str_of(range), &r), "%s", range);
	if (strchr(address, ':')) {
		a.ss_family = AF_INET6;
		cr_assert_eq(inet_pton(AF_INET6, address, &in6->sin6_addr), 1);
	} else {
		a.ss_family = AF_INET;
		cr_assert_eq(inet_pton(AF_INET, address, &in->sin_addr), 1);
	}
	return sock_in_range(&a, &r);
}

Test(sock, ranges)
{
	static const struct {
		const char *address, *range;
		bool in;
	} rows[] = {
		{ "127.0.0.1", "127.0.0.0/8", true },
		{ "127.255.255.255", "127.0.0.0/8", true },
		{ "128.0.0.0", "127.0.0.0/8", false },
		{ "::ffff:127.0.0.1", "127.0.0.0/8", true },
		{ "127.0.0.1", "::ffff:127.0.0.1", true },
		{ "127.0.0.1", "::ffff:127.0.0.0/104", true },
		{ "192.168.1.7", "192.168.1.7", true },
		{ "192.168.1.8", "192.168.1.7", false },
		{ "192.168.1.7", "192.168.1.7/32", true },
		{ "10.0.0.129", "10.0.0.128/25", true },
		{ "10.0.0.127", "10.0.0.128/25", false },
		{ "10.9.9.9", "10.1.2.3/8", true },
		{ "1.2.3.4", "0.0.0.0/0", true },
		{ "::1", "0.0.0.0/0", false },
		{ "::1", "::/0", true },
		{ "1.2.3.4", "::/0", false },
		{ "::ffff:1.2.3.4", "::/0", false },
		{ "::1", "::1", true },
		{ "::2", "::1", false },
		{ "2001:db8:1::5", "2001:db8::/32", true },
		{ "2001:db9::5", "2001:db8::/32", false },
		{ "2001:db8:7fff::", "2001:db8::/33", true },
		{ "2001:db8:8000::", "2001:db8::/33", false },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		cr_expect_eq(in_range(rows[i].address, rows[i].range), rows[i].in, "%s in %s",
			rows[i].address, rows[i].range);
}

Test(sock, what_is_no_range)
{
	static const char *const bad[] = { "", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1",
		"10.0.0.0/8/8", "10.0.0/8", "::1/129", "::1/a", "localhost", "[::1]",
		"10.0.0.0 /8" };
	struct sock_range r;

	for (size_t i = 0; i < COUNT(bad); i++)
		cr_expect_not(sock_parse_range(str_of(bad[i]), &r), "%s", bad[i]);
}

Test(sock, unix_peers_are_in_no_range)
{
	struct sockaddr_storage a = { .ss_family = AF_UNIX };
	struct sock_range r;

	cr_assert(sock_parse_range(STR("::/0"), &r));
	cr_expect_not(sock_in_range(&a, &r));
	cr_assert(sock_parse_range(STR("0.0.0.0/0"), &r));
	cr_expect_not(sock_in_range(&a, &r));
}

static void expect_local_address(const char *given, const char *expected_host, bool dual)
{
	struct sock_address a, got;
	char expected[80];
	int fd;

	cr_assert_eq(sock_parse_address(str_of(given), &a, &e), 0);
	fd = sock_listen(&a, 1, &e);
	cr_assert_geq(fd, 0, "%s", e.text);
	cr_assert_eq(sock_local_address(fd, &got), 0);
	snprintf(expected, sizeof(expected), "%s:%u", expected_host, sock_local_port(fd));
	cr_expect_str_eq(got.text, expected);
	cr_expect_eq(got.dual, dual);
	close(fd);
}

Test(sock, the_local_address_is_spelled_as_in_a_configuration)
{
	expect_local_address("127.0.0.1:0", "127.0.0.1", false);
	expect_local_address("[::1]:0", "[::1]", false);
	expect_local_address("[::]:0", "[::]", false);
	expect_local_address("*:0", "*", true);
}

Test(sock, the_local_address_of_a_unix_socket_is_its_path)
{
	char path[] = "/tmp/latchd-test-XXXXXX", text[64];
	struct sock_address a, got;
	int fd;

	cr_assert_not_null(mkdtemp(path));
	snprintf(text, sizeof(text), "unix:%s/s", path);
	cr_assert_eq(sock_parse_address(str_of(text), &a, &e), 0);
	fd = sock_listen(&a, 1, &e);
	cr_assert_geq(fd, 0, "%s", e.text);
	cr_assert_eq(sock_local_address(fd, &got), 0);
	cr_expect_str_eq(got.text, a.text);
	cr_expect_eq(sock_local_address(-1, &got), -1);
	unlink(text + 5);
	rmdir(path);
	close(fd);
}

Test(sock, an_adopted_socket_is_like_one_of_ours)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 0;
	socklen_t len = sizeof(on);

	sock_adopt(fd);
	cr_expect(fcntl(fd, F_GETFL) & O_NONBLOCK);
	cr_expect_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	cr_expect_eq(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
	cr_expect_neq(on, 0);
	close(fd);
}
