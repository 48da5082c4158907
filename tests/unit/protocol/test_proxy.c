/* PROXY headers: both versions, every prefix of them, and what is not quite one. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>

#include "net/sock.h"
#include "protocol/proxy.h"

#define V2 "\r\n\r\n\0\r\nQUIT\n"
#define IPV4 "\xc0\x00\x02\x07\x7f\x00\x00\x01\x12\x34\x01\xbb" /* 192.0.2.7:4660 */

static struct proxy_header header;
static size_t used;
static const char *reason;

static enum parse_status parse(struct str s)
{
	reason = NULL;
	used = 0;
	return proxy_parse(s.p, s.n, &header, &used, &reason);
}

/* DONE with exactly these bytes, also when more follow; MORE for every prefix. */
static void is_header(struct str s, bool is_own, const char *source)
{
	char longer[PROXY_HEADER_MAX + 8] = { 0 }, text[SOCK_TEXT_SIZE];

	for (size_t n = 0; n < s.n; n++)
		cr_assert_eq(parse((struct str){ s.p, n }), PARSE_MORE, "%zu bytes", n);
	memcpy(longer, s.p, s.n);
	memcpy(longer + s.n, "\x16\x03\x01", 3);
	cr_assert_eq(parse((struct str){ longer, s.n + 3 }), PARSE_DONE, "%s", reason);
	cr_assert_eq(used, s.n);
	cr_assert_eq(header.is_own, is_own);
	if (source)
		cr_assert(str_eq(sock_format_address(
					 &header.source, sizeof header.source, text, sizeof text),
				  str_of(source)),
			"%s", text);
}

static void is_bad(struct str s, const char *expected)
{
	cr_assert_eq(parse(s), PARSE_BAD, "%.*s", STR_ARG(s));
	cr_assert_not_null(strstr(reason, expected), "%s", reason);
}

Test(proxy, v1_names_the_client)
{
	is_header(STR("PROXY TCP4 192.0.2.7 10.0.0.1 4660 443\r\n"), false, "192.0.2.7:4660");
	is_header(STR("PROXY TCP6 2001:db8::7 ::1 4660 443\r\n"), false, "[2001:db8::7]:4660");
	is_header(STR("PROXY TCP4 255.255.255.255 255.255.255.255 65535 0\r\n"), false,
		"255.255.255.255:65535");
}

Test(proxy, v1_unknown_is_the_proxy_itself)
{
	is_header(STR("PROXY UNKNOWN\r\n"), true, NULL);
	is_header(STR("PROXY UNKNOWN ffff:f::1 whatever 1 2\r\n"), true, NULL);
}

Test(proxy, v1_is_strict)
{
	is_bad(STR("PROXY TCP4 192.0.2.7 10.0.0.1 4660 443\n"), "without CR LF");
	is_bad(STR("PROXY TCP4  192.0.2.7 10.0.0.1 4660 443\r\n"), "address");
	is_bad(STR("PROXY TCP4 192.0.2.7 ::1 4660 443\r\n"), "address");
	is_bad(STR("PROXY TCP6 192.0.2.7 10.0.0.1 4660 443\r\n"), "address");
	is_bad(STR("PROXY TCP4 192.0.2.07 10.0.0.1 4660 443\r\n"), "address");
	is_bad(STR("PROXY TCP4 192.0.2.7 10.0.0.1 4660\r\n"), "port");
	is_bad(STR("PROXY TCP4 192.0.2.7 10.0.0.1 65536 443\r\n"), "port");
	is_bad(STR("PROXY TCP4 192.0.2.7 10.0.0.1 4660 0443\r\n"), "port");
	is_bad(STR("PROXY TCP4 192.0.2.7 10.0.0.1 4660 443 \r\n"), "port");
	is_bad(STR("PROXY TCP4 192.0.2.7 10.0.0.1 +466 443\r\n"), "port");
	is_bad(STR("PROXY UDP4 192.0.2.7 10.0.0.1 4660 443\r\n"), "family");
	is_bad(STR("PROXY unknown\r\n"), "family");
	is_bad(STR("PROXY \r\n"), "family");
	is_bad(STR("PROXY \n"), "without CR LF");
	is_bad(STR("PROXY TCP4 192.0.2.7\0 10.0.0.1 4660 443\r\n"), "address");
}

Test(proxy, v1_has_at_most_107_bytes)
{
	char line[200] = "PROXY UNKNOWN ";

	memset(line + 14, 'x', sizeof line - 14);
	cr_assert_eq(parse((struct str){ line, 106 }), PARSE_MORE);
	is_bad((struct str){ line, 107 }, "without an end");
	memcpy(line + 105, "\r\n", 2);
	is_header((struct str){ line, 107 }, true, NULL);
}

Test(proxy, v2_names_the_client)
{
	char block[16 + 216] = V2 "\x21\x31\x00\xd8/run/a.sock";

	is_header(STR(V2 "\x21\x11\x00\x0c" IPV4), false, "192.0.2.7:4660");
	is_header(STR(V2 "\x21\x21\x00\x24\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"
			 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x12\x34\x01\xbb"),
		false, "[2001:db8::7]:4660");
	is_header((struct str){ block, sizeof block }, false, NULL);
	cr_assert_eq(header.source.ss_family, AF_UNIX);
}

Test(proxy, v2_skips_what_follows_the_addresses)
{
	is_header(STR(V2 "\x21\x11\x00\x11" IPV4 "\x04\x00\x02zz"), false, "192.0.2.7:4660");
}

Test(proxy, v2_local_is_the_proxy_itself)
{
	is_header(STR(V2 "\x20\x11\x00\x0c" IPV4), true, NULL);
	is_header(STR(V2 "\x20\x00\x00\x00"), true, NULL);
	is_header(STR(V2 "\x21\x00\x00\x03zzz"), true, NULL);
}

Test(proxy, v2_is_strict)
{
	is_bad(STR(V2 "\x11\x11\x00\x0c" IPV4), "version");
	is_bad(STR(V2 "\x22\x11\x00\x0c" IPV4), "command");
	is_bad(STR(V2 "\x21\x12\x00\x0c" IPV4), "family");
	is_bad(STR(V2 "\x21\x41\x00\x0c" IPV4), "family");
	is_bad(STR(V2 "\x21\x11\x00\x0b" IPV4), "too short");
	is_bad(STR(V2 "\x21\x21\x00\x0c" IPV4), "too short");
	is_bad(STR(V2 "\x21\x31\x00\x0c" IPV4), "too short");
	is_bad(STR(V2 "\x21\x11\x0f\xf1" IPV4), "4096");
}

Test(proxy, anything_else_is_refused_at_the_first_byte_that_differs)
{
	is_bad(STR("G"), "no PROXY header");
	is_bad(STR("\x16\x03\x01"), "no PROXY header");
	is_bad(STR("PROXy TCP4"), "no PROXY header");
	is_bad(STR("\r\n\r\n\0\r\nQUIt"), "no PROXY header");
	is_bad(STR("proxy "), "no PROXY header");
}
