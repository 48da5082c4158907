/* Compares the effective values, defaults filled in: what was written down without effect is no
 * change. Both configurations become lists of "key = value", which are compared by key. Refuses to
 * show an address that may have a password in it: the changes are logged. */
#include "config/changes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "config/format.h"
#include "config/table.h"
#include "tls/facts.h"

enum { CHANGES_KEY_MAX = 512, CHANGES_VALUE_MAX = 4096 };

struct entry {
	char *key, *value;
	size_t order; /* where keys are equal */
};

struct list {
	struct entry *v;
	size_t n, cap;
	bool failed; /* out of memory */
};

static void list_done(struct list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].key);
		free(l->v[i].value);
	}
	free(l->v);
}

static void add(struct list *l, const char *key, const char *value)
{
	struct entry e = { .key = strdup(key), .value = strdup(value), .order = l->n };

	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 64;
		void *v = realloc(l->v, cap * sizeof(*l->v));

		l->failed = l->failed || !v;
		if (v) {
			l->v = v;
			l->cap = cap;
		}
	}
	if (e.key && e.value && l->n < l->cap) {
		l->v[l->n++] = e;
		return;
	}
	l->failed = true;
	free(e.key);
	free(e.value);
}

/* What tells elements of a list apart for people; its number where nothing does. */
static const char *element_name(
	const struct directive *d, const void *element, size_t at, char *dst, size_t size)
{
	const struct config_site *site = element;
	const struct config_listener *listener = element;
	const struct config_route *route = element;

	if (d->element == OWNER_config_site && site->nnames)
		return site->names[0];
	if (d->element == OWNER_config_listener && listener->name)
		return listener->name;
	if (d->element == OWNER_config_route && route->path)
		return route->path;
	snprintf(dst, size, "%zu", at);
	return dst;
}

static void walk(struct list *l, struct str parent, const void *base, const char *prefix);

static void walk_list(struct list *l, const struct directive *d, const void *base, const char *key)
{
	const char *v = *(const char *const *)(const void *)((const char *)base + d->offset);
	size_t n = *(const size_t *)(const void *)((const char *)base + d->offset2);

	for (size_t i = 0; i < n; i++) {
		const void *element = v + i * table_size_of(d->element);
		char number[24], prefix[CHANGES_KEY_MAX];
		int len = snprintf(prefix, sizeof(prefix), "%s[%s].", key,
			element_name(d, element, i, number, sizeof(number)));

		if (len > 0 && (size_t)len < sizeof(prefix))
			walk(l, str_of(d->key), element, prefix);
	}
}

static void walk_value(struct list *l, const struct directive *d, const void *base, const char *key)
{
	const char *text;
	struct buf b;

	/* Another password alone is no change that can be shown. */
	if (!strcmp(d->key, "tls.tickets.store")) {
		text = ((const struct config *)base)->tickets_store_shown;
		add(l, key, text ? text : "\"\"");
		return;
	}
	buf_init(&b, CHANGES_VALUE_MAX);
	text = format_value(d, base, &b) ? buf_cstring(&b) : NULL;
	add(l, key, text ? text : "...");
	buf_done(&b);
}

static void walk(struct list *l, struct str parent, const void *base, const char *prefix)
{
	for (size_t i = 0; i < table_count; i++) {
		const struct directive *d = &table_rows[i];
		char key[CHANGES_KEY_MAX];
		int len;

		if (!str_eq(table_parent(d), parent))
			continue;
		len = snprintf(key, sizeof(key), "%s" STR_FMT "%s", prefix, STR_ARG(table_name(d)),
			d->type == DIRECTIVE_GROUP ? "." : "");
		if (len < 0 || (size_t)len >= sizeof(key))
			continue;
		if (d->type == DIRECTIVE_LIST)
			walk_list(l, d, base, key);
		else if (d->type != DIRECTIVE_GROUP)
			walk_value(l, d, base, key);
		else if (!d->width || *(const bool *)(const void *)((const char *)base + d->offset))
			walk(l, str_of(d->key), base, key);
	}
}

static void add_certificates(struct list *l, const struct config *c)
{
	for (size_t i = 0; i < c->nsites; i++) {
		const struct config_site *site = &c->sites[i];
		time_t end = site->context ? tls_facts_not_after(site->context) : 0;
		char key[CHANGES_KEY_MAX], until[30];

		if (!end || !site->nnames)
			continue;
		snprintf(key, sizeof(key), "sites[%s]: the certificate ends", site->names[0]);
		clock_format_http_date(end, until);
		add(l, key, until);
	}
}

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int r = strcmp(x->key, y->key);

	return r ? r : (x->order > y->order) - (x->order < y->order);
}

static void sort(struct list *l)
{
	if (l->n)
		qsort(l->v, l->n, sizeof(*l->v), compare_entries);
}

static size_t compare(const struct list *before, const struct list *after, struct buf *out)
{
	size_t i = 0, k = 0, n = 0;

	while (i < before->n || k < after->n) {
		const struct entry *old = i < before->n ? &before->v[i] : NULL;
		const struct entry *new = k < after->n ? &after->v[k] : NULL;
		int side = !old ? 1 : !new ? -1 : strcmp(old->key, new->key);

		i += side <= 0;
		k += side >= 0;
		if (side == 0 && !strcmp(old->value, new->value))
			continue;
		n += buf_appendf(out, "%s: %s -> %s\n", side <= 0 ? old->key : new->key,
			side <= 0 ? old->value : "(none)", side >= 0 ? new->value : "(none)");
	}
	return n;
}

size_t config_changes(const struct config *before, const struct config *after, struct buf *out)
{
	struct list a = { 0 }, b = { 0 };
	size_t n = 0;

	walk(&a, STR(""), before, "");
	walk(&b, STR(""), after, "");
	add_certificates(&a, before);
	add_certificates(&b, after);
	sort(&a);
	sort(&b);
	if (!a.failed && !b.failed)
		n = compare(&a, &b, out);
	list_done(&a);
	list_done(&b);
	return n;
}
