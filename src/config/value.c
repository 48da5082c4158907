/* Values: reading them out of the tree into fields. Every type refuses every other: libconfig's own
 * getters would give 0 for a value of another type. */
#include "config/value.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/credential.h"

static void *field(void *base, size_t offset)
{
	return (char *)base + offset;
}

static int store_integer(const struct directive *d, void *base, int64_t value)
{
	uint32_t small = (uint32_t)value;

	assert(d->width == sizeof(small) || d->width == sizeof(value));
	if (d->width == sizeof(small))
		memcpy(field(base, d->offset), &small, sizeof(small));
	else
		memcpy(field(base, d->offset), &value, sizeof(value));
	return 0;
}

static int store_string(void *base, size_t offset, const char *s)
{
	char **p = field(base, offset);
	char *copy = s ? strdup(s) : NULL;

	if (s && !copy)
		return -1;
	free(*p);
	*p = copy;
	return 0;
}

/* "expected X, found Y" at the value. */
static int fail_at(const struct directive *d, const struct tree *at, struct findings *f)
{
	char expected[240], found[120];

	findings_error(f, ERR_CONFIG, at->place.file, at->place.line, "%s: expected %s; found %s",
		d->key, table_expected(d, expected, sizeof(expected)),
		tree_describe(at, found, sizeof(found)));
	return -1;
}

static int fail_memory(const struct directive *d, struct findings *f)
{
	findings_error(f, ERR_SYSTEM, NULL, 0, "%s: out of memory", d->key);
	return -1;
}

static int set_bool(const struct directive *d, const struct tree *t, void *base)
{
	if (t->type != TREE_BOOL)
		return -1;
	*(bool *)field(base, d->offset) = t->number != 0;
	return 0;
}

static int set_number(const struct directive *d, const struct tree *t, void *base)
{
	int64_t value = t->number;
	char text[24];

	if (d->type == DIRECTIVE_SIZE && t->type == TREE_STRING) {
		if (!str_parse_size(str_of(t->text), &value))
			return -1;
	} else if (d->type == DIRECTIVE_DURATION) {
		if (t->type != TREE_STRING || !str_parse_duration(str_of(t->text), &value))
			return -1;
	} else if (t->type != TREE_INT) {
		return -1;
	}
	if (d->type == DIRECTIVE_CHOICE) {
		snprintf(text, sizeof(text), "%lld", (long long)value);
		if (table_word_index(d->unit, str_of(text)) < 0)
			return -1;
	} else if (value < d->min || value > d->max) {
		return -1;
	}
	return store_integer(d, base, value);
}

static int set_enum(const struct directive *d, const struct tree *t, void *base)
{
	int i = t->type == TREE_STRING ? table_word_index(d->unit, str_of(t->text)) : -1;

	return i < 0 ? -1 : store_integer(d, base, i);
}

/* An absolute path of what may be relative to the configuration's directory; NULL: out of memory.
 */
static char *absolute(const struct config *c, const char *path)
{
	char *s;

	if (path[0] == '/' || !path[0])
		return strdup(path);
	while (path[0] == '.' && path[1] == '/')
		path += 2;
	return asprintf(&s, "%s/%s", strcmp(c->directory, "/") ? c->directory : "", path) < 0 ? NULL
											      : s;
}

static int set_text(const struct config *c, const struct directive *d, const struct tree *t,
	void *base, struct findings *f)
{
	char *path;
	int r;

	if (t->type != TREE_STRING)
		return fail_at(d, t, f);
	if (d->type == DIRECTIVE_WORD && table_word_index(d->unit, str_of(t->text)) < 0)
		return fail_at(d, t, f);
	if (d->type == DIRECTIVE_PATH || (d->type == DIRECTIVE_SECRET && !credential_is(t->text))) {
		path = absolute(c, t->text);
		r = path ? store_string(base, d->offset, path) : -1;
		free(path);
	} else {
		r = store_string(base, d->offset, t->text);
	}
	return r ? fail_memory(d, f) : 0;
}

static int set_address(
	const struct directive *d, const struct tree *t, void *base, struct findings *f)
{
	struct sock_address *address = field(base, d->offset2), parsed;
	struct err e = { 0 };

	if (t->type != TREE_STRING)
		return fail_at(d, t, f);
	if (sock_parse_address(str_of(t->text), &parsed, &e)) {
		findings_error(
			f, ERR_CONFIG, t->place.file, t->place.line, "%s: %s", d->key, e.text);
		return -1;
	}
	if (store_string(base, d->offset, t->text))
		return fail_memory(d, f);
	*address = parsed;
	return 0;
}

static const struct {
	const char *word;
	enum log_target target;
} log_words[] = {
	{ "auto", LOG_TARGET_AUTO },
	{ "journal", LOG_TARGET_JOURNAL },
	{ "stderr", LOG_TARGET_STDERR },
	{ "off", LOG_TARGET_OFF },
};

static int set_log(const struct directive *d, const struct tree *t, void *base, struct findings *f)
{
	enum log_target *target = field(base, d->offset);
	struct str word;

	if (t->type != TREE_STRING)
		return fail_at(d, t, f);
	word = str_of(t->text);
	if (word.n > 1 && word.p[0] == '/') {
		if (store_string(base, d->offset2, t->text))
			return fail_memory(d, f);
		*target = LOG_TARGET_FILE;
		return 0;
	}
	if (table_word_index(d->unit, word) < 0 || word.p[0] == '/')
		return fail_at(d, t, f);
	store_string(base, d->offset2, NULL);
	for (size_t i = 0; i < sizeof(log_words) / sizeof(log_words[0]); i++)
		if (str_eq(word, str_of(log_words[i].word)))
			*target = log_words[i].target;
	return 0;
}

