/* Walks the tree along the table. It knows the shape of the configuration (groups, lists, members),
 * not what the values mean together: that is config/check's business. */
#include "config/fill.h"

#include <stdlib.h>

#include "config/table.h"
#include "config/value.h"

struct fill {
	struct config *c;
	struct findings *f;
};

static void *at(void *base, size_t offset)
{
	return (char *)base + offset;
}

static void out_of_memory(struct fill *x)
{
	findings_error(x->f, ERR_SYSTEM, NULL, 0, "out of memory");
}

/* Remembers where a field was set. */
static void mark(struct fill *x, const void *target, struct config_place place)
{
	struct config *c = x->c;

	if (c->nmarks == c->marks_cap) {
		size_t cap = c->marks_cap ? 2 * c->marks_cap : 64;
		void *v = realloc(c->marks, cap * sizeof(*c->marks));
		if (!v) {
			out_of_memory(x);
			return;
		}
		c->marks = v;
		c->marks_cap = cap;
	}
	c->marks[c->nmarks++] = (struct config_mark){ target, place };
}

static int compare_marks(const void *a, const void *b)
{
	const struct config_mark *x = a, *y = b;

	return x->target < y->target ? -1 : x->target > y->target;
}

/* Defaults of one struct, before anything is read into it. */
static void set_defaults(struct fill *x, enum table_owner owner, void *base)
{
	for (size_t i = 0; i < table_count; i++)
		if (table_rows[i].width && table_rows[i].owner == owner)
			value_set_default(x->c, &table_rows[i], base, x->f);
}

static void report_unknown(struct fill *x, struct str parent, const struct tree *t)
{
	char suggestion[320];

	findings_error(x->f, ERR_CONFIG, t->place.file, t->place.line,
		"unknown directive \"%.60s\"%s" STR_FMT "%s: %s", t->name, parent.n ? " in \"" : "",
		STR_ARG(parent), parent.n ? "\"" : "",
		table_suggest(parent, str_of(t->name), suggestion, sizeof(suggestion)));
}

static void report_type(struct fill *x, const struct directive *d, const struct tree *t)
{
	char expected[120], found[120];

	findings_error(x->f, ERR_CONFIG, t->place.file, t->place.line, "%s: expected %s; found %s",
		d->key, table_expected(d, expected, sizeof(expected)),
		tree_describe(t, found, sizeof(found)));
}

static bool has_child(const struct tree *t, struct str name)
{
	for (size_t i = 0; i < t->n; i++)
		if (str_eq(str_of(t->child[i].name), name))
			return true;
	return false;
}

/* The directive of a child, also of one that was misspelt: then that is an error, but what stands
 * there counts for what was meant, so that nothing else seems to be missing. NULL: unknown. */
static const struct directive *member_of(const struct tree *group, struct str key, size_t i)
{
	struct str name = str_of(group->child[i].name);
	const struct directive *d = table_member(key, name);

	if (d)
		return d;
	d = table_meant(key, name);
	if (!d || has_child(group, table_name(d)))
		return NULL;
	for (size_t k = 0; k < i; k++)
		if (table_meant(key, str_of(group->child[k].name)) == d)
			return NULL;
	return d;
}

static bool has_member(const struct tree *group, struct str key, const struct directive *d)
{
	for (size_t i = 0; i < group->n; i++)
		if (member_of(group, key, i) == d)
			return true;
	return false;
}

/* Members without default that the group does not have. */
static void check_required(struct fill *x, const struct tree *group, struct str key)
{
	char expected[240];

	for (size_t i = 0; i < table_count; i++) {
		const struct directive *d = &table_rows[i];

		if (d->def || d->type <= DIRECTIVE_LIST || !str_eq(table_parent(d), key) ||
			has_member(group, key, d))
			continue;
		findings_error(x->f, ERR_CONFIG, group->place.file, group->place.line,
			"\"" STR_FMT "\" is missing in \"" STR_FMT "\"; expected %s",
			STR_ARG(table_name(d)), STR_ARG(key),
			table_expected(d, expected, sizeof(expected)));
	}
}

static void fill_group(struct fill *x, const struct tree *group, struct str key, void *base);

/* Where a struct of a list stands; every kind of them that is config's own has its place first. */
static void set_place(enum table_owner owner, void *base, struct config_place place)
{
	if (owner != OWNER_route_field && owner != OWNER_route_error_page)
		*(struct config_place *)base = place;
}

