/* Targets, paths, authorities, URLs and references. The input is taken for each of them in turn. */
#include <string.h>

#include "base/buf.h"
#include "fuzz.h"
#include "http/reference.h"
#include "http/uri.h"

static bool contains(struct str s, const char *what)
{
	return s.n && memmem(s.p, s.n, what, strlen(what));
}

static bool is_within(struct str part, struct str whole)
{
	return part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

static void check_decoded(struct str path)
{
	check(path.n > 0 && path.p[0] == '/');
	check(path.p[path.n] == '\0');
	check(!memchr(path.p, '\0', path.n));
	check(!contains(path, "/../") && !contains(path, "/./"));
	check(!str_has_suffix(path, STR("/..")) && !str_has_suffix(path, STR("/.")));
}

static void run_path(struct str path)
{
	char *dst = malloc(path.n + 1);
	char *again = NULL;
	struct http_error error = { 0, NULL };
	struct str decoded;
	struct str second;
	struct buf out;

	check(dst);
	buf_init(&out, 0);
	if (uri_decode_path(path, dst, &decoded, &error) < 0) {
		check(error.status == 400 || error.status == 404);
		goto out;
	}
	check(decoded.p == dst && decoded.n <= path.n);
	check_decoded(decoded);
	/* Encoded, it is a path again, and the same. */
	check(uri_encode_path(&out, decoded));
	again = malloc(buf_len(&out) + 1);
	check(again);
	check(uri_decode_path(buf_str(&out), again, &second, &error) == 0);
	check(str_eq(decoded, second));
out:
	buf_done(&out);
	free(again);
	free(dst);
}

static void run_target(struct str text, enum http_method method)
{
	struct http_error error = { 0, NULL };
	struct target t;
	struct str host;
	unsigned port;

	if (uri_parse_target(text, method, &t, &error) < 0) {
		check(error.status == 400 && error.reason);
		return;
	}
	check(is_within(t.scheme, text) && is_within(t.authority, text) &&
		is_within(t.query, text));
	check(!contains(text, " ") && !contains(text, "\r") && !contains(text, "\n"));
	check((t.form == TARGET_AUTHORITY) == (method == HTTP_METHOD_CONNECT));
	check(t.form != TARGET_ASTERISK || method == HTTP_METHOD_OPTIONS);
	if (t.form == TARGET_ABSOLUTE || t.form == TARGET_AUTHORITY)
		check(uri_split_authority(t.authority, &host, &port));
	else
		check(t.authority.n == 0);
	if (t.form != TARGET_ORIGIN && t.form != TARGET_ABSOLUTE)
		return;
	check(t.path.n > 0 && t.path.p[0] == '/' && !contains(t.path, "?"));
	check(t.query.n == 0 || t.query.p[0] == '?');
	if (t.form == TARGET_ORIGIN)
		check(t.path.n + t.query.n == text.n);
	run_path(t.path);
}

static void run_authority(struct str text)
{
	struct str host;
	unsigned port;

	if (!uri_split_authority(text, &host, &port))
		return;
	check(host.n > 0 && is_within(host, text));
	check(port <= 65535);
	check(!contains(host, "@") && !contains(host, "/") && !contains(host, " "));
	check(!memchr(host.p, '\0', host.n));
	check(text.p[0] == '[' || !contains(host, ":"));
}

static void run_url(struct str text)
{
	const char *why = NULL;
	struct url u;

	if (uri_parse_url(text, &u, &why) < 0) {
		check(why);
		return;
	}
	check(u.host.n > 0 && is_within(u.host, text));
	check(u.port > 0 && u.port <= 65535);
	check(u.target.n > 0 && (u.target.p[0] == '/') == !u.path_missing);
	check(!contains(u.target, "#") && !contains(u.target, "\r") && !contains(u.target, " "));
}

/* As a Location of a server at `base`. */
static void run_reference(const char *base, struct str text)
{
	const char *why;
	struct url url;
	struct buf out;

	buf_init(&out, 0);
	check(uri_parse_url(str_of(base), &url, &why) == 0);
	if (reference_resolve(&url, text, &out)) {
		struct str s = buf_str(&out);

		for (size_t i = 0; i < s.n; i++)
			check(s.p[i] > ' ' && s.p[i] < 0x7f);
		check(!contains(s, "#"));
	}
	buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };

	for (int method = HTTP_METHOD_OTHER; method <= HTTP_METHOD_PATCH; method++)
		run_target(text, (enum http_method)method);
	run_path(text);
	run_authority(text);
	run_url(text);
	run_reference("https://a/b/c?d", text);
	run_reference("http://[::1]:1?q", text);
	return 0;
}
