/* Reads PROXY headers. Version 1 is a line of text, version 2 a binary block with a length; the
 * first bytes tell them apart. Addresses go straight into the socket address that takes the place
 * of the peer's. It does no I/O: protocol/admit brings the bytes. */
#include "protocol/proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/str.h"

enum {
	V1_LINE_MAX = 107, /* with CR LF */
	V2_HEAD = 16,      /* signature, version and command, family, length */
	V2_IPV4 = 12,      /* two addresses, two ports */
	V2_IPV6 = 36,
	V2_UNIX = 216,
};

/* The second nibbles of the 13th and 14th byte of version 2. */
enum { COMMAND_LOCAL = 0, COMMAND_PROXY = 1 };
enum { FAMILY_UNSPEC = 0x00, FAMILY_TCP4 = 0x11, FAMILY_TCP6 = 0x21, FAMILY_UNIX = 0x31 };

static const char signature[12] = "\r\n\r\n\0\r\nQUIT\n";
static const struct str v1_start = { "PROXY ", 6 };

static enum parse_status bad(const char **ret_reason, const char *reason)
{
	*ret_reason = reason;
	return PARSE_BAD;
}

static void set_ipv4(struct sockaddr_storage *a, const void *address, const void *port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)a;

	in->sin_family = AF_INET;
	memcpy(&in->sin_addr, address, sizeof in->sin_addr);
	memcpy(&in->sin_port, port, sizeof in->sin_port);
}

static void set_ipv6(struct sockaddr_storage *a, const void *address, const void *port)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)a;

	in6->sin6_family = AF_INET6;
	memcpy(&in6->sin6_addr, address, sizeof in6->sin6_addr);
	memcpy(&in6->sin6_port, port, sizeof in6->sin6_port);
}

/* ---- version 1 -------------------------------------------------------------- */

/* Up to the next blank, which is dropped; the last word ends with the line. */
static struct str take_word(struct str *line)
{
	struct str word = { line->p, str_find(*line, ' ', 0) };
	size_t skip = word.n < line->n ? word.n + 1 : word.n;

	*line = (struct str){ line->p + skip, line->n - skip };
	return word;
}

static bool parse_port(struct str word, in_port_t *ret)
{
	uint64_t port;

	if (word.n > 5 || (word.n > 1 && word.p[0] == '0') || !str_parse_u64(word, &port) ||
		port > 65535)
		return false;
	*ret = htons((uint16_t)port);
	return true;
}

static bool parse_address(struct str word, int family, struct in6_addr *ret)
{
	char text[INET6_ADDRSTRLEN];

	if (word.n == 0 || word.n >= sizeof text || memchr(word.p, 0, word.n))
		return false;
	memcpy(text, word.p, word.n);
	text[word.n] = '\0';
	return inet_pton(family, text, ret) == 1;
}

/* The line behind "PROXY ", without its end. */
static enum parse_status parse_line(
	struct str line, struct proxy_header *ret, const char **ret_reason)
{
	struct str family = take_word(&line), source, destination, source_port;
	struct in6_addr from, to;
	in_port_t from_port, to_port;
	bool is_6 = str_eq(family, STR("TCP6"));

	if (str_eq(family, STR("UNKNOWN"))) {
		ret->is_own = true;
		return PARSE_DONE;
	}
	if (!is_6 && !str_eq(family, STR("TCP4")))
		return bad(ret_reason, "a PROXY header of an unknown family");
	source = take_word(&line);
	destination = take_word(&line);
	source_port = take_word(&line);
	if (!parse_address(source, is_6 ? AF_INET6 : AF_INET, &from) ||
		!parse_address(destination, is_6 ? AF_INET6 : AF_INET, &to))
		return bad(ret_reason, "a PROXY header with a malformed address");
	if (!parse_port(source_port, &from_port) || !parse_port(line, &to_port))
		return bad(ret_reason, "a PROXY header with a malformed port");
	if (is_6)
		set_ipv6(&ret->source, &from, &from_port);
	else
		set_ipv4(&ret->source, &from, &from_port);
	return PARSE_DONE;
}

static enum parse_status parse_v1(const char *p, size_t n, struct proxy_header *ret,
	size_t *ret_used, const char **ret_reason)
{
	size_t most = n < V1_LINE_MAX ? n : V1_LINE_MAX;
	const char *end = memchr(p, '\n', most);

	if (!end && n >= V1_LINE_MAX)
		return bad(ret_reason, "a PROXY header without an end");
	if (!end)
		return PARSE_MORE;
	if (end[-1] != '\r')
		return bad(ret_reason, "a PROXY header that ends without CR LF");
	*ret_used = (size_t)(end - p) + 1;
	p += v1_start.n;
	return parse_line((struct str){ p, (size_t)(end - 1 - p) }, ret, ret_reason);
}

/* ---- version 2 -------------------------------------------------------------- */

/* The addresses, of which n bytes are there, TLVs included. */
static enum parse_status parse_block(unsigned char family, const char *p, size_t n,
	struct proxy_header *ret, const char **ret_reason)
{
	switch (family) {
	case FAMILY_UNSPEC:
		ret->is_own = true;
		return PARSE_DONE;
	case FAMILY_TCP4:
		if (n < V2_IPV4)
			break;
		set_ipv4(&ret->source, p, p + 8);
		return PARSE_DONE;
	case FAMILY_TCP6:
		if (n < V2_IPV6)
			break;
		set_ipv6(&ret->source, p, p + 32);
		return PARSE_DONE;
	case FAMILY_UNIX:
		if (n < V2_UNIX)
			break;
		ret->source.ss_family = AF_UNIX;
		return PARSE_DONE;
	default:
		return bad(ret_reason, "a PROXY header of an unknown family");
	}
	return bad(ret_reason, "a PROXY header that is too short for its addresses");
}

static enum parse_status parse_v2(const char *p, size_t n, struct proxy_header *ret,
	size_t *ret_used, const char **ret_reason)
{
	const unsigned char *byte = (const unsigned char *)p;
	size_t length;

	if (n < V2_HEAD)
		return PARSE_MORE;
	if (byte[12] >> 4 != 2)
		return bad(ret_reason, "a PROXY header of an unknown version");
	if ((byte[12] & 15) > COMMAND_PROXY)
		return bad(ret_reason, "a PROXY header with an unknown command");
	length = (size_t)byte[14] << 8 | byte[15];
	if (length > PROXY_HEADER_MAX - V2_HEAD)
		return bad(ret_reason, "a PROXY header of more than 4096 bytes");
	if (n < V2_HEAD + length)
		return PARSE_MORE;
	*ret_used = V2_HEAD + length;
	if ((byte[12] & 15) == COMMAND_LOCAL) {
		ret->is_own = true;
		return PARSE_DONE;
	}
	return parse_block(byte[13], p + V2_HEAD, length, ret, ret_reason);
}

enum parse_status proxy_parse(const char *p, size_t n, struct proxy_header *ret, size_t *ret_used,
	const char **ret_reason)
{
	size_t v1 = n < v1_start.n ? n : v1_start.n;
	size_t v2 = n < sizeof signature ? n : sizeof signature;

	memset(ret, 0, sizeof *ret);
	if (n == 0)
		return PARSE_MORE;
	if (str_eq((struct str){ p, v1 }, (struct str){ v1_start.p, v1 }))
		return v1 < v1_start.n ? PARSE_MORE : parse_v1(p, n, ret, ret_used, ret_reason);
	if (memcmp(p, signature, v2) == 0)
		return parse_v2(p, n, ret, ret_used, ret_reason);
	return bad(ret_reason, "no PROXY header");
}
