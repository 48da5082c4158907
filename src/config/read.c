/* The door to libconfig: text in, tree out; everything else about the file is done around it.
 * libconfig never opens files (config/source does) and never sees what it would get wrong in
 * silence (config/syntax blanks it out). Refuses to let a libconfig type or pointer leave this
 * file. */
#include "config/read.h"

#include <libconfig.h>
#include <stdlib.h>

#include "config/check.h"
#include "config/fill.h"
#include "config/source.h"
#include "config/syntax.h"
#include "config/tree.h"

/* 0; -1: out of memory; `t` may be half-built then. */
static int convert(const config_setting_t *from, const struct config_source *s, struct tree *t)
{
	const char *name = config_setting_name(from), *text;

	t->place = source_place(s, (int)config_setting_source_line(from));
	t->name = name ? strdup(name) : NULL;
	if (name && !t->name)
		return -1;
	switch (config_setting_type(from)) {
	case CONFIG_TYPE_INT:
		t->type = TREE_INT;
		t->number = config_setting_get_int(from);
		return 0;
	case CONFIG_TYPE_INT64:
		t->type = TREE_INT;
		t->number = config_setting_get_int64(from);
		return 0;
	case CONFIG_TYPE_BOOL:
		t->type = TREE_BOOL;
		t->number = config_setting_get_bool(from);
		return 0;
	case CONFIG_TYPE_FLOAT:
		t->type = TREE_FLOAT;
		return 0;
	case CONFIG_TYPE_STRING:
		t->type = TREE_STRING;
		text = config_setting_get_string(from);
		t->text = strdup(text ? text : "");
		return t->text ? 0 : -1;
	default:
		break;
	}
	t->type = config_setting_is_group(from) ? TREE_GROUP : TREE_LIST;
	t->child = calloc((size_t)config_setting_length(from) + 1, sizeof(*t->child));
	if (!t->child)
		return -1;
	for (int i = 0; i < config_setting_length(from); i++) {
		t->n++;
		if (convert(config_setting_get_elem(from, (unsigned)i), s, &t->child[i]))
			return -1;
	}
	return 0;
}

/* libconfig's own verdict should never differ from config/syntax's; if it does, it has the last
 * word. */
static int parse(const struct config_source *s, struct tree *root, struct findings *f)
{
	struct config_place place;
	config_t tree;
	int r = -1;

	config_init(&tree);
	if (!config_read_string(&tree, s->text.data + s->text.off)) {
		place = source_place(s, config_error_line(&tree));
		findings_error(f, ERR_CONFIG, place.file, place.line,
			"%s; look at this line and the one "
			"before",
			config_error_text(&tree) ? config_error_text(&tree) : "not libconfig");
	} else if (convert(config_root_setting(&tree), s, root)) {
		findings_error(f, ERR_SYSTEM, NULL, 0, "out of memory");
	} else {
		r = 0;
	}
	config_destroy(&tree);
	return r;
}

static struct config *new_config(const char *path, struct findings *f)
{
	struct config *c = calloc(1, sizeof(*c));

	if (c) {
		c->path = strdup(path);
		c->source = calloc(1, sizeof(*c->source));
	}
	if (c && c->path && c->source)
		return c;
	config_free(c);
	findings_error(f, ERR_SYSTEM, NULL, 0, "out of memory");
	return NULL;
}

/* The text is there, in c->source. */
static struct config *load(struct config *c, struct findings *f)
{
	struct tree root = { 0 };
	int r = syntax_check(c->source, f);

	if (!r)
		r = parse(c->source, &root, f);
	if (!r)
		fill_config(c, &root, f);
	tree_done(&root);
	if (!r)
		return c;
	config_free(c);
	return NULL;
}

struct config *config_load(const char *path, struct findings *f)
{
	struct config *c = new_config(path, f);

	if (c && !source_read(c->source, c, f))
		return load(c, f);
	config_free(c);
	return NULL;
}

struct config *config_load_text(const char *path, const char *text, size_t n, struct findings *f)
{
	struct config *c = new_config(path, f);

	if (c && !source_read_text(c->source, c, text, n, f))
		return load(c, f);
	config_free(c);
	return NULL;
}

/* What is read in several places must be the same in all of them. */
static void check_digests(struct config *c, struct findings *f)
{
	const char *changed = digest_list_finish(&c->digests);

	if (changed)
		findings_error(f, ERR_TEMPORARY, changed, 0,
			"the file changed while it was read; try again");
}

/* `c` may be NULL. */
static struct config *complete(struct config *c, const struct config *before,
	enum config_open_mode mode, struct ticket_ring *ring, struct findings *f)
{
	if (c) {
		c->before = before;
		config_check(c, f);
		config_open(c, mode, ring, f);
		check_digests(c, f);
		c->before = NULL;
	}
	findings_sort(f);
	if (!f->errors)
		return c;
	config_free(c);
	return NULL;
}

struct config *config_prepare(
	const char *path, enum config_open_mode mode, struct ticket_ring *ring, struct findings *f)
{
	return complete(config_load(path, f), NULL, mode, ring, f);
}

struct config *config_prepare_after(const struct config *before, const char *path,
	enum config_open_mode mode, struct ticket_ring *ring, struct findings *f)
{
	return complete(config_load(path, f), before, mode, ring, f);
}

struct config *config_prepare_again(const struct config *before, enum config_open_mode mode,
	struct ticket_ring *ring, struct findings *f)
{
	struct config *c = new_config(before->path, f);

	if (c && !source_read_again(c->source, c, before, f))
		return complete(load(c, f), before, mode, ring, f);
	config_free(c);
	return NULL;
}
