/* A path, walked name by name: every name is opened in the folder before it and never followed by
 * the kernel; links are read and walked here, and ".." goes back to the folder that we came from.
 * Refuses absolute links, and to go up from the root. */
#include "handler/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DEPTH_MAX = 64, LINKS_MAX = 20 };

struct walk {
	int folders[DEPTH_MAX]; /* [0] is the root, not ours */
	unsigned depth;         /* of the last one */
	unsigned links;         /* followed so far */
	char rest[PATH_MAX];    /* still to be walked */
};

static int fail(int errnum)
{
	errno = errnum;
	return -1;
}

/* Takes the next name off; false at the end. */
static bool take_name(struct walk *w, char name[NAME_MAX + 1], bool *ret_is_last)
{
	size_t from = strspn(w->rest, "/");
	size_t n = strcspn(w->rest + from, "/");

	if (n == 0 || n > NAME_MAX)
		return false;
	memcpy(name, w->rest + from, n);
	name[n] = 0;
	*ret_is_last = !w->rest[from + n];
	memmove(w->rest, w->rest + from + n, strlen(w->rest + from + n) + 1);
	return true;
}

static int go_up(struct walk *w)
{
	if (w->depth == 0)
		return fail(EXDEV);
	close(w->folders[w->depth--]);
	return 0;
}

static int go_down(struct walk *w, int fd)
{
	if (w->depth + 1 == DEPTH_MAX) {
		close(fd);
		return fail(ENAMETOOLONG);
	}
	w->folders[++w->depth] = fd;
	return 0;
}

/* What the link says goes before the rest. EINVAL: it is no link. */
static int follow(struct walk *w, const char *name, bool links)
{
	char target[PATH_MAX], rest[PATH_MAX];
	ssize_t n = readlinkat(w->folders[w->depth], name, target, sizeof(target) - 1);

	if (n < 0)
		return -1;
	if (!links || ++w->links > LINKS_MAX)
		return fail(ELOOP);
	target[n] = 0;
	if (target[0] == '/')
		return fail(EXDEV);
	memcpy(rest, w->rest, strlen(w->rest) + 1);
	if (snprintf(w->rest, sizeof(w->rest), "%s%s", target, rest) >= (int)sizeof(w->rest))
		return fail(ENAMETOOLONG);
	return 0;
}

/* One name: a folder to go into, a link to be followed, or what was asked for. -2: go on. */
static int step(struct walk *w, const char *name, bool is_last, int flags, bool links)
{
	int fd, errnum;

	if (!strcmp(name, "."))
		return -2;
	if (!strcmp(name, ".."))
		return go_up(w) < 0 ? -1 : -2;
	fd = openat(w->folders[w->depth], name,
		(is_last ? flags : O_PATH | O_DIRECTORY | O_CLOEXEC) | O_NOFOLLOW);
	if (fd >= 0 && is_last)
		return fd;
	if (fd >= 0)
		return go_down(w, fd) < 0 ? -1 : -2;
	errnum = errno;
	if (errnum != ELOOP && errnum != ENOTDIR)
		return -1;
	if (follow(w, name, links) == 0)
		return -2;
	return errno == EINVAL ? fail(errnum) : -1;
}

int beneath_open(int root, const char *path, int flags, bool links)
{
	struct walk w = { .folders = { root } };
	char name[NAME_MAX + 1];
	bool is_last = false;
	int fd = -2, errnum;

	if (path[0] == '/')
		return fail(EXDEV);
	if (strlen(path) >= sizeof(w.rest))
		return fail(ENAMETOOLONG);
	memcpy(w.rest, path, strlen(path) + 1);
	while (fd == -2 && take_name(&w, name, &is_last))
		fd = step(&w, name, is_last, flags, links);
	if (fd == -2 && strspn(w.rest, "/") != strlen(w.rest))
		fd = fail(ENAMETOOLONG);
	else if (fd == -2) /* it ended with a folder: "", ".", "a/.." */
		fd = openat(w.folders[w.depth], ".", flags);
	errnum = errno;
	while (w.depth)
		go_up(&w);
	errno = errnum;
	return fd;
}
