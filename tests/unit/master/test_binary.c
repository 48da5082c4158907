/* Who may change a program, judged by files that the test makes; changing owners needs root. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "master/binary.h"

enum { USER = 12345, GROUP = 54321 };

static char directory[] = "/tmp/latchd-test-XXXXXX";
static char folder[64], path[80];
static struct stat judged;
static struct err e;

static void setup(void)
{
	int fd;

	cr_assert_not_null(mkdtemp(directory));
	cr_assert_eq(chmod(directory, 0755), 0);
	snprintf(folder, sizeof(folder), "%s/sbin", directory);
	cr_assert_eq(mkdir(folder, 0755), 0);
	snprintf(path, sizeof(path), "%s/program", folder);
	fd = open(path, O_CREAT | O_WRONLY, 0755);
	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, "x", 1), 1);
	close(fd);
}

static void teardown(void)
{
	unlink(path);
	rmdir(folder);
	rmdir(directory);
}

TestSuite(binary, .init = setup, .fini = teardown);

static int judge(void)
{
	return binary_judge(path, USER, GROUP, &judged, &e);
}

static void expect_refused(const char *words)
{
	cr_expect_eq(judge(), -1);
	cr_expect_eq(e.code, ERR_PERMISSION);
	cr_expect(strstr(e.text, words) != NULL, "\"%s\" has no \"%s\"", e.text, words);
}

static void skip_unless_root(void)
{
	if (geteuid() != 0)
		cr_skip_test("only root can give files away");
}

Test(binary, one_that_is_roots_alone)
{
	skip_unless_root();
	cr_expect_eq(judge(), 0, "%s", e.text);
	cr_expect(S_ISREG(judged.st_mode));
	cr_expect(binary_is_same(path, &judged));
}

Test(binary, of_the_user_itself)
{
	skip_unless_root();
	cr_assert_eq(chown(path, USER, 0), 0);
	expect_refused("/program");
	cr_assert_eq(chown(path, 0, 0), 0);
	cr_assert_eq(chown(folder, USER, 0), 0);
	expect_refused("(uid 12345) can change /tmp");
	cr_assert_eq(chown(folder, 0, 0), 0);
	cr_assert_eq(chown(directory, USER, 0), 0);
	expect_refused("can change /tmp/latchd-test");
}

Test(binary, of_its_group_and_of_everybody)
{
	skip_unless_root();
	cr_assert_eq(chmod(path, 0775), 0);
	cr_expect_eq(judge(), 0, "another group's");
	cr_assert_eq(chown(path, 0, GROUP), 0);
	expect_refused("/program");
	cr_assert_eq(chmod(path, 0757), 0);
	expect_refused("/program");
	cr_assert_eq(chmod(path, 0755), 0);
	cr_assert_eq(chmod(folder, 0777), 0);
	expect_refused("/sbin");
	cr_assert_eq(chmod(folder, 01777), 0);
	cr_expect_eq(judge(), 0, "only the owner may rename in a sticky one");
}

/* Whoever is not root could change it: it made it. */
Test(binary, of_a_master_without_privileges)
{
	if (geteuid() == 0) {
		cr_assert_eq(chown(path, USER, GROUP), 0);
		cr_assert_eq(setegid(GROUP), 0);
		cr_assert_eq(seteuid(USER), 0);
	}
	cr_expect_eq(binary_judge(path, geteuid(), getegid(), &judged, &e), -1);
	cr_expect_eq(e.code, ERR_PERMISSION);
	if (getuid() == 0) {
		cr_assert_eq(seteuid(0), 0);
		cr_assert_eq(setegid(0), 0);
	}
}

Test(binary, root_may_whatever_is_there)
{
	skip_unless_root();
	cr_assert_eq(chmod(folder, 0777), 0);
	cr_expect_eq(binary_judge(path, 0, 0, &judged, &e), 0, "%s", e.text);
}

Test(binary, what_is_no_program)
{
	skip_unless_root();
	cr_assert_eq(chmod(path, 0644), 0);
	cr_expect_eq(judge(), -1);
	cr_expect_eq(e.code, ERR_UNAVAILABLE);
	unlink(path);
	cr_expect_eq(judge(), -1);
	cr_expect_not_null(strstr(e.text, "there is no program to upgrade to"));
	cr_assert_eq(symlink("/bin/true", path), 0);
	expect_refused("symbolic link");
	cr_expect_eq(binary_judge("program", USER, GROUP, &judged, &e), -1);
}

Test(binary, what_changes_is_another)
{
	int fd;

	cr_assert_eq(stat(path, &judged), 0);
	cr_expect(binary_is_same(path, &judged));
	fd = open(path, O_WRONLY | O_APPEND);
	cr_assert_eq(write(fd, "y", 1), 1);
	close(fd);
	cr_expect_not(binary_is_same(path, &judged));
	unlink(path);
	cr_expect_not(binary_is_same(path, &judged));
}

Test(binary, this_one)
{
	char *self = binary_path(&e);
	int fd = binary_open_self(&e);

	cr_assert_not_null(self, "%s", e.text);
	cr_expect_eq(self[0], '/');
	cr_expect_not_null(strstr(self, "unit_master"));
	cr_expect_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	free(self);
}
