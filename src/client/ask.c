/* Request heads. Every connection carries one exchange, and saying so lets the server end it: so
 * its close_notify is seen on every fetch.
 *
 * Leaves out, for another origin than the user named, what may hold credentials. */
#include "client/ask.h"

#include <stdio.h>

#include "http/head_write.h"

static struct str name_of(const char *text)
{
	return (struct str){ text, str_find(str_of(text), ':', 0) };
}

static struct str value_of(const char *text)
{
	struct str s = str_of(text);
	size_t n = name_of(text).n + 1;

	return str_trim((struct str){ s.p + n, s.n - n });
}

/* RFC 9110 section 15.4: what was meant for the first origin, or computed for it. */
static bool is_private(struct str name)
{
	static const char *const names[] = { "authorization", "cookie", "host", "origin",
		"proxy-authorization", "referer" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_case_eq(name, str_of(names[i])))
			return true;
	return false;
}

/* The field of -H of that name, or NULL. */
static const char *own_field(const struct ask *a, struct str name)
{
	for (size_t i = 0; a->fields && i < a->fields->n; i++)
		if (str_case_eq(name_of(a->fields->text[i]), name) &&
			!(a->foreign && is_private(name)))
			return a->fields->text[i];
	return NULL;
}

static bool by_default(
	const struct ask *a, struct str name, struct str value, ask_field_fn fn, void *arg)
{
	return own_field(a, name) || fn(arg, name, value);
}

static bool each_own_field(const struct ask *a, ask_field_fn fn, void *arg)
{
	for (size_t i = 0; a->fields && i < a->fields->n; i++) {
		struct str name = name_of(a->fields->text[i]);

		if (str_case_eq(name, STR("host")) || (a->foreign && is_private(name)))
			continue;
		if (!fn(arg, name, value_of(a->fields->text[i])))
			return false;
	}
	return true;
}

static struct str number(const char *prefix, uint64_t n, const char *suffix, char *dst, size_t size)
{
	int length = snprintf(dst, size, "%s%llu%s", prefix, (unsigned long long)n, suffix);

	return (struct str){ dst, (size_t)length };
}

/* A part, and only of the very representation that a part is there of (RFC 9110 section 13.1.5). */
static bool each_field_of_part(const struct ask *a, ask_field_fn fn, void *arg)
{
	char text[40];

	return a->from == 0 ||
	       (fn(arg, STR("Range"), number("bytes=", a->from, "-", text, sizeof(text))) &&
		       fn(arg, STR("If-Range"), a->if_range));
}

static bool each_field_of_content(const struct ask *a, ask_field_fn fn, void *arg)
{
	char text[40];

	return !a->has_content ||
	       (by_default(a, STR("Content-Type"), STR("application/x-www-form-urlencoded"), fn,
			arg) &&
		       fn(arg, STR("Content-Length"),
			       number("", a->content.n, "", text, sizeof(text))));
}

bool ask_each_field(const struct ask *a, ask_field_fn fn, void *arg)
{
	return by_default(a, STR("User-Agent"), STR("latch/" LATCH_VERSION), fn, arg) &&
	       by_default(a, STR("Accept"), STR("*/*"), fn, arg) && each_own_field(a, fn, arg) &&
	       each_field_of_part(a, fn, arg) && each_field_of_content(a, fn, arg);
}

static bool append_origin(const struct url *url, struct buf *out)
{
	bool brackets = url->host_is_ip && str_find(url->host, ':', 0) < url->host.n;
	bool ok = (!brackets || buf_append(out, "[", 1)) && buf_append_str(out, url->host) &&
		  (!brackets || buf_append(out, "]", 1));

	if (url->port != (url->tls ? 443u : 80u))
		ok = ok && buf_appendf(out, ":%u", url->port);
	return ok;
}

bool ask_authority(const struct ask *a, struct buf *out)
{
	const char *own = own_field(a, STR("host"));

	return own ? buf_append_str(out, value_of(own)) : append_origin(a->url, out);
}

static bool write_line(const struct ask *a, struct buf *out)
{
	struct buf target;
	bool ok;

	buf_init(&target, 0);
	ok = (!a->absolute ||
		     (buf_append_str(&target, STR("http://")) && append_origin(a->url, &target))) &&
	     (!a->url->path_missing || buf_append(&target, "/", 1)) &&
	     buf_append_str(&target, a->url->target) &&
	     head_write_request_line(out, a->method, buf_str(&target));
	buf_done(&target);
	return ok;
}

static bool write_field(void *out, struct str name, struct str value)
{
	return head_write_field(out, name, value);
}

bool ask_write(const struct ask *a, struct buf *out)
{
	return write_line(a, out) && buf_append_str(out, STR("Host: ")) && ask_authority(a, out) &&
	       buf_append_str(out, STR("\r\n")) && ask_each_field(a, write_field, out) &&
	       (!a->proxy_credentials || head_write_field(out, STR("Proxy-Authorization"),
						 str_of(a->proxy_credentials))) &&
	       head_write_field(out, STR("Connection"), STR("close")) && head_write_end(out);
}
