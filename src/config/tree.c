/* The neutral tree between libconfig and the table. It holds values as they were written and judges
 * none. */
#include "config/tree.h"

#include <stdio.h>
#include <stdlib.h>

void tree_done(struct tree *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++)
		tree_done(&t->child[i]);
	free(t->child);
	free(t->name);
	free(t->text);
	*t = (struct tree){ 0 };
}

const char *tree_describe(const struct tree *t, char *dst, size_t size)
{
	switch (t->type) {
	case TREE_GROUP:
		snprintf(dst, size, "a group { }");
		break;
	case TREE_LIST:
		snprintf(dst, size, "a list");
		break;
	case TREE_STRING:
		snprintf(dst, size, "the string \"%.60s%s\"", t->text,
			strlen(t->text) > 60 ? "..." : "");
		break;
	case TREE_INT:
		snprintf(dst, size, "the integer %lld", (long long)t->number);
		break;
	case TREE_BOOL:
		snprintf(dst, size, "%s", t->number ? "true" : "false");
		break;
	case TREE_FLOAT:
		snprintf(dst, size, "a number with a fraction");
		break;
	}
	return dst;
}
