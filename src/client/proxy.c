/* The choice of a proxy: options, environment, exceptions. Opens nothing; client/tunnel does the
 * talking. The upper-case HTTP_PROXY is ignored as everywhere, for a CGI's peer can set it. */
#include "client/proxy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/chars.h"
#include "net/sock.h"

static const char *first_set(const char *a, const char *b, const char *c)
{
	const char *names[] = { a, b, c };

	for (size_t i = 0; i < 3; i++) {
		const char *value = names[i] ? getenv(names[i]) : NULL;

		if (value && *value)
			return value;
	}
	return NULL;
}

static bool to_address(struct str host, struct sockaddr_storage *ret)
{
	struct sock_address a;
	char text[64];
	struct err e;
	bool v6 = str_find(host, ':', 0) < host.n;

	if (snprintf(text, sizeof(text), v6 ? "[" STR_FMT "]:0" : STR_FMT ":0", STR_ARG(host)) >=
			(int)sizeof(text) ||
		sock_parse_address(str_of(text), &a, &e) < 0 || a.dual)
		return false;
	*ret = a.storage;
	return true;
}

static bool in_range(struct str host, struct str range)
{
	struct sockaddr_storage a;
	struct sock_range r;

	return sock_parse_range(range, &r) && to_address(host, &a) && sock_in_range(&a, &r);
}

static bool is_loopback(struct str host)
{
	return str_case_eq(host, STR("localhost")) || in_range(host, STR("127.0.0.0/8")) ||
	       in_range(host, STR("::1"));
}

/* "example.org", ".example.org", "*.example.org": the name and everything below it. */
static bool is_below(struct str host, struct str domain)
{
	if (str_has_prefix(domain, STR("*")))
		domain = (struct str){ domain.p + 1, domain.n - 1 };
	if (str_has_prefix(domain, STR(".")))
		domain = (struct str){ domain.p + 1, domain.n - 1 };
	if (domain.n == 0 || host.n < domain.n)
		return false;
	if (!str_case_eq((struct str){ host.p + host.n - domain.n, domain.n }, domain))
		return false;
	return host.n == domain.n || host.p[host.n - domain.n - 1] == '.';
}

/* Takes a ":PORT" off; false: it is another one than the URL's. */
static bool take_port(struct str *entry, unsigned port)
{
	size_t colon = str_find(*entry, ':', 0);
	uint64_t number;

	if (colon == entry->n || str_find(*entry, ':', colon + 1) < entry->n)
		return true; /* none, or an IPv6 address */
	if (!str_parse_u64((struct str){ entry->p + colon + 1, entry->n - colon - 1 }, &number))
		return false;
	entry->n = colon;
	return number == port;
}

static bool is_excepted(const struct url *url)
{
	const char *value = first_set("no_proxy", "NO_PROXY", NULL);
	struct str list = str_of(value ? value : ""), entry;

	if (is_loopback(url->host))
		return true;
	while (str_next_element(&list, &entry)) {
		if (str_eq(entry, STR("*")))
			return true;
		if (take_port(&entry, url->port) &&
			(is_below(url->host, entry) || in_range(url->host, entry)))
			return true;
	}
	return false;
}

static void append_base64(struct str s, char *dst)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < s.n; i += 3) {
		unsigned bits = (unsigned)(unsigned char)s.p[i] << 16;

		bits |= i + 1 < s.n ? (unsigned)(unsigned char)s.p[i + 1] << 8 : 0;
		bits |= i + 2 < s.n ? (unsigned char)s.p[i + 2] : 0;
		*dst++ = digits[bits >> 18];
		*dst++ = digits[bits >> 12 & 63];
		*dst++ = i + 1 < s.n ? digits[bits >> 6 & 63] : '=';
		*dst++ = i + 2 < s.n ? digits[bits & 63] : '=';
	}
	*dst = '\0';
}

/* "user:password", percent-encoded, becomes "Basic ...". */
static bool set_credentials(struct proxy *p, struct str user)
{
	static const char scheme[] = "Basic ";
	char plain[256];
	size_t n = 0;

	for (size_t i = 0; i < user.n; i++) {
		if (n == sizeof(plain))
			return false;
		plain[n] = user.p[i];
		if (user.p[i] == '%') {
			if (user.n - i < 3 || chars_hex(user.p[i + 1]) < 0 ||
				chars_hex(user.p[i + 2]) < 0)
				return false;
			plain[n] = (char)(chars_hex(user.p[i + 1]) << 4 | chars_hex(user.p[i + 2]));
			i += 2;
		}
		n++;
	}
	memcpy(p->credentials, scheme, sizeof(scheme));
	append_base64((struct str){ plain, n }, p->credentials + sizeof(scheme) - 1);
	return true;
}

/* Takes "USER:PASSWORD@" off the authority. */
static bool take_credentials(struct proxy *p, struct str *s)
{
	const char *at = memrchr(s->p, '@', s->n);
	struct str user = { s->p, at ? (size_t)(at - s->p) : 0 };

	if (!at)
		return true;
	*s = (struct str){ at + 1, s->n - user.n - 1 };
	return set_credentials(p, user);
}

/* NULL, or what is wrong. */
static const char *parse(const char *text, struct proxy *p)
{
	const char *end = strstr(text, "://"), *why;
	struct str s = str_of(end ? end + 3 : text);
	char plain[OPTIONS_HOST_SIZE + 16];
	struct url url;

	if (end && !str_case_eq((struct str){ text, (size_t)(end - text) }, STR("http")))
		return "a proxy is spoken to in plain HTTP: expected http://HOST:PORT";
	s.n = str_find(s, '/', 0);
	if (!take_credentials(p, &s))
		return "the user or the password of the proxy is malformed";
	if (snprintf(plain, sizeof(plain), "http://" STR_FMT, STR_ARG(s)) >= (int)sizeof(plain) ||
		uri_parse_url(str_of(plain), &url, &why) < 0 || url.host.n >= sizeof(p->host))
		return "expected a proxy as http://HOST:PORT";
	memcpy(p->host, url.host.p, url.host.n);
	p->host[url.host.n] = '\0';
	p->port = url.port;
	p->is_used = true;
	return NULL;
}

int proxy_choose(const struct options *o, const struct url *url, struct proxy *ret, struct err *e)
{
	const char *text = o->proxy, *why;

	*ret = (struct proxy){ 0 };
	if (text && strcmp(text, "none") == 0)
		return 0;
	if (!text && !o->connect_host[0] && !is_excepted(url))
		text = url->tls ? first_set("https_proxy", "HTTPS_PROXY", "all_proxy")
				: first_set("http_proxy", "all_proxy", NULL);
	if (!text)
		return 0;
	why = parse(text, ret);
	if (why)
		return err_set(e, ERR_USAGE, "%s: %s",
			o->proxy ? "--proxy" : "the proxy that the environment names", why);
	return 0;
}
