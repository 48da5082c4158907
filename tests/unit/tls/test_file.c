/* Reading the files of TLS. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tls/file.h"

static char folder[] = "/tmp/latchd-file.XXXXXX";
static char path[64];
static struct digest_list digests;
static struct buf content;

static void setup(void)
{
	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/f", folder);
}

static void teardown(void)
{
	unlink(path);
	rmdir(path);
	rmdir(folder);
	digest_list_done(&digests);
	file_forget(&content);
}

TestSuite(file, .init = setup, .fini = teardown);

/* `age_s` ago. */
static void write_file(const char *text, long age_s)
{
	struct timespec times[2] = { { time(NULL) - age_s, 7 }, { time(NULL) - age_s, 7 } };
	FILE *f = fopen(path, "w");

	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
	cr_assert_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}

Test(file, is_read_whole_with_its_digest)
{
	struct err e;

	write_file("abc", 0);
	cr_assert_eq(file_read(path, &digests, &content, &e), 0);
	cr_expect_eq(buf_len(&content), 3);
	cr_expect_arr_eq(buf_head(&content), "abc", 3);
	cr_assert_eq(digests.n, 1);
	cr_expect_str_eq(digests.v[0].path, path);
	cr_expect_eq(digests.v[0].hash[0], 0xba);
}

Test(file, has_no_stamp_while_a_second_change_might_not_show)
{
	static const struct digest_stamp none;
	struct digest_stamp stamp;

	write_file("abc", 3600);
	stamp = file_stamp(path); /* its ctime is now */
	cr_expect_arr_eq(&stamp, &none, sizeof(none));
	stamp = file_stamp("/proc/self/nothing");
	cr_expect_arr_eq(&stamp, &none, sizeof(none));
	/* A file that nobody has touched for long. */
	stamp = file_stamp("/usr/bin/env");
	cr_expect_neq(stamp.inode, 0);
	cr_expect_neq(stamp.modified_ns, 0);
}

Test(file, a_reading_has_the_stamp_of_the_file)
{
	struct digest_stamp stamp = file_stamp("/usr/bin/env");
	struct err e;

	cr_assert_eq(file_read("/usr/bin/env", &digests, &content, &e), 0);
	cr_expect_arr_eq(&digests.v[0].stamp, &stamp, sizeof(stamp));
}

Test(file, what_is_no_regular_file_is_refused)
{
	struct err e;

	cr_assert_eq(mkfifo(path, 0600), 0);
	cr_expect_eq(file_read(path, &digests, &content, &e), -1);
	cr_expect_str_eq(e.text, "is not a regular file");
	cr_expect_str_eq(e.file, path);
	cr_assert_eq(unlink(path), 0);
	cr_assert_eq(mkdir(path, 0700), 0);
	cr_expect_eq(file_read(path, &digests, &content, &e), -1);
	cr_expect_str_eq(e.text, "cannot be read: Is a directory");
	cr_expect_eq(digests.n, 0);
}

Test(file, what_is_too_large_is_refused)
{
	struct err e;

	write_file("", 0);
	cr_assert_eq(truncate(path, FILE_SIZE_MAX + 1), 0);
	cr_expect_eq(file_read(path, &digests, &content, &e), -1);
	cr_expect_not_null(strstr(e.text, "larger than 1 MiB"));
}
