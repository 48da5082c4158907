/* Sockets: addresses as text, listening, accepting, the options we set. */
#ifndef LATCH_NET_SOCK_H
#define LATCH_NET_SOCK_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/str.h"

enum { SOCK_TEXT_SIZE = 128 };

struct sock_address {
	struct sockaddr_storage storage;
	socklen_t len;
	bool dual;                 /* "*:PORT": IPv6 any that takes IPv4 as well */
	char text[SOCK_TEXT_SIZE]; /* "*:PORT" or as sock_format_address(): its identity */
};

/* "*:PORT" (both families), "1.2.3.4:PORT", "[::1]:PORT", "unix:/path". PORT 1 to 65535, and 0: any
 * free one. -1 with a sentence that says what was expected (no file, no line). */
int sock_parse_address(struct str text, struct sock_address *ret, struct err *e);

/* A bound, non-blocking, close-on-exec listening socket with SO_REUSEADDR and (inherited by what is
 * accepted) TCP_NODELAY; a stale unix socket that nobody serves is replaced, and its mode lets
 * every client connect. Without IPv6 on the machine "*:PORT" is IPv4 alone. -1: ERR_UNAVAILABLE or
 * ERR_PERMISSION. */
int sock_listen(const struct sock_address *address, int backlog, struct err *e);

/* Non-blocking, close-on-exec. -1 with errno. `peer` may be NULL. */
int sock_accept(int listener, struct sockaddr_storage *peer, socklen_t *peer_len);

/* The address without port, an IPv4-mapped one as IPv4, "unix" for a unix socket; terminated. */
struct str sock_format_host(const struct sockaddr_storage *a, char *dst, size_t size);
/* "1.2.3.4:443", "[::1]:443", "unix:/path". */
struct str sock_format_address(
	const struct sockaddr_storage *a, socklen_t len, char *dst, size_t size);
/* The address that a socket listens on, as sock_parse_address() would have made it; -1 with
 * errno. */
int sock_local_address(int fd, struct sock_address *ret);
/* A listening socket that somebody else made becomes like one of sock_listen(): non-blocking,
 * close-on-exec, TCP_NODELAY. */
void sock_adopt(int fd);
/* How many bytes the peer's kernel has acknowledged, of all that were sent; false: no TCP. */
bool sock_acknowledged(int fd, uint64_t *ret_bytes);
/* The port a listener got (for "PORT 0"); 0 for unix. */
unsigned sock_local_port(int fd);

/* An address range "10.0.0.0/8", "::1", "192.168.1.7". IPv4-mapped IPv6 equals IPv4. */
struct sock_range {
	unsigned char address[16]; /* IPv4 as mapped */
	unsigned prefix;           /* bits of the 128 */
};
bool sock_parse_range(struct str text, struct sock_range *ret);
/* False for unix peers. An IPv4 address is in no range of IPv6 ("::/0"). */
bool sock_in_range(const struct sockaddr_storage *a, const struct sock_range *range);

#endif
