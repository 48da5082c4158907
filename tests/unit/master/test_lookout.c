/* Which changes near a file are noticed. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "master/lookout.h"

static char folder[] = "/tmp/latchd-lookout.XXXXXX";
static sd_event *event;
static struct lookout lookout;
static int happened;

static void on_happened(void *data)
{
	cr_assert_eq(data, &happened);
	happened++;
}

static void setup(void)
{
	struct err e;

	cr_assert_not_null(mkdtemp(folder));
	cr_assert_eq(chdir(folder), 0);
	cr_assert_geq(sd_event_new(&event), 0);
	cr_assert_eq(lookout_open(&lookout, event, on_happened, &happened, &e), 0);
}

static void teardown(void)
{
	lookout_close(&lookout);
	lookout_close(&lookout);
	sd_event_unref(event);
	cr_assert_eq(chdir("/"), 0);
	char command[64];
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	cr_assert_eq(system(command), 0);
}

TestSuite(lookout, .init = setup, .fini = teardown);

static void put(const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, "x", 1), 1);
	close(fd);
}

static int add(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return lookout_add(&lookout, path);
}

/* Was anything noticed since the last time? */
static bool noticed(void)
{
	int before = happened;

	cr_assert_geq(sd_event_run(event, 0), 0);
	return happened != before;
}

Test(lookout, a_file_that_is_written_or_renamed_into_place)
{
	put("cert");
	cr_assert_eq(add("cert"), 0);
	cr_expect_not(noticed());
	put("cert");
	cr_expect(noticed());
	put("new");
	noticed();
	cr_assert_eq(rename("new", "cert"), 0);
	cr_expect(noticed());
	cr_assert_eq(unlink("cert"), 0);
	cr_expect(noticed());
	cr_expect_not(noticed());
}

Test(lookout, files_side_by_side)
{
	cr_assert_eq(mkdir("elsewhere", 0700), 0);
	put("cert");
	put("key");
	put("elsewhere/linked");
	cr_assert_eq(symlink("elsewhere/linked", "link"), 0);
	cr_assert_eq(add("cert") | add("key") | add("link") | add("none"), 0);
	put("key");
	cr_expect(noticed());
	put("elsewhere/linked");
	cr_expect(noticed());
	put("none");
	cr_expect(noticed());
}

Test(lookout, a_file_that_becomes_readable)
{
	put("cert");
	cr_assert_eq(add("cert"), 0);
	cr_assert_eq(chmod("cert", 0640), 0);
	cr_expect(noticed());
}

Test(lookout, a_file_that_is_yet_to_come)
{
	cr_assert_eq(mkdir("live", 0700), 0);
	cr_assert_eq(add("live/example.org/cert"), 0);
	cr_assert_eq(mkdir("live/example.org", 0700), 0);
	cr_expect(noticed());
	cr_assert_eq(add("live/example.org/cert"), 0);
	put("live/example.org/cert");
	cr_expect(noticed());
}

/* certbot: live/NAME/cert.pem -> ../../archive/NAME/cert1.pem */
Test(lookout, a_link_to_a_file_and_the_file_behind_it)
{
	cr_assert_eq(mkdir("live", 0700) | mkdir("archive", 0700), 0);
	put("archive/cert1");
	put("archive/cert2");
	cr_assert_eq(symlink("../archive/cert1", "live/cert"), 0);
	cr_assert_eq(add("live/cert"), 0);
	put("archive/cert1");
	cr_expect(noticed());
	cr_assert_eq(symlink("../archive/cert2", "live/new"), 0);
	noticed();
	cr_assert_eq(rename("live/new", "live/cert"), 0);
	cr_expect(noticed());
}

/* Kubernetes: cert -> ..data/cert, ..data -> ..2026 */
Test(lookout, a_link_to_a_directory)
{
	cr_assert_eq(mkdir("..1", 0700) | mkdir("..2", 0700), 0);
	put("..1/cert");
	put("..2/cert");
	cr_assert_eq(symlink("..1", "..data") | symlink("..data/cert", "cert"), 0);
	cr_assert_eq(add("cert"), 0);
	cr_expect_not(noticed());
	cr_assert_eq(symlink("..2", "..new"), 0);
	noticed();
	cr_assert_eq(rename("..new", "..data"), 0);
	cr_expect(noticed());
}

Test(lookout, an_absolute_link)
{
	char target[256];

	cr_assert_eq(mkdir("elsewhere", 0700), 0);
	put("elsewhere/cert");
	snprintf(target, sizeof(target), "%s/elsewhere/cert", folder);
	cr_assert_eq(symlink(target, "cert"), 0);
	cr_assert_eq(add("cert"), 0);
	put("elsewhere/other");
	cr_expect(noticed());
}

Test(lookout, links_in_a_circle_end)
{
	cr_assert_eq(symlink("b", "a") | symlink("a", "b"), 0);
	errno = 0;
	cr_expect_eq(add("a"), -1);
	cr_expect_eq(errno, ELOOP);
}

Test(lookout, a_name_that_is_too_long)
{
	char path[5000];

	for (size_t i = 0; i < sizeof(path) - 1; i++)
		path[i] = i % 2 ? 'x' : '/';
	path[sizeof(path) - 1] = '\0';
	errno = 0;
	cr_expect_eq(lookout_add(&lookout, path), -1);
	cr_expect_eq(errno, ENAMETOOLONG);
}

Test(lookout, nothing_after_the_close)
{
	put("cert");
	cr_assert_eq(add("cert"), 0);
	lookout_close(&lookout);
	put("cert");
	cr_expect_not(noticed());
}
