/* The table and the questions about it. It knows directives, not values: nothing here reads or
 * writes a configuration. Look-ups are linear, a hundred rows at a start or a reload. */
#include "config/table.h"

#include <stdio.h>

#include "config/config.h"

#define NONE .width = 0
#define AT(s, field)                                                                               \
	.owner = OWNER_##s, .offset = offsetof(struct s, field),                                   \
	.width = sizeof(((struct s *)NULL)->field)
#define AT2(s, field, second) AT(s, field), .offset2 = offsetof(struct s, second)
#define OWNER_LISTENER OWNER_config_listener
#define OWNER_SITE OWNER_config_site
#define OWNER_PAIR OWNER_config_pair
#define OWNER_ROUTE OWNER_config_route
#define OWNER_HEADER OWNER_route_field
#define OWNER_ERROR_PAGE OWNER_route_error_page
#define GROUP(k, target, text)                                                                     \
	{ .key = k, .type = DIRECTIVE_GROUP, .unit = "", .sentence = text, target },
#define LIST(k, member, target, text)                                                              \
	{ .key = k,                                                                                \
		.type = DIRECTIVE_LIST,                                                            \
		.element = OWNER_##member,                                                         \
		.unit = "",                                                                        \
		.sentence = text,                                                                  \
		target },
#define VALUE(k, kind, target, d, lo, hi, u, text)                                                 \
	{ .key = k,                                                                                \
		.type = DIRECTIVE_##kind,                                                          \
		.def = d,                                                                          \
		.min = lo,                                                                         \
		.max = hi,                                                                         \
		.unit = u,                                                                         \
		.sentence = text,                                                                  \
		target },

const struct directive table_rows[] = {
#include "config/directives.def"
};
const size_t table_count = sizeof(table_rows) / sizeof(table_rows[0]);

size_t table_size_of(enum table_owner owner)
{
	static const size_t sizes[OWNER_COUNT] = {
		[OWNER_config] = sizeof(struct config),
		[OWNER_config_listener] = sizeof(struct config_listener),
		[OWNER_config_site] = sizeof(struct config_site),
		[OWNER_config_pair] = sizeof(struct config_pair),
		[OWNER_config_route] = sizeof(struct config_route),
		[OWNER_route_field] = sizeof(struct route_field),
		[OWNER_route_error_page] = sizeof(struct route_error_page),
	};
	return sizes[owner];
}

struct str table_parent(const struct directive *d)
{
	const char *dot = strrchr(d->key, '.');

	return (struct str){ d->key, dot ? (size_t)(dot - d->key) : 0 };
}

struct str table_name(const struct directive *d)
{
	const char *dot = strrchr(d->key, '.');

	return str_of(dot ? dot + 1 : d->key);
}

const struct directive *table_find(struct str key)
{
	for (size_t i = 0; i < table_count; i++)
		if (str_eq(str_of(table_rows[i].key), key))
			return &table_rows[i];
	return NULL;
}

const struct directive *table_member(struct str parent, struct str name)
{
	for (size_t i = 0; i < table_count; i++)
		if (str_eq(table_parent(&table_rows[i]), parent) &&
			str_eq(table_name(&table_rows[i]), name))
			return &table_rows[i];
	return NULL;
}

/* Near enough to be taken for a slip. */
static bool is_slip(size_t distance, size_t length)
{
	return distance <= (length < 4 ? 1 : length / 3 + 1);
}

static const char *list_members(struct str parent, char *dst, size_t size)
{
	size_t n = 0;

	n = (size_t)snprintf(dst, size, "known here:");
	for (size_t i = 0; i < table_count; i++) {
		struct str name = table_name(&table_rows[i]);

		if (!str_eq(table_parent(&table_rows[i]), parent) || n >= size)
			continue;
		n += (size_t)snprintf(dst + n, size - n, "%s " STR_FMT,
			dst[n - 1] == ':' ? "" : ",", STR_ARG(name));
	}
	if (dst[n < size ? n - 1 : size - 2] == ':')
		snprintf(dst, size, "it takes no directives");
	return dst;
}

const struct directive *table_meant(struct str parent, struct str name)
{
	const struct directive *best = NULL;
	size_t least = SIZE_MAX;

	for (size_t i = 0; i < table_count; i++) {
		const struct directive *d = &table_rows[i];
		size_t distance = str_distance(table_name(d), name);

		if (str_eq(table_parent(d), parent) && distance < least) {
			least = distance;
			best = d;
		}
	}
	return best && is_slip(least, name.n) ? best : NULL;
}

const char *table_suggest(struct str parent, struct str name, char *dst, size_t size)
{
	const struct directive *best = table_meant(parent, name), *elsewhere = NULL;

	for (size_t i = 0; i < table_count && !elsewhere; i++)
		if (str_eq(table_name(&table_rows[i]), name))
			elsewhere = &table_rows[i];
	if (best)
		snprintf(dst, size, "did you mean \"" STR_FMT "\"?", STR_ARG(table_name(best)));
	else if (elsewhere && table_parent(elsewhere).n)
		snprintf(dst, size, "it belongs into \"" STR_FMT "\"",
			STR_ARG(table_parent(elsewhere)));
	else if (elsewhere)
		snprintf(dst, size, "it belongs to the top of the file, outside of all groups");
	else
		list_members(parent, dst, size);
	return dst;
}

