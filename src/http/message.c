/* Requests and responses as data: methods, reason phrases, and moving a request to where its bytes
 * went. Owns no memory: slices point into what was parsed. Refuses to interpret: framing is body's
 * business, conditions are precond's. */
#include "http/message.h"

#include "http/chars.h"

static const struct str method_names[] = {
	[HTTP_METHOD_GET] = STR("GET"),
	[HTTP_METHOD_HEAD] = STR("HEAD"),
	[HTTP_METHOD_POST] = STR("POST"),
	[HTTP_METHOD_PUT] = STR("PUT"),
	[HTTP_METHOD_DELETE] = STR("DELETE"),
	[HTTP_METHOD_CONNECT] = STR("CONNECT"),
	[HTTP_METHOD_OPTIONS] = STR("OPTIONS"),
	[HTTP_METHOD_TRACE] = STR("TRACE"),
	[HTTP_METHOD_PATCH] = STR("PATCH"),
};

enum http_method http_method_of(struct str token)
{
	const unsigned n = sizeof(method_names) / sizeof(method_names[0]);

	for (unsigned m = HTTP_METHOD_GET; m < n; m++)
		if (str_eq(token, method_names[m]))
			return (enum http_method)m;
	return HTTP_METHOD_OTHER;
}

struct str http_reason(int status)
{
	switch (status) {
#define STATUS(code, phrase)                                                                       \
	case code:                                                                                 \
		return STR(phrase);
#include "http/status.def"
#undef STATUS
	default:
		return STR("Unknown");
	}
}

int http_status_index(int status)
{
	switch (status) {
#define STATUS(code, phrase)                                                                       \
	case code:                                                                                 \
		return HTTP_STATUS_INDEX_##code;
#include "http/status.def"
#undef STATUS
	default:
		return -1;
	}
}

int http_status_at(unsigned index)
{
	static const int codes[] = {
#define STATUS(code, phrase) code,
#include "http/status.def"
#undef STATUS
	};

	return index < sizeof(codes) / sizeof(codes[0]) ? codes[index] : 0;
}

bool http_is_token(struct str s)
{
	return s.n > 0 && chars_span(s.p, s.n, CHARS_TOKEN) == s.n;
}

bool http_is_field_value(struct str s)
{
	return chars_span_value(s.p, s.n) == s.n;
}

static void rebase(struct str *s, const char *from, size_t n, const char *to)
{
	uintptr_t at = (uintptr_t)s->p - (uintptr_t)from;

	if (s->p && at <= n)
		s->p = to + at;
}

void message_rebase(struct request *r, const char *from, size_t n, const char *to)
{
	rebase(&r->method_text, from, n, to);
	rebase(&r->target, from, n, to);
	rebase(&r->authority, from, n, to);
	for (unsigned i = 0; i < r->fields.n; i++) {
		rebase(&r->fields.line[i].name, from, n, to);
		rebase(&r->fields.line[i].value, from, n, to);
	}
}
