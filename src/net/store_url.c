/* The address of a store of ticket keys. Strict: what is neither this nor that is refused, and
 * never quoted, for it may hold a password. */
#include "net/store_url.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

static const struct {
	struct str prefix;
	enum store_url_way way;
} ways[] = {
	{ { "redis://", 8 }, STORE_URL_PLAIN },
	{ { "rediss://", 9 }, STORE_URL_TLS },
	{ { "unix:", 5 }, STORE_URL_UNIX },
};

static int fail(struct err *e, const char *sentence)
{
	return err_set(e, ERR_CONFIG, "%s", sentence);
}

static bool copy(struct str s, char *dst, size_t size)
{
	if (s.n >= size || memchr(s.p, '\0', s.n))
		return false;
	memcpy(dst, s.p, s.n);
	dst[s.n] = '\0';
	return true;
}

static struct str from(struct str s, size_t at)
{
	return (struct str){ s.p + at, s.n - at };
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)str_lower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool decode(struct str s, char *dst, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		int c = (unsigned char)s.p[i];

		if (c == '%' && (i + 2 >= s.n || hex(s.p[i + 1]) < 0 || hex(s.p[i + 2]) < 0))
			return false;
		if (c == '%') {
			c = 16 * hex(s.p[i + 1]) + hex(s.p[i + 2]);
			i += 2;
		}
		if (c == '\0' || n + 1 >= size)
			return false;
		dst[n++] = (char)c;
	}
	dst[n] = '\0';
	return true;
}

/* "USER:PASSWORD" or ":PASSWORD". */
static int parse_login(struct str s, struct store_url *u, struct err *e)
{
	size_t colon = str_find(s, ':', 0);

	if (colon + 1 >= s.n)
		return fail(e, "there is no password before the @; expected USER:PASSWORD@ or "
			       ":PASSWORD@");
	if (!decode((struct str){ s.p, colon }, u->user, sizeof(u->user)))
		return fail(e, "the user is too long, or not percent-coded as it should");
	if (!decode(from(s, colon + 1), u->password, sizeof(u->password)))
		return fail(e, "the password is too long, or not percent-coded as it should: / "
			       "is %2F, @ is %40, % is %25");
	return 0;
}

static bool parse_number(struct str s, uint64_t min, uint64_t max, unsigned *ret)
{
	uint64_t n;

	if (!str_parse_u64(s, &n) || n < min || n > max)
		return false;
	*ret = (unsigned)n;
	return true;
}

static bool is_name(const char *s)
{
	static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-._";

	return s[0] && s[0] != '-' && s[0] != '.' && !s[strspn(s, chars)];
}

/* "HOST", "HOST:PORT". */
static int parse_host(struct str s, struct store_url *u, struct err *e)
{
	bool v6 = s.n > 0 && s.p[0] == '[';
	size_t end = v6 ? str_find(s, ']', 0) : str_find(s, ':', 0);
	struct str host =
		v6 && end < s.n ? (struct str){ s.p + 1, end - 1 } : (struct str){ s.p, end };
	struct str rest = from(s, v6 && end < s.n ? end + 1 : end);
	struct in6_addr address;

	if (!copy(host, u->host, sizeof(u->host)) ||
		(v6 ? inet_pton(AF_INET6, u->host, &address) != 1 : !is_name(u->host)))
		return fail(e, "the host is neither a name nor an address; expected one such as "
			       "store.example.org, 10.0.0.7 or [2001:db8::7]");
	if (rest.n && (rest.p[0] != ':' || !parse_number(from(rest, 1), 1, 65535, &u->port)))
		return fail(e, "the port behind the host is none; expected 1 to 65535");
	return 0;
}

static int parse_place(struct str s, struct store_url *u, struct err *e)
{
	size_t slash = str_find(s, '/', 0), at;
	struct str authority = { s.p, slash };

	if (slash + 1 < s.n && !parse_number(from(s, slash + 1), 0, STORE_URL_DB_MAX, &u->db))
		return fail(e, "what is behind the last / is no number of a database");
	for (at = authority.n; at > 0 && authority.p[at - 1] != '@'; at--)
		;
	if (at > 0 && parse_login((struct str){ s.p, at - 1 }, u, e) < 0)
		return -1;
	return parse_host(from(authority, at), u, e);
}

static int parse_path(struct str s, struct store_url *u, struct err *e)
{
	if (s.n && s.p[0] == '/' && s.n < sizeof(((struct sockaddr_un *)0)->sun_path) &&
		copy(s, u->host, sizeof(u->host)))
		return 0;
	return fail(e, "expected an absolute path of at most 107 bytes behind unix:");
}

int store_url_parse(struct str text, struct store_url *ret, struct err *e)
{
	memset(ret, 0, sizeof(*ret));
	ret->port = STORE_URL_PORT;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (!str_has_prefix(text, ways[i].prefix))
			continue;
		ret->way = ways[i].way;
		text = from(text, ways[i].prefix.n);
		return ret->way == STORE_URL_UNIX ? parse_path(text, ret, e)
						  : parse_place(text, ret, e);
	}
	return fail(e, "expected redis://[USER:PASSWORD@]HOST[:PORT][/DB], rediss:// for TLS, or "
		       "unix:/PATH");
}

const char *store_url_format(const struct store_url *u, char dst[STORE_URL_TEXT_SIZE])
{
	bool v6 = strchr(u->host, ':') != NULL;

	if (u->way == STORE_URL_UNIX)
		snprintf(dst, STORE_URL_TEXT_SIZE, "unix:%s", u->host);
	else
		snprintf(dst, STORE_URL_TEXT_SIZE, "%s://%s%s%s:%u/%u",
			u->way == STORE_URL_TLS ? "rediss" : "redis", v6 ? "[" : "", u->host,
			v6 ? "]" : "", u->port, u->db);
	return dst;
}

bool store_url_is_exposed(const struct store_url *u)
{
	struct in6_addr six;
	struct in_addr four;

	if (u->way != STORE_URL_PLAIN || !strcmp(u->host, "localhost"))
		return false;
	if (inet_pton(AF_INET, u->host, &four) == 1)
		return (ntohl(four.s_addr) >> 24) != 127;
	return inet_pton(AF_INET6, u->host, &six) != 1 || !IN6_IS_ADDR_LOOPBACK(&six);
}
