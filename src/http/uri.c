/* Request targets and URLs. Splits without copying, decodes a path once, and settles dot segments
 * on the decoded bytes, so that no later reader sees another path than the one that was judged.
 * Refuses user information, fragments in requests, encoded slashes and NULs, and never guesses. */
#include "http/uri.h"

#include <arpa/inet.h>

#include "base/buf.h"
#include "http/chars.h"

static int fail(struct http_error *error, int status, const char *reason)
{
	*error = (struct http_error){ status, reason };
	return -1;
}

static struct str from(struct str s, size_t at)
{
	return (struct str){ s.p + at, s.n - at };
}

static struct str upto(struct str s, size_t n)
{
	return (struct str){ s.p, n };
}

/* An index into s: where the first of the two bytes is, or s.n. */
static size_t find_either(struct str s, char a, char b)
{
	size_t i = 0;

	while (i < s.n && s.p[i] != a && s.p[i] != b)
		i++;
	return i;
}

static int split_path(struct str s, struct target *ret, struct http_error *error)
{
	size_t end = str_find(s, '?', 0);

	ret->path = upto(s, end);
	ret->query = from(s, end);
	if (chars_span(s.p, end, CHARS_PATH) != end)
		return fail(error, 400, "character in the path that has to be encoded");
	return 0;
}

static int parse_absolute(struct str s, struct target *ret, struct http_error *error)
{
	size_t colon = str_find(s, ':', 0);
	struct str rest = from(s, colon);
	struct str host;
	unsigned port;
	size_t end;

	ret->form = TARGET_ABSOLUTE;
	ret->scheme = upto(s, colon);
	if (!str_has_prefix(rest, STR("://")))
		return fail(error, 400, "malformed request target");
	if (!str_case_eq(ret->scheme, STR("http")) && !str_case_eq(ret->scheme, STR("https")))
		return fail(error, 400, "scheme of the target is neither http nor https");
	rest = from(rest, 3);
	end = find_either(rest, '/', '?');
	ret->authority = upto(rest, end);
	if (!uri_split_authority(ret->authority, &host, &port))
		return fail(error, 400, "malformed authority in the target");
	if (split_path(from(rest, end), ret, error) < 0)
		return -1;
	if (ret->path.n == 0)
		ret->path = STR("/");
	return 0;
}

static int parse_connect(struct str s, struct target *ret, struct http_error *error)
{
	struct str host;
	unsigned port;

	ret->form = TARGET_AUTHORITY;
	ret->authority = s;
	if (!uri_split_authority(s, &host, &port) || port == 0)
		return fail(error, 400, "CONNECT needs host and port as its target");
	return 0;
}

int uri_parse_target(
	struct str target, enum http_method method, struct target *ret, struct http_error *error)
{
	*ret = (struct target){ .form = TARGET_ORIGIN };
	if (target.n == 0 || chars_span(target.p, target.n, CHARS_TARGET) != target.n)
		return fail(error, 400, "malformed request target");
	if (method == HTTP_METHOD_CONNECT)
		return parse_connect(target, ret, error);
	if (target.p[0] == '/')
		return split_path(target, ret, error);
	if (!str_eq(target, STR("*")))
		return parse_absolute(target, ret, error);
	if (method != HTTP_METHOD_OPTIONS)
		return fail(error, 400, "the target * is for OPTIONS only");
	ret->form = TARGET_ASTERISK;
	return 0;
}

/* Reads one byte of a path at *at, which it moves. -1 with an error: not one that may be there. */
static int decode_byte(struct str path, size_t *at, char *ret, struct http_error *error)
{
	char c = path.p[(*at)++];
	int high;
	int low;

	if (c == '\0')
		return fail(error, 400, "NUL in the path");
	*ret = c;
	if (c != '%')
		return 0;
	if (path.n - *at < 2)
		return fail(error, 400, "malformed percent escape in the path");
	high = chars_hex(path.p[*at]);
	low = chars_hex(path.p[*at + 1]);
	if (high < 0 || low < 0)
		return fail(error, 400, "malformed percent escape in the path");
	*at += 2;
	*ret = (char)(high << 4 | low);
	if (*ret == '\0')
		return fail(error, 400, "encoded NUL in the path");
	if (*ret == '/')
		return fail(error, 404, "encoded slash in the path");
	return 0;
}

/* dst[0..*n) ends with the slash before `segment` and the segment. Takes it off if it is a dot
 * segment; a last one leaves the slash of its parent. False: above the root. */
static bool settle_segment(char *dst, size_t segment, size_t *n, bool last)
{
	bool dot = *n - segment == 1 && dst[segment] == '.';
	bool dots = *n - segment == 2 && dst[segment] == '.' && dst[segment + 1] == '.';
	size_t end = segment - 1;

	if (!dot && !dots)
		return true;
	if (dots && end == 0)
		return false;
	if (dots)
		while (dst[--end] != '/')
			;
	if (last)
		dst[end++] = '/';
	*n = end;
	return true;
}

