/* -T and --explain, written from the table. Refuses to leave anything to a default: what is printed
 * says what is in force, relative paths made absolute and the listeners of every site named. */
#include "config/print.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "config/format.h"
#include "config/table.h"

static void indent(FILE *out, int depth)
{
	for (int i = 0; i < depth; i++)
		fputc('\t', out);
}

static void print_members(
	const struct config *c, struct str parent, const void *base, int depth, FILE *out);

static void print_value(const struct directive *d, const void *base, int depth, FILE *out)
{
	struct buf b;

	buf_init(&b, 0);
	if (format_value(d, base, &b)) {
		indent(out, depth);
		fprintf(out, STR_FMT " = " STR_FMT ";\n", STR_ARG(table_name(d)),
			STR_ARG(buf_str(&b)));
	}
	buf_done(&b);
}

static void print_group(
	const struct config *c, const struct directive *d, const void *base, int depth, FILE *out)
{
	indent(out, depth);
	fprintf(out, STR_FMT " = {\n", STR_ARG(table_name(d)));
	print_members(c, str_of(d->key), base, depth + 1, out);
	indent(out, depth);
	fprintf(out, "};\n");
}

static void print_list(
	const struct config *c, const struct directive *d, const void *base, int depth, FILE *out)
{
	const char *v = *(const char *const *)(const void *)((const char *)base + d->offset);
	size_t n = *(const size_t *)(const void *)((const char *)base + d->offset2);

	if (!n)
		return;
	indent(out, depth);
	fprintf(out, STR_FMT " = (\n", STR_ARG(table_name(d)));
	for (size_t i = 0; i < n; i++) {
		indent(out, depth + 1);
		fprintf(out, "{\n");
		print_members(c, str_of(d->key), v + i * table_size_of(d->element), depth + 2, out);
		indent(out, depth + 1);
		fprintf(out, "}%s\n", i + 1 < n ? "," : "");
	}
	indent(out, depth);
	fprintf(out, ");\n");
}

/* Written out by its rule where none were named. */
static void print_listeners(
	const struct config *c, const struct config_site *site, int depth, FILE *out)
{
	const char *comma = "";
	struct buf b;
	bool ok = true;

	buf_init(&b, 0);
	for (size_t i = 0; i < c->nlisteners; i++) {
		if (!config_site_is_on(site, &c->listeners[i]))
			continue;
		ok = ok && buf_appendf(&b, "%s ", comma) && format_string(c->listeners[i].name, &b);
		comma = ",";
	}
	indent(out, depth);
	fprintf(out, "listeners = [" STR_FMT " ];\n", ok ? (int)buf_len(&b) : 0,
		buf_len(&b) ? buf_head(&b) : "");
	buf_done(&b);
}

/* What has its own form, or no place in the file: a single pair is printed as one of
 * `certificates`. */
static bool is_left_out(const struct directive *d, const void *base)
{
	if (d->type == DIRECTIVE_GROUP)
		return d->width && !*(const bool *)(const void *)((const char *)base + d->offset);
	return !strcmp(d->key, "sites.certificate") || !strcmp(d->key, "sites.private_key");
}

static void print_members(
	const struct config *c, struct str parent, const void *base, int depth, FILE *out)
{
	for (size_t i = 0; i < table_count; i++) {
		const struct directive *d = &table_rows[i];

		if (!str_eq(table_parent(d), parent) || is_left_out(d, base))
			continue;
		if (d->type == DIRECTIVE_GROUP)
			print_group(c, d, base, depth, out);
		else if (d->type == DIRECTIVE_LIST)
			print_list(c, d, base, depth, out);
		else if (!strcmp(d->key, "sites.listeners"))
			print_listeners(c, base, depth, out);
		else
			print_value(d, base, depth, out);
	}
}

void config_print(const struct config *c, FILE *out)
{
	print_members(c, STR(""), c, 0, out);
}

static void explain_members(const struct directive *d, FILE *out)
{
	const char *comma = "";

	fprintf(out, "    Holds: ");
	for (size_t i = 0; i < table_count; i++) {
		if (!str_eq(table_parent(&table_rows[i]), str_of(d->key)))
			continue;
		fprintf(out, "%s" STR_FMT, comma, STR_ARG(table_name(&table_rows[i])));
		comma = ", ";
	}
	fprintf(out, "%s\n", *comma ? "" : "nothing");
}

static void explain_value(const struct directive *d, FILE *out)
{
	char range[160];

	table_range(d, range, sizeof(range));
	if (range[0])
		fprintf(out, "    %s: %s%s%s\n", strchr(d->unit, '|') ? "One of" : "Range", range,
			d->unit[0] && !strchr(d->unit, '|') ? " " : "",
			strchr(d->unit, '|') ? "" : d->unit);
	else if (d->unit[0])
		fprintf(out, "    Holds: %s\n", d->unit);
	if (!d->def)
		fprintf(out, "    Default: none, it must be given\n");
	else if (d->def[0] == '=')
		fprintf(out, "    Default: that of %s\n", d->def + 1);
	else
		fprintf(out, "    Default: %s\n", d->def);
}

/* The sentences, broken into lines. */
static void explain_sentence(const char *s, FILE *out)
{
	enum { WIDTH = 76 };
	size_t column = 0;

	while (*s) {
		size_t n = strcspn(s, " ");

		if (column && column + 1 + n > WIDTH) {
			fputc('\n', out);
			column = 0;
		}
		fprintf(out, "%s%.*s", column ? " " : "    ", (int)n, s);
		column += n + (column ? 1 : 4);
		s += n;
		s += *s == ' ';
	}
	fputc('\n', out);
}

static void explain(const struct directive *d, FILE *out)
{
	fprintf(out, "%s (%s)\n", d->key, table_type_name(d));
	explain_sentence(d->sentence, out);
	if (d->type <= DIRECTIVE_LIST)
		explain_members(d, out);
	else
		explain_value(d, out);
}

/* "sites[0].routes.1.path" -> "sites.routes.path": indices and brackets left out; `dst` as long as
 * `name`. */
static void strip_indices(const char *name, char *dst)
{
	char *start = dst;

	while (*name) {
		size_t n = strcspn(name, ".[");
		bool is_index = n == strspn(name, "0123456789]");

		if (n && !is_index) {
			if (dst != start)
				*dst++ = '.';
			memcpy(dst, name, n);
			dst += n;
		}
		name += n;
		name += *name != '\0';
	}
	*dst = '\0';
}

int config_explain(const char *name, FILE *out, const char **ret_nearest)
{
	const struct directive *d;
	char *key;

	for (size_t i = 0; !name && i < table_count; i++) {
		if (i)
			fputc('\n', out);
		explain(&table_rows[i], out);
	}
	if (!name)
		return 0;
	key = malloc(strlen(name) + 1);
	if (!key)
		return -1;
	strip_indices(name, key);
	d = table_find(str_of(key));
	if (d)
		explain(d, out);
	else
		*ret_nearest = table_nearest(str_of(key))->key;
	free(key);
	return d ? 0 : -1;
}