static void free_strings(char **v, size_t n)
{
	for (size_t i = 0; v && i < n; i++)
		free(v[i]);
	free(v);
}

static int set_strings(const struct config *c, const struct directive *d, const struct tree *t,
	void *base, struct findings *f)
{
	char ***target = field(base, d->offset), **v;
	size_t *count = field(base, d->offset2);

	if (t->type != TREE_LIST)
		return fail_at(d, t, f);
	for (size_t i = 0; i < t->n; i++)
		if (t->child[i].type != TREE_STRING)
			return fail_at(d, &t->child[i], f);
	v = calloc(t->n + 1, sizeof(*v));
	for (size_t i = 0; v && i < t->n; i++) {
		v[i] = d->type == DIRECTIVE_PATHS ? absolute(c, t->child[i].text)
						  : strdup(t->child[i].text);
		if (!v[i]) {
			free_strings(v, i);
			v = NULL;
		}
	}
	if (!v)
		return fail_memory(d, f);
	free_strings(*target, *count);
	*target = v;
	*count = t->n;
	return 0;
}

static int set_ranges(
	const struct directive *d, const struct tree *t, void *base, struct findings *f)
{
	struct sock_range **target = field(base, d->offset), *v;
	size_t *count = field(base, d->offset2);
	int r = 0;

	if (t->type != TREE_LIST)
		return fail_at(d, t, f);
	v = calloc(t->n + 1, sizeof(*v));
	if (!v)
		return fail_memory(d, f);
	for (size_t i = 0; i < t->n; i++) {
		const struct tree *item = &t->child[i];

		if (item->type != TREE_STRING) {
			r = fail_at(d, item, f);
		} else if (!sock_parse_range(str_of(item->text), &v[i])) {
			findings_error(f, ERR_CONFIG, item->place.file, item->place.line,
				"%s: \"%.60s\" is no address range; expected one such as "
				"\"10.0.0.0/8\", "
				"\"192.0.2.7\" or \"2001:db8::/32\"",
				d->key, item->text);
			r = -1;
		}
	}
	if (r) {
		free(v);
		return -1;
	}
	free(*target);
	*target = v;
	*count = t->n;
	return 0;
}

int value_set(const struct config *c, const struct directive *d, const struct tree *t, void *base,
	struct findings *f)
{
	int r;

	switch (d->type) {
	case DIRECTIVE_STRING:
	case DIRECTIVE_WORD:
	case DIRECTIVE_PATH:
	case DIRECTIVE_SECRET:
		return set_text(c, d, t, base, f);
	case DIRECTIVE_ADDRESS:
		return set_address(d, t, base, f);
	case DIRECTIVE_LOG:
		return set_log(d, t, base, f);
	case DIRECTIVE_STRINGS:
	case DIRECTIVE_PATHS:
		return set_strings(c, d, t, base, f);
	case DIRECTIVE_RANGES:
		return set_ranges(d, t, base, f);
	case DIRECTIVE_BOOL:
		r = set_bool(d, t, base);
		break;
	case DIRECTIVE_ENUM:
		r = set_enum(d, t, base);
		break;
	default:
		r = set_number(d, t, base);
		break;
	}
	return r ? fail_at(d, t, f) : 0;
}

/* Defaults are written in three forms: "text", a number or a word, and a list of at most one
 * string. */
int value_set_default(
	const struct config *c, const struct directive *d, void *base, struct findings *f)
{
	struct str text = str_of(d->def), quoted = { NULL, 0 };
	struct tree t = { .type = TREE_INT }, item = { .type = TREE_STRING };
	char copy[64];
	size_t open;

	if (!d->def || text.p[0] == '=' || d->type <= DIRECTIVE_LIST)
		return 0;
	open = str_find(text, '"', 0);
	if (open < text.n)
		quoted =
			(struct str){ text.p + open + 1, str_find(text, '"', open + 1) - open - 1 };
	assert(quoted.n < sizeof(copy));
	snprintf(copy, sizeof(copy), STR_FMT, STR_ARG(quoted));
	if (text.p[0] == '[') {
		item.text = copy;
		t = (struct tree){ .type = TREE_LIST, .child = &item, .n = quoted.p != NULL };
	} else if (text.p[0] == '"') {
		t = (struct tree){ .type = TREE_STRING, .text = copy };
	} else if (d->type == DIRECTIVE_BOOL) {
		t = (struct tree){ .type = TREE_BOOL, .number = str_eq(text, STR("true")) };
	} else {
		t.number = strtoll(d->def, NULL, 10);
	}
	return value_set(c, d, &t, base, f);
}

int value_copy(
	const struct directive *d, void *base, const struct directive *from, const void *from_base)
{
	const char *source = (const char *)from_base + from->offset;
	const char *second = (const char *)from_base + from->offset2;

	assert(d->type == from->type || d->type == DIRECTIVE_STRING);
	if (d->type == DIRECTIVE_STRING)
		return store_string(base, d->offset, *(char *const *)(const void *)source);
	assert(d->width == from->width);
	memcpy(field(base, d->offset), source, d->width);
	if (d->type == DIRECTIVE_LOG)
		return store_string(base, d->offset2, *(char *const *)(const void *)second);
	return 0;
}
