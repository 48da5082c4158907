/* The files of a worker: what is beneath the roots can be read, and nothing else opened. */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "worker/landlock.h"

/* A folder with two roots and a file beside them; what a worker has open when it is confined. */
static char dir[64];
static int roots[2], log_fd, inotify;

static const char *in(const char *name)
{
	static char path[4][128];
	static unsigned next;
	char *p = path[next++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static void put(const char *name)
{
	int fd = open(in(name), O_WRONLY | O_CREAT, 0600);

	cr_assert_eq(write(fd, "text", 4), 4);
	close(fd);
}

static void setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/latch-landlock.XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(mkdir(in("a"), 0700), 0);
	cr_assert_eq(mkdir(in("a/sub"), 0700), 0);
	cr_assert_eq(mkdir(in("b"), 0700), 0);
	put("a/sub/file");
	put("b/file");
	put("secret");
	put("log");
	cr_assert_eq(symlink("../secret", in("a/link")), 0);
	roots[0] = open(in("a"), O_PATH | O_DIRECTORY | O_CLOEXEC);
	roots[1] = open(in("b"), O_PATH | O_DIRECTORY | O_CLOEXEC);
	log_fd = open(in("log"), O_WRONLY | O_APPEND | O_CLOEXEC);
	inotify = inotify_init1(IN_CLOEXEC);
	cr_assert(roots[0] >= 0 && roots[1] >= 0 && log_fd >= 0 && inotify >= 0);
}

static void teardown(void)
{
	static const char *const names[] = { "a/link", "a/sub/file", "b/file", "secret", "log" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(in(names[i]));
	rmdir(in("a/sub"));
	rmdir(in("a"));
	rmdir(in("b"));
	rmdir(dir);
}

TestSuite(landlock, .init = setup, .fini = teardown);

static int beneath(int root, const char *name, int flags)
{
	struct open_how how = { .flags = (uint64_t)flags, .resolve = RESOLVE_BENEATH };

	return (int)syscall(SYS_openat2, root, name, &how, sizeof(how));
}

/* The number of the first expectation that does not hold, for the parent's message. */
#define HOLDS(number, what)                                                                        \
	do {                                                                                       \
		if (!(what))                                                                       \
			child_leave(number);                                                       \
	} while (0)

static bool is_denied(int result)
{
	return result < 0 && errno == EACCES;
}

static void try_all(const void *argument)
{
	char path[64], text[4];
	int fd;

	(void)argument;
	if (landlock_restrict(roots, 2, NULL))
		child_leave(CHILD_CANNOT);
	fd = beneath(roots[0], "sub/file", O_RDONLY);
	HOLDS(1, fd >= 0 && read(fd, text, 4) == 4);
	HOLDS(2, beneath(roots[1], "file", O_RDONLY) >= 0);
	HOLDS(3, beneath(roots[0], "sub", O_RDONLY | O_DIRECTORY) >= 0);
	/* How the file cache watches. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	HOLDS(4, inotify_add_watch(inotify, path, IN_MODIFY) >= 0);
	/* What is open goes on. */
	HOLDS(5, write(log_fd, "line", 4) == 4);
	/* By the path, too: the rules are about files, not about how they are named. */
	HOLDS(6, open(in("a/sub/file"), O_RDONLY) >= 0);
	HOLDS(7, is_denied(open(in("secret"), O_RDONLY)));
	HOLDS(8, is_denied(open(in("a/link"), O_RDONLY)));
	HOLDS(9, is_denied(open("/etc/passwd", O_RDONLY)));
	HOLDS(10, is_denied(open("/proc/self/maps", O_RDONLY)));
	HOLDS(11, is_denied(open("/", O_RDONLY | O_DIRECTORY)));
	HOLDS(12, is_denied(beneath(roots[0], "sub/file", O_WRONLY)));
	HOLDS(13, is_denied(beneath(roots[0], "sub/file", O_RDWR)));
	HOLDS(14, is_denied(open(in("a/new"), O_WRONLY | O_CREAT, 0600)));
	HOLDS(15, is_denied(mkdir(in("a/new"), 0700)));
	HOLDS(16, is_denied(unlink(in("a/sub/file"))));
	HOLDS(17, is_denied(symlink("x", in("a/new"))));
	HOLDS(18, is_denied(unlink(in("secret"))));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", log_fd);
	HOLDS(19, is_denied(open(path, O_RDONLY)));
	HOLDS(20, is_denied(open(path, O_RDWR)));
	child_leave(0);
}

Test(landlock, reads_beneath_the_roots_and_nothing_else)
{
	int end = child_end(try_all, NULL);

	if (end == CHILD_CANNOT)
		cr_skip_test("no Landlock here");
	cr_expect_eq(end, 0, "expectation %d does not hold", end);
}

static void try_without_roots(const void *argument)
{
	(void)argument;
	if (landlock_restrict(NULL, 0, NULL))
		child_leave(CHILD_CANNOT);
	HOLDS(1, is_denied(open(in("a/sub/file"), O_RDONLY)));
	HOLDS(2, is_denied(beneath(roots[0], "sub/file", O_RDONLY)));
	HOLDS(3, write(log_fd, "line", 4) == 4);
	child_leave(0);
}

Test(landlock, without_roots_nothing_opens)
{
	int end = child_end(try_without_roots, NULL);

	if (end == CHILD_CANNOT)
		cr_skip_test("no Landlock here");
	cr_expect_eq(end, 0, "expectation %d does not hold", end);
}

static void try_a_bad_root(const void *argument)
{
	const int bad = -1;
	struct err e = { 0 };

	(void)argument;
	HOLDS(1, landlock_restrict(&bad, 1, &e) == -1);
	HOLDS(2, e.code == ERR_SYSTEM && strstr(e.text, "Landlock"));
	HOLDS(3, open(in("secret"), O_RDONLY) >= 0);
	child_leave(0);
}

Test(landlock, a_failure_changes_nothing)
{
	cr_expect_eq(child_end(try_a_bad_root, NULL), 0);
}
