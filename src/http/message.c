/* Requests and responses as data: the field list, the names that the program knows, methods and
 * reason phrases. Owns no memory: slices point into what was parsed. Refuses to interpret values:
 * framing is body's business, conditions are precond's. */
#include "http/message.h"

#include "http/chars.h"

static const struct str field_names[FIELD_COUNT] = {
	[FIELD_ACCEPT] = STR("accept"),
	[FIELD_ACCEPT_ENCODING] = STR("accept-encoding"),
	[FIELD_CONNECTION] = STR("connection"),
	[FIELD_CONTENT_LENGTH] = STR("content-length"),
	[FIELD_CONTENT_TYPE] = STR("content-type"),
	[FIELD_DATE] = STR("date"),
	[FIELD_ETAG] = STR("etag"),
	[FIELD_EXPECT] = STR("expect"),
	[FIELD_HOST] = STR("host"),
	[FIELD_IF_MATCH] = STR("if-match"),
	[FIELD_IF_MODIFIED_SINCE] = STR("if-modified-since"),
	[FIELD_IF_NONE_MATCH] = STR("if-none-match"),
	[FIELD_IF_RANGE] = STR("if-range"),
	[FIELD_IF_UNMODIFIED_SINCE] = STR("if-unmodified-since"),
	[FIELD_LAST_MODIFIED] = STR("last-modified"),
	[FIELD_LOCATION] = STR("location"),
	[FIELD_RANGE] = STR("range"),
	[FIELD_REFERER] = STR("referer"),
	[FIELD_TE] = STR("te"),
	[FIELD_TRANSFER_ENCODING] = STR("transfer-encoding"),
	[FIELD_UPGRADE] = STR("upgrade"),
	[FIELD_USER_AGENT] = STR("user-agent"),
};

/* The names of each length; FIELD_OTHER ends a row. */
enum { NAME_MAX_LENGTH = 19, NAMES_PER_LENGTH = 4 };
static const unsigned char ids_by_length[NAME_MAX_LENGTH + 1][NAMES_PER_LENGTH] = {
	[2] = { FIELD_TE },
	[4] = { FIELD_HOST, FIELD_DATE, FIELD_ETAG },
	[5] = { FIELD_RANGE },
	[6] = { FIELD_ACCEPT, FIELD_EXPECT },
	[7] = { FIELD_REFERER, FIELD_UPGRADE },
	[8] = { FIELD_IF_RANGE, FIELD_IF_MATCH, FIELD_LOCATION },
	[10] = { FIELD_USER_AGENT, FIELD_CONNECTION },
	[12] = { FIELD_CONTENT_TYPE },
	[13] = { FIELD_IF_NONE_MATCH, FIELD_LAST_MODIFIED },
	[14] = { FIELD_CONTENT_LENGTH },
	[15] = { FIELD_ACCEPT_ENCODING },
	[17] = { FIELD_IF_MODIFIED_SINCE, FIELD_TRANSFER_ENCODING },
	[19] = { FIELD_IF_UNMODIFIED_SINCE },
};

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

void fields_clear(struct fields *f)
{
	f->n = 0;
	memset(f->first, 0, sizeof(f->first));
	memset(f->count, 0, sizeof(f->count));
}

bool fields_add(struct fields *f, struct str name, struct str value)
{
	enum field_id id = field_id_of(name);

	if (f->n >= FIELDS_MAX)
		return false;
	f->line[f->n++] = (struct field){ name, value, id };
	if (f->count[id] == 0)
		f->first[id] = (uint16_t)f->n;
	if (f->count[id] < UINT8_MAX)
		f->count[id]++;
	return true;
}

/* `lower` is in lower case and of the same length. */
static bool is_name(const char *p, struct str lower)
{
	for (size_t i = 0; i < lower.n; i++)
		if (str_lower((unsigned char)p[i]) != (unsigned char)lower.p[i])
			return false;
	return true;
}

enum field_id field_id_of(struct str name)
{
	const unsigned char *ids;

	if (name.n > NAME_MAX_LENGTH)
		return FIELD_OTHER;
	ids = ids_by_length[name.n];
	for (unsigned i = 0; i < NAMES_PER_LENGTH && ids[i] != FIELD_OTHER; i++)
		if (is_name(name.p, field_names[ids[i]]))
			return (enum field_id)ids[i];
	return FIELD_OTHER;
}

static bool has_element(struct str list, struct str token)
{
	struct str element;

	while (str_next_element(&list, &element))
		if (str_case_eq(element, token))
			return true;
	return false;
}

bool fields_has_token(const struct fields *f, enum field_id id, struct str token)
{
	if (!fields_has(f, id))
		return false;
	for (unsigned i = f->first[id] - 1u; i < f->n; i++)
		if (f->line[i].id == id && has_element(f->line[i].value, token))
			return true;
	return false;
}

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

void request_rebase(struct request *r, const char *from, size_t n, const char *to)
{
	rebase(&r->method_text, from, n, to);
	rebase(&r->target, from, n, to);
	rebase(&r->authority, from, n, to);
	for (unsigned i = 0; i < r->fields.n; i++) {
		rebase(&r->fields.line[i].name, from, n, to);
		rebase(&r->fields.line[i].value, from, n, to);
	}
}