static void fill_list(struct fill *x, const struct directive *d, const struct tree *t, void *base)
{
	size_t *count = at(base, d->offset2), size = table_size_of(d->element);
	char *v;

	if (t->type != TREE_LIST) {
		report_type(x, d, t);
		return;
	}
	v = calloc(t->n ? t->n : 1, size);
	if (!v) {
		out_of_memory(x);
		return;
	}
	*(void **)at(base, d->offset) = v;
	*count = t->n;
	for (size_t i = 0; i < t->n; i++) {
		const struct tree *item = &t->child[i];

		set_place(d->element, v + i * size, item->place);
		set_defaults(x, d->element, v + i * size);
		if (item->type == TREE_GROUP)
			fill_group(x, item, str_of(d->key), v + i * size);
		else
			report_type(x, d, item);
	}
}

static void fill_value(struct fill *x, const struct directive *d, const struct tree *t, void *base)
{
	char **strings;

	if (value_set(x->c, d, t, base, x->f) ||
		(d->type != DIRECTIVE_STRINGS && d->type != DIRECTIVE_PATHS))
		return;
	strings = *(char ***)at(base, d->offset);
	for (size_t i = 0; i < t->n; i++)
		mark(x, &strings[i], t->child[i].place);
}

static void fill_member(struct fill *x, const struct directive *d, const struct tree *t, void *base)
{
	if (d->width)
		mark(x, at(base, d->offset), t->place);
	if (d->type == DIRECTIVE_LIST) {
		fill_list(x, d, t, base);
	} else if (d->type != DIRECTIVE_GROUP) {
		fill_value(x, d, t, base);
	} else if (t->type != TREE_GROUP) {
		report_type(x, d, t);
	} else {
		if (d->width)
			*(bool *)at(base, d->offset) = true;
		fill_group(x, t, str_of(d->key), base);
	}
}

static void fill_group(struct fill *x, const struct tree *group, struct str key, void *base)
{
	for (size_t i = 0; i < group->n; i++) {
		const struct tree *t = &group->child[i];
		const struct directive *d = member_of(group, key, i);

		if (!table_member(key, str_of(t->name)))
			report_unknown(x, key, t);
		if (d)
			fill_member(x, d, t, base);
	}
	check_required(x, group, key);
}

/* What was not written and has another directive as its default. */
static void inherit(struct fill *x, enum table_owner owner, void *base)
{
	for (size_t i = 0; i < table_count; i++) {
		const struct directive *d = &table_rows[i], *from;

		if (d->owner != owner || !d->def || d->def[0] != '=' ||
			config_place_of(x->c, at(base, d->offset), NULL).line)
			continue;
		from = table_find(str_of(d->def + 1));
		if (value_copy(d, base, from, from->owner == owner ? base : (void *)x->c))
			out_of_memory(x);
	}
}

static void inherit_all(struct fill *x)
{
	for (size_t i = 0; i < x->c->nlisteners; i++)
		inherit(x, OWNER_config_listener, &x->c->listeners[i]);
	for (size_t i = 0; i < x->c->nsites; i++)
		inherit(x, OWNER_config_site, &x->c->sites[i]);
}

/* `certificate` and `private_key` of a site are its one pair. */
static void make_pair(struct fill *x, struct config_site *site)
{
	struct config_place place = config_place_of(x->c, &site->single.certificate, &site->place);
	bool has_single = site->single.certificate && site->single.certificate[0];

	if (site->npairs &&
		(has_single || (site->single.private_key && site->single.private_key[0]))) {
		findings_error(x->f, ERR_CONFIG, place.file, place.line,
			"a site has either certificate and "
			"private_key, or certificates; remove one of them");
		return;
	}
	if (!has_single)
		return;
	free(site->pairs);
	site->pairs = calloc(1, sizeof(*site->pairs));
	if (!site->pairs) {
		out_of_memory(x);
		return;
	}
	site->pairs[0] = site->single;
	site->pairs[0].place = place;
	site->single = (struct config_pair){ 0 };
	site->npairs = 1;
}

void fill_config(struct config *c, const struct tree *root, struct findings *f)
{
	struct fill x = { c, f };

	set_defaults(&x, OWNER_config, c);
	fill_group(&x, root, STR(""), c);
	if (c->nmarks)
		qsort(c->marks, c->nmarks, sizeof(*c->marks), compare_marks);
	c->user_is_set = config_place_of(c, &c->user, NULL).line != 0;
	inherit_all(&x);
	for (size_t i = 0; i < c->nsites; i++)
		make_pair(&x, &c->sites[i]);
}

void fill_defaults(struct config *c, struct findings *f)
{
	struct fill x = { c, f };

	set_defaults(&x, OWNER_config, c);
	for (size_t i = 0; i < c->nlisteners; i++)
		set_defaults(&x, OWNER_config_listener, &c->listeners[i]);
	for (size_t i = 0; i < c->nsites; i++) {
		set_defaults(&x, OWNER_config_site, &c->sites[i]);
		for (size_t k = 0; k < c->sites[i].nroutes; k++)
			set_defaults(&x, OWNER_config_route, &c->sites[i].routes[k]);
	}
	inherit_all(&x);
}
