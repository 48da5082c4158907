/* Opens directories and shares them. Refuses to know who may enter them: config/judge asks. */
#include "config/roots.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void out_of_memory(struct findings *f)
{
	findings_error(f, ERR_SYSTEM, NULL, 0, "out of memory");
}

static int compare_routes(const void *a, const void *b)
{
	const struct config_route *const *x = a, *const *y = b;

	return strcmp((*x)->files.root, (*y)->files.root);
}

static int compare_path(const void *path, const void *root)
{
	return strcmp(path, (*(struct root *const *)root)->path);
}

/* The one that `c` has; NULL: none. */
static struct root *find(const struct config *c, const char *path)
{
	struct root **found = c && c->nroots ? bsearch(path, c->roots, c->nroots,
						       sizeof(struct root *), compare_path)
					     : NULL;

	return found ? *found : NULL;
}

static void let_go(struct root *r)
{
	if (--r->holds > 0)
		return;
	if (r->fd >= 0)
		close(r->fd);
	free(r->path);
	free(r);
}

/* NULL: errno. */
static struct root *open_root(const char *path, const struct config *before)
{
	struct root *r = calloc(1, sizeof(*r)), *old;
	struct stat st;

	if (!r)
		return NULL;
	r->holds = 1;
	r->path = strdup(path);
	r->fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (!r->path || r->fd < 0 || fstat(r->fd, &st) < 0) {
		int saved = errno;

		let_go(r);
		errno = saved;
		return NULL;
	}
	r->device = st.st_dev;
	r->inode = st.st_ino;
	old = find(before, path);
	if (!old || old->device != r->device || old->inode != r->inode)
		return r;
	let_go(r);
	old->holds++;
	return old;
}

static void report(
	const struct config *c, const struct config_route *r, int errnum, struct findings *f)
{
	struct config_place p = config_place_of(c, &r->files.root, &r->place);

	findings_error(f, ERR_CONFIG, p.file, p.line, "cannot open the root %s: %s; %s",
		r->files.root, strerror(errnum),
		errnum == ENOENT    ? "create the directory or correct the path"
		: errnum == ENOTDIR ? "expected a directory"
				    : "give us the right to enter it");
}

static size_t collect(struct config *c, struct config_route **ret)
{
	size_t n = 0;

	for (size_t i = 0; i < c->nsites; i++)
		for (size_t k = 0; k < c->sites[i].nroutes; k++) {
			struct config_route *r = &c->sites[i].routes[k];

			if (!r->has_files || !r->files.root || !r->files.root[0])
				continue;
			if (ret)
				ret[n] = r;
			n++;
		}
	return n;
}

void roots_open(struct config *c, struct findings *f)
{
	size_t n = collect(c, NULL);
	struct config_route **routes = calloc(n + 1, sizeof(*routes));
	const char *last = NULL;
	struct root *root = NULL;
	int errnum = 0;

	c->roots = calloc(n + 1, sizeof(struct root *));
	if (!routes || !c->roots) {
		out_of_memory(f);
		free(routes);
		return;
	}
	collect(c, routes);
	qsort(routes, n, sizeof(*routes), compare_routes);
	for (size_t i = 0; i < n; i++) {
		if (!last || strcmp(last, routes[i]->files.root)) {
			last = routes[i]->files.root;
			root = open_root(last, c->before);
			errnum = errno;
			if (root)
				c->roots[c->nroots++] = root;
		}
		routes[i]->files.root_fd = root ? root->fd : -1;
		routes[i]->files_are_open = root != NULL;
		if (!root)
			report(c, routes[i], errnum, f);
	}
	free(routes);
}

void roots_close(struct config *c)
{
	for (size_t i = 0; i < c->nroots; i++)
		let_go(c->roots[i]);
	free(c->roots);
	c->roots = NULL;
	c->nroots = 0;
}
