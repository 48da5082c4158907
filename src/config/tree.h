/* What libconfig read, as plain data, so that only config/read.c knows libconfig. */
#ifndef LATCH_CONFIG_TREE_H
#define LATCH_CONFIG_TREE_H

#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

enum tree_type { TREE_GROUP, TREE_LIST, TREE_STRING, TREE_INT, TREE_BOOL, TREE_FLOAT };

struct tree {
	enum tree_type type;
	char *name; /* NULL in lists and for the root; owned */
	struct config_place place;
	char *text;     /* STRING; owned */
	int64_t number; /* INT, BOOL */
	struct tree *child;
	size_t n;
};

/* Frees what it holds, not itself. NULL and half-built are fine. */
void tree_done(struct tree *t);
/* "the string \"x\"", "the integer 5", "a group": for sentences. */
const char *tree_describe(const struct tree *t, char *dst, size_t size);

#endif
