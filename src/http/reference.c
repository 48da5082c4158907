/* Reference resolution (RFC 3986 section 5.2) as far as http and https need it. Works on the text
 * as it is, percent escapes untouched, and judges no scheme. */
#include "http/reference.h"

#include "http/chars.h"

static struct str from(struct str s, size_t at)
{
	return (struct str){ s.p + at, s.n - at };
}

/* "scheme:" in front; RFC 3986 section 3.1. */
static bool has_scheme(struct str s)
{
	size_t i = 0;

	while (i < s.n && chars_is(s.p[i], CHARS_TOKEN))
		i++;
	return i > 0 && i < s.n && s.p[i] == ':';
}

static bool append_origin(const struct url *base, struct buf *out)
{
	bool brackets = str_find(base->host, ':', 0) < base->host.n;

	return buf_append_str(out, base->tls ? STR("https://") : STR("http://")) &&
	       (!brackets || buf_append(out, "[", 1)) && buf_append_str(out, base->host) &&
	       (!brackets || buf_append(out, "]", 1)) && buf_appendf(out, ":%u", base->port);
}

/* As it is, but for bytes that are no ASCII. */
static bool append_encoded(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c <= ' ' || c == 0x7f)
			return false;
		if (c < 0x80 ? !buf_append(out, &s.p[i], 1) : !buf_appendf(out, "%%%02X", c))
			return false;
	}
	return true;
}

/* Takes the last segment and its slash off what is behind `start`. */
static void drop_segment(struct buf *out, size_t start)
{
	while (out->end > start && out->data[out->end - 1] != '/')
		out->end--;
	if (out->end > start)
		out->end--;
}

/* The path with dot segments removed (RFC 3986 section 5.2.4), segment by segment. */
static bool append_path(struct buf *out, struct str path)
{
	size_t start = out->end;
	bool ok = true;

	while (ok && path.n > 0) {
		struct str segment = { path.p, str_find(path, '/', 1) };
		bool last = segment.n == path.n;

		path = from(path, segment.n);
		if (str_eq(segment, STR("/."))) {
			ok = !last || buf_append(out, "/", 1);
		} else if (str_eq(segment, STR("/.."))) {
			drop_segment(out, start);
			ok = !last || buf_append(out, "/", 1);
		} else {
			ok = append_encoded(out, segment);
		}
	}
	return ok;
}

/* Path and query of what a reference without authority means. */
static bool append_merged(const struct url *base, struct str reference, struct buf *out)
{
	struct str target = base->path_missing ? (struct str){ NULL, 0 } : base->target;
	struct str path = { target.p, str_find(target, '?', 0) };
	size_t end = str_find(reference, '?', 0);
	struct buf merged;
	bool ok;

	if (reference.n == 0)
		return append_encoded(out, base->target);
	if (end == 0)
		return append_encoded(out, path) && append_encoded(out, reference);
	buf_init(&merged, 0);
	if (reference.p[0] != '/') {
		while (path.n > 0 && path.p[path.n - 1] != '/')
			path.n--;
		ok = path.n > 0 ? buf_append_str(&merged, path) : buf_append(&merged, "/", 1);
	} else {
		ok = true;
	}
	ok = ok && buf_append(&merged, reference.p, end) && append_path(out, buf_str(&merged)) &&
	     append_encoded(out, from(reference, end));
	buf_done(&merged);
	return ok;
}

bool reference_resolve(const struct url *base, struct str reference, struct buf *out)
{
	reference.n = str_find(reference, '#', 0);
	if (has_scheme(reference))
		return append_encoded(out, reference);
	if (str_has_prefix(reference, STR("//")))
		return buf_append_str(out, base->tls ? STR("https:") : STR("http:")) &&
		       append_encoded(out, reference);
	return append_origin(base, out) && append_merged(base, reference, out);
}
