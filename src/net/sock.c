/* Sockets: addresses as text and back, listening, accepting, address ranges.
 *
 * Refuses names where an address is meant (a server must not wait for a resolver to start), and
 * to take a unix socket away from a process that serves it. Nothing here waits. */
#include "net/sock.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const struct sockaddr_in *as_in(const struct sockaddr_storage *a)
{
	return (const void *)a;
}

static const struct sockaddr_in6 *as_in6(const struct sockaddr_storage *a)
{
	return (const void *)a;
}

static const struct sockaddr *as_any(const struct sockaddr_storage *a)
{
	return (const void *)a;
}

static bool parse_port(struct str text, in_port_t *ret)
{
	uint64_t port;

	if (text.n > 5 || !str_parse_u64(text, &port) || port > 65535)
		return false;
	*ret = htons((uint16_t)port);
	return true;
}

/* A numeric address without brackets. */
static bool parse_host(int family, struct str text, void *ret)
{
	char host[INET6_ADDRSTRLEN];

	if (!text.n || text.n >= sizeof(host) || memchr(text.p, '\0', text.n))
		return false;
	memcpy(host, text.p, text.n);
	host[text.n] = '\0';
	return inet_pton(family, host, ret) == 1;
}

static bool parse_unix(struct str path, struct sock_address *ret)
{
	struct sockaddr_un *sun = (void *)&ret->storage;

	if (path.n < 2 || path.n >= sizeof(sun->sun_path) || path.p[0] != '/' ||
		memchr(path.p, '\0', path.n))
		return false;
	sun->sun_family = AF_UNIX;
	memcpy(sun->sun_path, path.p, path.n);
	ret->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.n + 1);
	return true;
}

static bool parse_inet(struct str text, struct sock_address *ret)
{
	struct sockaddr_in *in = (void *)&ret->storage;
	struct sockaddr_in6 *in6 = (void *)&ret->storage;
	bool bracketed = str_has_prefix(text, STR("["));
	size_t colon = bracketed ? str_find(text, ']', 0) + 1 : str_find(text, ':', 0);
	struct str host = { text.p, colon }, port;

	if (colon >= text.n || text.p[colon] != ':')
		return false;
	port = (struct str){ text.p + colon + 1, text.n - colon - 1 };
	ret->dual = str_eq(host, STR("*"));
	if (ret->dual || bracketed) {
		in6->sin6_family = AF_INET6;
		ret->len = sizeof(*in6);
		return parse_port(port, &in6->sin6_port) &&
		       (ret->dual || parse_host(AF_INET6, (struct str){ host.p + 1, host.n - 2 },
					     &in6->sin6_addr));
	}
	in->sin_family = AF_INET;
	ret->len = sizeof(*in);
	return parse_port(port, &in->sin_port) && parse_host(AF_INET, host, &in->sin_addr);
}

int sock_parse_address(struct str text, struct sock_address *ret, struct err *e)
{
	bool is_unix = str_has_prefix(text, STR("unix:"));
	bool ok;

	*ret = (struct sock_address){ 0 };
	ok = is_unix ? parse_unix((struct str){ text.p + 5, text.n - 5 }, ret)
		     : parse_inet(text, ret);
	if (!ok)
		return err_set(e, ERR_CONFIG,
			"\"" STR_FMT "\" is not an address: expected \"*:PORT\", \"1.2.3.4:PORT\", "
			"\"[::1]:PORT\" or \"unix:/path\" (of at most %zu bytes)",
			(int)(text.n < 128 ? text.n : 128), text.p,
			sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1);
	if (ret->dual)
		snprintf(ret->text, sizeof(ret->text), "*:%u",
			ntohs(as_in6(&ret->storage)->sin6_port));
	else
		sock_format_address(&ret->storage, ret->len, ret->text, sizeof(ret->text));
	return 0;
}