const struct directive *table_nearest(struct str key)
{
	const struct directive *best = &table_rows[0];
	size_t least = SIZE_MAX;

	for (size_t i = 0; i < table_count; i++) {
		const struct directive *d = &table_rows[i];
		size_t whole = str_distance(str_of(d->key), key);
		size_t last = str_distance(table_name(d), key);
		size_t distance = last < whole ? last : whole;

		if (distance < least) {
			least = distance;
			best = d;
		}
	}
	return best;
}

bool table_word(const char *words, size_t i, struct str *ret)
{
	struct str s = str_of(words);
	size_t from = 0, end;

	for (;; from = end + 1) {
		if (from > s.n)
			return false;
		end = str_find(s, '|', from);
		if (i-- == 0)
			break;
	}
	*ret = (struct str){ s.p + from, end - from };
	return true;
}

int table_word_index(const char *words, struct str word)
{
	struct str w;

	for (size_t i = 0; table_word(words, i, &w); i++)
		if (str_eq(w, word))
			return (int)i;
	return -1;
}

/* `a, b or c`, each within `quote`; an empty word is "" whatever the quote is. */
static const char *join_words(const char *words, const char *quote, char *dst, size_t size)
{
	struct str w, next;
	size_t n = 0;

	dst[0] = '\0';
	for (size_t i = 0; table_word(words, i, &w) && n < size; i++) {
		bool last = !table_word(words, i + 1, &next);
		const char *q = w.n ? quote : "\"";

		n += (size_t)snprintf(dst + n, size - n, "%s%s" STR_FMT "%s",
			i == 0 ? ""
			: last ? " or "
			       : ", ",
			q, STR_ARG(w), q);
	}
	return dst;
}

const char *table_range(const struct directive *d, char *dst, size_t size)
{
	char lo[24], hi[24];

	dst[0] = '\0';
	switch (d->type) {
	case DIRECTIVE_INT:
		snprintf(dst, size, "%lld to %lld", (long long)d->min, (long long)d->max);
		break;
	case DIRECTIVE_SIZE:
		snprintf(dst, size, "%s to %s", str_format_size(d->min, lo, sizeof(lo)),
			str_format_size(d->max, hi, sizeof(hi)));
		break;
	case DIRECTIVE_DURATION:
		snprintf(dst, size, "%s to %s", str_format_duration(d->min, lo, sizeof(lo)),
			str_format_duration(d->max, hi, sizeof(hi)));
		break;
	case DIRECTIVE_ENUM:
	case DIRECTIVE_WORD:
	case DIRECTIVE_CHOICE:
	case DIRECTIVE_LOG:
		join_words(d->unit, "", dst, size);
		break;
	default:
		break;
	}
	return dst;
}

const char *table_type_name(const struct directive *d)
{
	static const char *const names[] = {
		[DIRECTIVE_GROUP] = "group",
		[DIRECTIVE_LIST] = "list of groups",
		[DIRECTIVE_BOOL] = "boolean",
		[DIRECTIVE_INT] = "integer",
		[DIRECTIVE_SIZE] = "size",
		[DIRECTIVE_DURATION] = "duration",
		[DIRECTIVE_ENUM] = "word",
		[DIRECTIVE_CHOICE] = "integer",
		[DIRECTIVE_WORD] = "word",
		[DIRECTIVE_STRING] = "string",
		[DIRECTIVE_PATH] = "path",
		[DIRECTIVE_SECRET] = "path or credential",
		[DIRECTIVE_STRINGS] = "list of strings",
		[DIRECTIVE_PATHS] = "list of paths",
		[DIRECTIVE_RANGES] = "list of address ranges",
		[DIRECTIVE_ADDRESS] = "address",
		[DIRECTIVE_LOG] = "log target",
	};
	return names[d->type];
}

const char *table_expected(const struct directive *d, char *dst, size_t size)
{
	static const char *const forms[] = {
		[DIRECTIVE_GROUP] = "a group { ... }",
		[DIRECTIVE_LIST] = "a list of groups ( { ... }, { ... } )",
		[DIRECTIVE_BOOL] = "true or false",
		[DIRECTIVE_STRINGS] = "a list of strings such as [ \"a\", \"b\" ]",
		[DIRECTIVE_PATHS] = "a list of paths such as [ \"a\", \"b\" ]",
		[DIRECTIVE_RANGES] = "a list of address ranges such as [ \"10.0.0.0/8\", \"::1\" ]",
		[DIRECTIVE_STRING] = "a string in quotes",
		[DIRECTIVE_PATH] = "a path in quotes",
		[DIRECTIVE_SECRET] = "a path, or \"credential:NAME\", in quotes",
		[DIRECTIVE_ADDRESS] = "an address in quotes, such as \"*:443\"",
	};
	const char *example = d->def && d->def[0] == '"' ? d->def : "\"2s\"";
	char range[160];

	table_range(d, range, sizeof(range));
	if (d->type == DIRECTIVE_INT)
		snprintf(dst, size, "an integer from %s", range);
	else if (d->type == DIRECTIVE_SIZE)
		snprintf(dst, size,
			"a size from %s, such as %s or a number of "
			"bytes",
			range, example);
	else if (d->type == DIRECTIVE_DURATION)
		snprintf(dst, size, "a duration from %s, in quotes, such as %s", range, example);
	else if (d->type == DIRECTIVE_CHOICE)
		snprintf(dst, size, "%s", range);
	else if (range[0])
		join_words(d->unit, "\"", dst, size);
	else if (d->unit[0])
		snprintf(dst, size, "%s (%s)", forms[d->type], d->unit);
	else
		snprintf(dst, size, "%s", forms[d->type]);
	return dst;
}
