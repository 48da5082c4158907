/* Paths beneath a folder, by hand and, where the kernel can, beside openat2(2). */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "handler/beneath.h"

static char top[] = "/tmp/latchd-test-XXXXXX";
static int root = -1;

static void put(const char *path, const char *text)
{
	int fd = openat(root, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	cr_assert_geq(fd, 0, "%s", path);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void setup(void)
{
	cr_assert_not_null(mkdtemp(top));
	root = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cr_assert_eq(mkdirat(root, "web", 0755), 0);
	put("secret", "secret");
	close(root);
	root = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);
	root = openat(root, "web", O_PATH | O_DIRECTORY | O_CLOEXEC);
	cr_assert_eq(mkdirat(root, "a", 0755), 0);
	cr_assert_eq(mkdirat(root, "a/b", 0755), 0);
	put("x", "x");
	put("a/b/y", "y");
	cr_assert_eq(symlinkat("a/b", root, "down"), 0);
	cr_assert_eq(symlinkat("../../x", root, "a/b/up"), 0);
	cr_assert_eq(symlinkat("../secret", root, "out"), 0);
	cr_assert_eq(symlinkat("/etc/passwd", root, "absolute"), 0);
	cr_assert_eq(symlinkat("loop", root, "loop"), 0);
	cr_assert_eq(symlinkat("../../secret", root, "a/out"), 0);
	cr_assert_eq(symlinkat("nowhere", root, "dangling"), 0);
	cr_assert_eq(symlinkat(".", root, "here"), 0);
	cr_assert_eq(symlinkat("x/", root, "slash"), 0);
}

static void teardown(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", top);
	cr_expect_eq(system(command), 0);
}

TestSuite(beneath, .init = setup, .fini = teardown);

static int by_kernel(const char *path, bool links)
{
	struct open_how how = { .flags = O_RDONLY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS |
			   (links ? 0 : RESOLVE_NO_SYMLINKS) };

	return (int)syscall(SYS_openat2, root, path[0] ? path : ".", &how, sizeof(how));
}

static bool is_same(int a, int b)
{
	struct stat s, t;

	return fstat(a, &s) == 0 && fstat(b, &t) == 0 && s.st_ino == t.st_ino;
}

Test(beneath, opens_files_and_folders)
{
	char text[2] = "";
	int fd = beneath_open(root, "a/b/y", O_RDONLY | O_CLOEXEC, false);

	cr_assert_geq(fd, 0);
	cr_expect_eq(read(fd, text, 1), 1);
	cr_expect_str_eq(text, "y");
	cr_expect_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
}

Test(beneath, agrees_with_the_kernel)
{
	static const char *const paths[] = { "", ".", "x", "a", "a/", "a/b/y", "a//b/y",
		"a/b/../b/y", "a/..", "..", "a/../..", "../web/x", "/x", "down", "down/y",
		"down/up", "a/b/up", "out", "a/out", "absolute", "loop", "loop/x", "dangling",
		"nowhere", "x/y", "here/here/x", "nowhere/x", "./x", "down/../b/y", "down/../../x",
		"down/../../../secret" };

	for (size_t i = 0; i < 2 * sizeof(paths) / sizeof(paths[0]); i++) {
		const char *path = paths[i / 2];
		bool links = i % 2;
		int wanted = by_kernel(path, links), wanted_errno = errno;
		int got = beneath_open(root, path, O_RDONLY | O_CLOEXEC, links), got_errno = errno;

		if (wanted < 0 && wanted_errno == ENOSYS)
			cr_skip("no openat2 here");
		cr_expect_eq(got >= 0, wanted >= 0, "%s, links %d: %s, not %s", path, links,
			strerror(got_errno), strerror(wanted_errno));
		if (got >= 0 && wanted >= 0)
			cr_expect(is_same(got, wanted), "%s", path);
		else if (got < 0 && wanted < 0)
			cr_expect_eq(got_errno, wanted_errno, "%s, links %d: %s, not %s", path,
				links, strerror(got_errno), strerror(wanted_errno));
		close(got);
		close(wanted);
	}
}

Test(beneath, names_and_depths_without_bound)
{
	char path[9000];

	memset(path, 'n', 300);
	path[300] = 0;
	cr_expect_eq(beneath_open(root, path, O_RDONLY, true), -1);
	cr_expect_eq(errno, ENAMETOOLONG);
	memset(path, 'n', sizeof(path) - 1);
	path[sizeof(path) - 1] = 0;
	cr_expect_eq(beneath_open(root, path, O_RDONLY, true), -1);
	cr_expect_eq(errno, ENAMETOOLONG);
}

Test(beneath, leaves_no_descriptor_behind)
{
	int before = dup(0), after;

	close(before);
	close(beneath_open(root, "a/b/y", O_RDONLY, true));
	beneath_open(root, "a/b/not", O_RDONLY, true);
	beneath_open(root, "down/../../../secret", O_RDONLY, true);
	after = dup(0);
	close(after);
	cr_expect_eq(after, before);
}
