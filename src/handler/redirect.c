/* Answers with a Location. What a client sent goes into it only through the three variables, whose
 * bytes the head parser admitted; the result is checked once more before it leaves, so that no
 * request can add a field, and a path cannot turn into a host. */
#include "handler/redirect.h"

#include <assert.h>

enum variable { VARIABLE_HOST, VARIABLE_PATH, VARIABLE_QUERY, VARIABLES };

static const struct str variable_name[VARIABLES] = {
	[VARIABLE_HOST] = { "host", 4 },
	[VARIABLE_PATH] = { "path", 4 },
	[VARIABLE_QUERY] = { "query", 5 },
};

static bool is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

/* The variable at the "$" at `at`; *ret_n is the length with the "$". VARIABLES: unknown. */
static enum variable variable_at(const char *at, size_t *ret_n)
{
	struct str name = { at + 1, 0 };

	while (is_name_byte(name.p[name.n]))
		name.n++;
	*ret_n = name.n + 1;
	for (unsigned i = 0; i < VARIABLES; i++)
		if (str_eq(name, variable_name[i]))
			return (enum variable)i;
	return VARIABLES;
}

/* RFC 3986: unreserved, reserved, and "%". */
static bool is_uri_byte(char c)
{
	return is_name_byte(c) || (c != '\0' && strchr("-.~:/?#[]@!$&'()*+,;=%", c));
}

bool redirect_check(const char *to, const char **ret_at)
{
	const char *at = to;
	size_t n;

	for (; *at; at += n) {
		n = 1;
		if (!is_uri_byte(*at) || (*at == '$' && variable_at(at, &n) == VARIABLES))
			break;
	}
	*ret_at = at;
	return *at == '\0' && at != to;
}

struct location {
	char *p; /* NULL: only measured */
	size_t n;
};

static void add(struct location *l, struct str s)
{
	if (l->p && s.n > 0)
		memcpy(l->p + l->n, s.p, s.n);
	l->n += s.n;
}

/* A path that is the beginning of the Location must not be taken for "//host". */
static struct str without_double_slash(struct str path)
{
	while (path.n > 1 && (path.p[1] == '/' || path.p[1] == '\\')) {
		path.p++;
		path.n--;
	}
	return path;
}

static void add_variable(struct location *l, const struct stream *s, enum variable v)
{
	bool is_ipv6 = str_find(s->host, ':', 0) < s->host.n;

	switch (v) {
	case VARIABLE_HOST:
		add(l, is_ipv6 ? STR("[") : STR(""));
		add(l, s->host);
		add(l, is_ipv6 ? STR("]") : STR(""));
		break;
	case VARIABLE_PATH:
		add(l, l->n == 0 ? without_double_slash(s->target.path) : s->target.path);
		break;
	case VARIABLE_QUERY:
		add(l, s->target.query);
		break;
	default:
		assert(!"a variable that redirect_check() let through");
	}
}

/* False: $host is asked for and there is none. */
static bool fill(struct location *l, const struct stream *s, const char *to)
{
	size_t n;

	for (const char *at = to; *at; at += n) {
		enum variable v;

		n = strcspn(at, "$");
		if (n > 0) {
			add(l, (struct str){ at, n });
			continue;
		}
		v = variable_at(at, &n);
		if (v == VARIABLE_HOST && s->host.n == 0)
			return false;
		add_variable(l, s, v);
	}
	return true;
}

/* <p><a href="LOCATION">LOCATION</a></p>, in the arena; empty when there is no room. */
static struct str link_html(struct stream *s, struct str location)
{
	struct str escaped = stream_escape_html(s, location);
	const struct str part[] = { STR("<p><a href=\""), escaped, STR("\">"), escaped,
		STR("</a></p>\n") };
	struct location l = { NULL, 0 };

	for (size_t i = 0; i < sizeof(part) / sizeof(part[0]); i++)
		add(&l, part[i]);
	l.p = escaped.p ? arena_alloc(&s->arena, l.n) : NULL;
	l.n = 0;
	for (size_t i = 0; l.p && i < sizeof(part) / sizeof(part[0]); i++)
		add(&l, part[i]);
	return (struct str){ l.p, l.n };
}

void redirect_handle(struct stream *s, const void *options)
{
	const struct redirect_options *o = options;
	struct location l = { NULL, 0 };
	struct str location;

	if (!fill(&l, s, o->to)) {
		stream_reply_error(s, 400);
		return;
	}
	l.p = arena_alloc(&s->arena, l.n + 1);
	if (!l.p) {
		stream_reply_error(s, 500);
		return;
	}
	l.n = 0;
	fill(&l, s, o->to);
	location = (struct str){ l.p, l.n };
	if (!http_is_field_value(location)) {
		stream_reply_error(s, 400);
		return;
	}
	stream_add_field(s, STR("Location"), location);
	stream_reply_page(s, o->status, link_html(s, location));
}