/* Did somebody leave the socket file behind? Any sign of life means no. */
static bool is_stale_unix(const struct sock_address *a)
{
	const struct sockaddr_un *sun = (const void *)&a->storage;
	struct stat st;
	bool stale;
	int fd;

	if (lstat(sun->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	stale = connect(fd, as_any(&a->storage), a->len) < 0 && errno == ECONNREFUSED;
	close(fd);
	return stale;
}

/* Open to every client, like a port; the directory decides who gets there. */
static int bind_unix(int fd, const struct sock_address *a)
{
	const struct sockaddr_un *sun = (const void *)&a->storage;
	mode_t mask = umask(0111);
	int rc = bind(fd, as_any(&a->storage), a->len);

	if (rc < 0 && errno == EADDRINUSE) {
		if (is_stale_unix(a) && unlink(sun->sun_path) == 0)
			rc = bind(fd, as_any(&a->storage), a->len);
		else
			errno = EADDRINUSE;
	}
	umask(mask);
	return rc;
}

static int bind_inet(int fd, const struct sock_address *a)
{
	const int on = 1, v6only = !a->dual;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		return -1;
	if (a->storage.ss_family == AF_INET6 &&
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)) < 0)
		return -1;
	return bind(fd, as_any(&a->storage), a->len);
}

