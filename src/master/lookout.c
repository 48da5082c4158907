/* Walks paths link by link, as the kernel would, and watches every directory in which a step could
 * come out differently. Reads no file and refuses to say what changed: events may be lost, and
 * whoever is told looks for himself. */
#include "master/lookout.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	LINKS_MAX = 40, /* as for the kernel, path_resolution(7) */
	EVENTS = IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE | IN_MOVED_FROM |
		 IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR,
};

/* Where a walk is: in a directory, with a path in front of it. */
struct walk {
	struct lookout *l;
	char here[PATH_MAX]; /* ends with a slash */
	char ahead[PATH_MAX];
	int links;
	int problem; /* errno of a directory that cannot be watched; 0: none */
};

static int on_events(sd_event_source *s, int fd, uint32_t what, void *data)
{
	struct lookout *l = data;
	char events[4096];
	bool any = false;

	(void)s;
	(void)what;
	while (read(fd, events, sizeof(events)) > 0)
		any = true;
	if (any)
		l->happened(l->data);
	return 0;
}

int lookout_open(
	struct lookout *l, sd_event *event, lookout_fn *happened, void *data, struct err *e)
{
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), r;

	if (fd < 0)
		return err_errno(e, ERR_SYSTEM, errno, "cannot watch for new certificates");
	*l = (struct lookout){ .fd = fd, .happened = happened, .data = data };
	r = sd_event_add_io(event, &l->io, fd, EPOLLIN, on_events, l);
	if (r >= 0)
		return 0;
	close(fd);
	return err_errno(e, ERR_SYSTEM, -r, "cannot watch for new certificates");
}

void lookout_close(struct lookout *l)
{
	if (!l->io)
		return;
	l->io = sd_event_source_disable_unref(l->io);
	close(l->fd);
	free(l->folder);
	l->folder = NULL;
}

/* Joins into one of the two paths of a walk. */
static int join(char dst[PATH_MAX], const char *a, const char *b, const char *c)
{
	char joined[PATH_MAX];
	int n = snprintf(joined, sizeof(joined), "%s%s%s", a, b, c);

	if (n < 0 || (size_t)n >= sizeof(joined)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(dst, joined, (size_t)n + 1);
	return 0;
}

/* The directory where we are. */
static void watch(struct walk *w)
{
	if (inotify_add_watch(w->l->fd, w->here, EVENTS) < 0)
		w->problem = errno;
}

/* `at` is a link in the directory where we are; what is ahead comes after it. */
static int follow(struct walk *w, const char *at)
{
	char target[PATH_MAX];
	ssize_t n = readlink(at, target, sizeof(target) - 1);

	if (n < 0)
		return -1;
	target[n] = '\0';
	if (++w->links > LINKS_MAX) {
		errno = ELOOP;
		return -1;
	}
	if (target[0] == '/')
		join(w->here, "/", "", "");
	return join(w->ahead, target, "/", w->ahead);
}

/* 1: there is nothing ahead any more. */
static int step(struct walk *w)
{
	char name[PATH_MAX], at[PATH_MAX];
	const char *begin = w->ahead + strspn(w->ahead, "/");
	size_t n = strcspn(begin, "/");
	const char *rest = begin + n + strspn(begin + n, "/");
	struct stat st;
	bool there;

	if (n == 0)
		return 1;
	memcpy(name, begin, n);
	name[n] = '\0';
	if (join(w->ahead, rest, "", "") < 0 || join(at, w->here, name, "") < 0)
		return -1;
	there = lstat(at, &st) == 0;
	if (there && S_ISDIR(st.st_mode))
		return join(w->here, at, "/", "");
	watch(w);
	return there && S_ISLNK(st.st_mode) ? follow(w, at) : 1;
}

/* Many files lie side by side: the second of a folder is not walked to. */
static bool is_beside(const struct lookout *l, const char *path)
{
	size_t n = l->folder ? strlen(l->folder) : 0;
	struct stat st;

	return n && !strncmp(path, l->folder, n) && !strchr(path + n, '/') &&
	       lstat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static void remember_folder(struct lookout *l, const char *path)
{
	const char *slash = strrchr(path, '/');

	free(l->folder);
	l->folder = slash ? strndup(path, (size_t)(slash + 1 - path)) : NULL;
}

int lookout_add(struct lookout *l, const char *path)
{
	struct walk w = { .l = l, .here = "/" };
	int r;

	if (is_beside(l, path))
		return 0;
	r = join(w.ahead, path, "", "");
	while (r == 0)
		r = step(&w);
	if (r > 0 && w.problem)
		errno = w.problem;
	if (r < 0 || w.problem)
		return -1;
	remember_folder(l, path);
	return 0;
}
