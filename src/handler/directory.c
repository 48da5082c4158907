/* Reading and sorting. Names are kept in chunks of memory, entries in a binary heap: no step costs
 * more than the logarithm of what is there. */
#include "handler/directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

enum { CHUNK = 64 * 1024 };

struct chunk {
	struct chunk *next;
	size_t used;
	char bytes[CHUNK];
};

struct directory {
	DIR *dir;
	struct directory_order order;
	directory_follow_fn *follow;
	void *arg;
	struct chunk *chunks;
	struct entry *heap;
	unsigned n, cap, all;
	bool cut;
};

struct directory *directory_open(
	int fd, struct directory_order order, directory_follow_fn *follow, void *arg)
{
	struct directory *d = calloc(1, sizeof(*d));

	if (d)
		d->dir = fdopendir(fd);
	if (!d || !d->dir) {
		int saved = d ? errno : ENOMEM;

		close(fd);
		free(d);
		errno = saved;
		return NULL;
	}
	d->order = order;
	d->follow = follow;
	d->arg = arg;
	return d;
}

void directory_close(struct directory *d)
{
	if (!d)
		return;
	closedir(d->dir);
	while (d->chunks) {
		struct chunk *next = d->chunks->next;

		free(d->chunks);
		d->chunks = next;
	}
	free(d->heap);
	free(d);
}

/* ---- order ------------------------------------------------------------------ */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Two runs of digits by their number; both are moved behind theirs. */
static int compare_numbers(const char **a, const char **b)
{
	size_t na, nb;
	int c;

	*a += strspn(*a, "0");
	*b += strspn(*b, "0");
	na = strspn(*a, "0123456789");
	nb = strspn(*b, "0123456789");
	c = na != nb ? (na < nb ? -1 : 1) : memcmp(*a, *b, na);
	*a += na;
	*b += nb;
	return c;
}

int directory_compare_names(const char *a, const char *b)
{
	const char *p = a, *q = b;

	while (*p && *q) {
		unsigned char x = str_lower((unsigned char)*p), y = str_lower((unsigned char)*q);

		if (is_digit(*p) && is_digit(*q)) {
			int c = compare_numbers(&p, &q);

			if (c)
				return c;
			continue;
		}
		if (x != y)
			return x < y ? -1 : 1;
		p++;
		q++;
	}
	if (*p || *q)
		return *p ? 1 : -1;
	return strcmp(a, b);
}

static int compare_keys(const struct directory *d, const struct entry *a, const struct entry *b)
{
	switch (d->order.sort) {
	case DIRECTORY_BY_SIZE:
		return (a->size > b->size) - (a->size < b->size);
	case DIRECTORY_BY_DATE:
		return (a->mtime > b->mtime) - (a->mtime < b->mtime);
	case DIRECTORY_BY_NAME:
	default:
		return directory_compare_names(a->name, b->name);
	}
}

static bool is_before(const struct directory *d, const struct entry *a, const struct entry *b)
{
	int c;

	if (a->is_directory != b->is_directory)
		return a->is_directory;
	c = compare_keys(d, a, b);
	if (c == 0)
		return directory_compare_names(a->name, b->name) < 0;
	return d->order.descending ? c > 0 : c < 0;
}

static bool put(struct directory *d, struct entry e)
{
	unsigned at = d->n;

	if (d->n == d->cap) {
		unsigned cap = d->cap ? 2 * d->cap : 256;
		struct entry *heap = realloc(d->heap, cap * sizeof(*heap));

		if (!heap)
			return false;
		d->heap = heap;
		d->cap = cap;
	}
	d->n++;
	for (; at > 0 && is_before(d, &e, &d->heap[(at - 1) / 2]); at = (at - 1) / 2)
		d->heap[at] = d->heap[(at - 1) / 2];
	d->heap[at] = e;
	return true;
}

bool directory_take(struct directory *d, struct entry *ret)
{
	unsigned at = 0, child;
	struct entry last;

	if (d->n == 0)
		return false;
	*ret = d->heap[0];
	last = d->heap[--d->n];
	while ((child = 2 * at + 1) < d->n) {
		if (child + 1 < d->n && is_before(d, &d->heap[child + 1], &d->heap[child]))
			child++;
		if (!is_before(d, &d->heap[child], &last))
			break;
		d->heap[at] = d->heap[child];
		at = child;
	}
	d->heap[at] = last;
	return true;
}

/* ---- reading ---------------------------------------------------------------- */

static const char *keep_name(struct directory *d, const char *name)
{
	size_t n = strlen(name) + 1;
	char *copy;

	if (!d->chunks || n > CHUNK - d->chunks->used) {
		struct chunk *c = malloc(sizeof(*c));

		if (!c)
			return NULL;
		c->next = d->chunks;
		c->used = 0;
		d->chunks = c;
	}
	copy = d->chunks->bytes + d->chunks->used;
	memcpy(copy, name, n);
	d->chunks->used += n;
	return copy;
}

/* False: out of memory. What is gone meanwhile, or is neither file nor directory, is passed by. */
static bool add(struct directory *d, const char *name)
{
	struct entry e = { .name = NULL };
	struct stat st;

	if (name[0] == '.')
		return true;
	if (fstatat(dirfd(d->dir), name, &st, AT_SYMLINK_NOFOLLOW))
		return true;
	if (S_ISLNK(st.st_mode) && d->follow(d->arg, name, &st))
		return true;
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return true;
	e.name = keep_name(d, name);
	e.is_directory = S_ISDIR(st.st_mode);
	e.size = e.is_directory ? 0 : (uint64_t)st.st_size;
	e.mtime = st.st_mtim.tv_sec;
	return e.name && put(d, e);
}

int directory_read(struct directory *d, unsigned n)
{
	while (n-- > 0) {
		struct dirent *entry;

		errno = 0;
		entry = readdir(d->dir);
		if (!entry)
			return errno ? -1 : 0;
		if (d->all++ == DIRECTORY_MAX) {
			d->cut = true;
			return 0;
		}
		if (!add(d, entry->d_name)) {
			errno = ENOMEM;
			return -1;
		}
	}
	return 1;
}

bool directory_is_cut(const struct directory *d)
{
	return d->cut;
}

unsigned directory_left(const struct directory *d)
{
	return d->n;
}