/* -1 with errno. */
static int open_listener(const struct sock_address *a, int backlog)
{
	int family = a->storage.ss_family;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int rc, saved;

	if (fd < 0)
		return -1;
	rc = family == AF_UNIX ? bind_unix(fd, a) : bind_inet(fd, a);
	if (rc == 0 && listen(fd, backlog) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* What to do about it. */
static const char *listen_hint(const struct sock_address *a, int errnum)
{
	bool is_unix = a->storage.ss_family == AF_UNIX;

	switch (errnum) {
	case EADDRINUSE:
		return is_unix ? "; another program listens there, or it is a file and no socket"
			       : "; another program listens there, `ss -ltnp' shows which";
	case EADDRNOTAVAIL:
		return "; no interface has this address, `ip address' lists them";
	case EACCES:
		return is_unix ? "; give us the right to write to the directory"
			       : "; ports below 1024 need root or CAP_NET_BIND_SERVICE";
	case ENOENT:
		return "; create the directory";
	default:
		return "";
	}
}

int sock_listen(const struct sock_address *address, int backlog, struct err *e)
{
	int fd = open_listener(address, backlog);
	int errnum;

	if (fd < 0 && address->dual && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
		/* A machine without IPv6: both families are IPv4. */
		struct sock_address v4 = { .len = sizeof(struct sockaddr_in) };
		struct sockaddr_in *in = (void *)&v4.storage;

		in->sin_family = AF_INET;
		in->sin_port = as_in6(&address->storage)->sin6_port;
		fd = open_listener(&v4, backlog);
	}
	if (fd >= 0)
		return fd;
	errnum = errno;
	return err_set(e, errnum == EACCES || errnum == EPERM ? ERR_PERMISSION : ERR_UNAVAILABLE,
		"cannot listen on %s: %s%s", address->text, strerror(errnum),
		listen_hint(address, errnum));
}

int sock_accept(int listener, struct sockaddr_storage *peer, socklen_t *peer_len)
{
	if (peer)
		*peer_len = sizeof(*peer);
	return accept4(
		listener, (void *)peer, peer ? peer_len : NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

struct str sock_format_host(const struct sockaddr_storage *a, char *dst, size_t size)
{
	const struct in6_addr *in6 = &as_in6(a)->sin6_addr;

	assert(size > 0);
	dst[0] = '\0';
	if (a->ss_family == AF_INET)
		inet_ntop(AF_INET, &as_in(a)->sin_addr, dst, (socklen_t)size);
	else if (a->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(in6))
		inet_ntop(AF_INET, &in6->s6_addr[12], dst, (socklen_t)size);
	else if (a->ss_family == AF_INET6)
		inet_ntop(AF_INET6, in6, dst, (socklen_t)size);
	else
		snprintf(dst, size, "unix");
	return str_of(dst);
}

struct str sock_format_address(
	const struct sockaddr_storage *a, socklen_t len, char *dst, size_t size)
{
	const struct sockaddr_un *sun = (const void *)a;
	const size_t path_at = offsetof(struct sockaddr_un, sun_path);
	char host[INET6_ADDRSTRLEN];

	sock_format_host(a, host, sizeof(host));
	if (a->ss_family == AF_INET)
		snprintf(dst, size, "%s:%u", host, ntohs(as_in(a)->sin_port));
	else if (a->ss_family == AF_INET6)
		snprintf(dst, size, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host,
			ntohs(as_in6(a)->sin6_port));
	else
		snprintf(dst, size, "unix:%.*s", len > path_at ? (int)(len - path_at) : 0,
			sun->sun_path);
	return str_of(dst);
}

int sock_local_address(int fd, struct sock_address *ret)
{
	int only = 1;
	socklen_t len = sizeof(only);

	*ret = (struct sock_address){ .len = sizeof(ret->storage) };
	if (getsockname(fd, (void *)&ret->storage, &ret->len) < 0)
		return -1;
	if (ret->storage.ss_family == AF_INET6 &&
		IN6_IS_ADDR_UNSPECIFIED(&as_in6(&ret->storage)->sin6_addr) &&
		getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &len) == 0)
		ret->dual = !only;
	if (ret->dual)
		snprintf(ret->text, sizeof(ret->text), "*:%u",
			ntohs(as_in6(&ret->storage)->sin6_port));
	else
		sock_format_address(&ret->storage, ret->len, ret->text, sizeof(ret->text));
	return 0;
}

void sock_adopt(int fd)
{
	int flags = fcntl(fd, F_GETFL), on = 1;

	if (flags >= 0)
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* not on unix sockets */
}

bool sock_acknowledged(int fd, uint64_t *ret_bytes)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 ||
		len < offsetof(struct tcp_info, tcpi_bytes_acked) + sizeof(info.tcpi_bytes_acked))
		return false;
	*ret_bytes = info.tcpi_bytes_acked;
	return true;
}

unsigned sock_local_port(int fd)
{
	struct sockaddr_storage a = { 0 };
	socklen_t len = sizeof(a);

	if (getsockname(fd, (void *)&a, &len) < 0)
		return 0;
	if (a.ss_family == AF_INET)
		return ntohs(as_in(&a)->sin_port);
	return a.ss_family == AF_INET6 ? ntohs(as_in6(&a)->sin6_port) : 0;
}

enum { MAPPED_BITS = 96, ADDRESS_BITS = 128 };

static void map_v4(const void *v4, unsigned char dst[16])
{
	memset(dst, 0, 10);
	memset(dst + 10, 0xff, 2);
	memcpy(dst + 12, v4, 4);
}

bool sock_parse_range(struct str text, struct sock_range *ret)
{
	size_t slash = str_find(text, '/', 0);
	struct str host = { text.p, slash };
	uint64_t bits = ADDRESS_BITS;
	unsigned char v4[4];
	unsigned base = 0;

	if (parse_host(AF_INET, host, v4)) {
		map_v4(v4, ret->address);
		base = MAPPED_BITS;
	} else if (!parse_host(AF_INET6, host, ret->address)) {
		return false;
	}
	if (slash < text.n) {
		if (!str_parse_u64((struct str){ text.p + slash + 1, text.n - slash - 1 }, &bits) ||
			bits > ADDRESS_BITS - base)
			return false;
		bits += base;
	}
	ret->prefix = (unsigned)bits;
	return true;
}

bool sock_in_range(const struct sockaddr_storage *a, const struct sock_range *range)
{
	unsigned char address[16];
	unsigned whole = range->prefix / 8, rest = range->prefix % 8;

	if (a->ss_family == AF_INET)
		map_v4(&as_in(a)->sin_addr, address);
	else if (a->ss_family == AF_INET6)
		memcpy(address, &as_in6(a)->sin6_addr, sizeof(address));
	else
		return false;
	if (range->prefix < MAPPED_BITS && IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)address))
		return false;
	if (memcmp(address, range->address, whole) != 0)
		return false;
	return rest == 0 || (address[whole] ^ range->address[whole]) >> (8 - rest) == 0;
}