int uri_decode_path(struct str path, char *dst, struct str *ret, struct http_error *error)
{
	size_t at = 0;
	size_t n = 0;

	if (path.n == 0 || path.p[0] != '/')
		return fail(error, 400, "the path does not begin with a slash");
	while (at < path.n) {
		size_t segment = n + 1;

		dst[n++] = '/';
		at++;
		while (at < path.n && path.p[at] != '/')
			if (decode_byte(path, &at, &dst[n++], error) < 0)
				return -1;
		if (!settle_segment(dst, segment, &n, at == path.n))
			return fail(error, 400, "the path leads above the root");
	}
	dst[n] = '\0';
	*ret = (struct str){ dst, n };
	return 0;
}

enum { PORT_MAX = 65535 };

/* ":" *DIGIT; an empty port is as none (RFC 3986 section 6.2.3). */
static bool parse_port(struct str s, unsigned *ret)
{
	uint64_t port = 0;

	*ret = 0;
	if (s.n == 0)
		return true;
	if (s.p[0] != ':')
		return false;
	if (s.n == 1)
		return true;
	if (!str_parse_u64(from(s, 1), &port) || port == 0 || port > PORT_MAX)
		return false;
	*ret = (unsigned)port;
	return true;
}

static bool is_ip(int family, struct str s)
{
	unsigned char address[sizeof(struct in6_addr)];
	char text[INET6_ADDRSTRLEN];

	if (s.n == 0 || s.n >= sizeof(text) || memchr(s.p, '\0', s.n))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	return inet_pton(family, text, address) == 1;
}

/* reg-name of RFC 3986 section 3.2.2, not empty. */
static bool is_reg_name(struct str s)
{
	size_t i = 0;

	while (i < s.n) {
		if (chars_is(s.p[i], CHARS_HOST))
			i++;
		else if (s.p[i] == '%' && s.n - i > 2 && chars_is(s.p[i + 1], CHARS_HEX) &&
			 chars_is(s.p[i + 2], CHARS_HEX))
			i += 3;
		else
			return false;
	}
	return s.n > 0;
}

bool uri_split_authority(struct str authority, struct str *ret_host, unsigned *ret_port)
{
	size_t end;

	if (authority.n > 0 && authority.p[0] == '[') {
		end = str_find(authority, ']', 0);
		if (end == authority.n)
			return false;
		*ret_host = (struct str){ authority.p + 1, end - 1 };
		return is_ip(AF_INET6, *ret_host) && parse_port(from(authority, end + 1), ret_port);
	}
	end = str_find(authority, ':', 0);
	*ret_host = upto(authority, end);
	return is_reg_name(*ret_host) && parse_port(from(authority, end), ret_port);
}

/* Takes "https://" or "http://" off; a "://" in the path or the query is none. */
static bool take_scheme(struct str *text, bool *ret_tls)
{
	size_t end = find_either(*text, '/', '?');
	struct str scheme;

	*ret_tls = true;
	if (end == 0 || text->p[end - 1] != ':' || !str_has_prefix(from(*text, end), STR("//")))
		return true;
	scheme = upto(*text, end - 1);
	*text = from(*text, end + 2);
	*ret_tls = str_case_eq(scheme, STR("https"));
	return *ret_tls || str_case_eq(scheme, STR("http"));
}

static const char *parse_url(struct str text, struct url *ret)
{
	struct str authority;
	size_t end;

	text = upto(text, str_find(text, '#', 0));
	if (!take_scheme(&text, &ret->tls))
		return "the scheme is neither https nor http";
	end = find_either(text, '/', '?');
	authority = upto(text, end);
	ret->target = from(text, end);
	if (authority.n == 0)
		return "the host is missing";
	if (str_find(authority, '@', 0) < authority.n)
		return "user information in a URL is not supported";
	if (!uri_split_authority(authority, &ret->host, &ret->port))
		return "the host or the port is malformed";
	if (str_find(ret->host, '%', 0) < ret->host.n)
		return "a percent escape in the host is not supported";
	if (chars_span(ret->target.p, ret->target.n, CHARS_TARGET) != ret->target.n)
		return "a character in the path or the query has to be percent-encoded";
	return NULL;
}

int uri_parse_url(struct str text, struct url *ret, const char **ret_why)
{
	*ret = (struct url){ .port = 0 };
	*ret_why = parse_url(text, ret);
	if (*ret_why)
		return -1;
	if (ret->port == 0)
		ret->port = ret->tls ? 443 : 80;
	ret->host_is_ip = is_ip(AF_INET, ret->host) || is_ip(AF_INET6, ret->host);
	ret->path_missing = ret->target.n > 0 && ret->target.p[0] == '?';
	if (ret->target.n == 0)
		ret->target = STR("/");
	return 0;
}

static size_t encoded_size(struct str path)
{
	size_t n = 0;

	for (size_t i = 0; i < path.n; i++)
		n += chars_is(path.p[i], CHARS_PCHAR) ? 1 : 3;
	return n;
}

bool uri_encode_path(struct buf *out, struct str path)
{
	size_t size = encoded_size(path);
	char *at = buf_reserve(out, size);

	if (!at)
		return false;
	for (size_t i = 0; i < path.n; i++) {
		unsigned char c = (unsigned char)path.p[i];

		if (chars_is(path.p[i], CHARS_PCHAR)) {
			*at++ = path.p[i];
			continue;
		}
		*at++ = '%';
		*at++ = "0123456789ABCDEF"[c >> 4];
		*at++ = "0123456789ABCDEF"[c & 15];
	}
	buf_commit(out, size);
	return true;
}
