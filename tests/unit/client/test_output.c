/* The output: in place, in order, with every failure told. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/output.h"

static char folder[] = "/tmp/latch-output.XXXXXX";
static char path[64];
static struct output o;
static struct err e;

static void setup(void)
{
	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/file", folder);
	output_init(&o, path);
}

static void teardown(void)
{
	output_close(&o, NULL);
	unlink(path);
	rmdir(folder);
}

TestSuite(output, .init = setup, .fini = teardown);

static size_t content(char *dst, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n;

	cr_assert_geq(fd, 0);
	n = read(fd, dst, size);
	close(fd);
	return n > 0 ? (size_t)n : 0;
}

static off_t size_of(void)
{
	struct stat st = { 0 };

	return stat(path, &st) == 0 ? st.st_size : -1;
}

Test(output, small_pieces_gather_until_flushed)
{
	char text[16];

	cr_assert_eq(output_open(&o, 0, &e), 0);
	cr_assert_eq(output_write(&o, STR("one "), &e), 0);
	cr_assert_eq(output_write(&o, STR("two"), &e), 0);
	cr_expect_eq(size_of(), 0);
	cr_expect_eq(o.written, 0);
	cr_assert_eq(output_flush(&o, &e), 0);
	cr_expect_eq(content(text, sizeof(text)), 7);
	cr_expect_eq(memcmp(text, "one two", 7), 0);
	cr_expect_eq(o.written, 7);
}

Test(output, order_holds_between_small_and_large)
{
	static char large[100000], all[100020];

	memset(large, 'L', sizeof(large));
	cr_assert_eq(output_open(&o, 0, &e), 0);
	cr_assert_eq(output_write(&o, STR("before"), &e), 0);
	cr_assert_eq(output_write(&o, (struct str){ large, sizeof(large) }, &e), 0);
	cr_assert_eq(output_write(&o, STR("after"), &e), 0);
	cr_assert_eq(output_close(&o, &e), 0);
	cr_assert_eq(content(all, sizeof(all)), sizeof(large) + 11);
	cr_expect_eq(memcmp(all, "beforeL", 7), 0);
	cr_expect_eq(memcmp(all + sizeof(large) + 5, "Lafter", 6), 0);
}

Test(output, memory_is_bounded_however_many_small_pieces_come)
{
	cr_assert_eq(output_open(&o, 0, &e), 0);
	for (int i = 0; i < 10000; i++)
		cr_assert_eq(output_write(&o, STR("0123456789abcdef"), &e), 0);
	cr_expect_leq(o.pending.cap, OUTPUT_BUFFER);
	cr_assert_eq(output_close(&o, &e), 0);
	cr_expect_eq(size_of(), 160000);
}

Test(output, opening_empties_the_file_once)
{
	char text[16];

	cr_assert_eq(output_open(&o, 0, &e), 0);
	cr_assert_eq(output_write(&o, STR("old"), &e), 0);
	cr_assert_eq(output_close(&o, &e), 0);
	output_init(&o, path);
	cr_expect_eq(size_of(), 3, "not before it is opened");
	cr_assert_eq(output_open(&o, 0, &e), 0);
	cr_expect_eq(size_of(), 0);
	cr_assert_eq(output_write(&o, STR("A"), &e), 0);
	cr_assert_eq(output_flush(&o, &e), 0);
	cr_assert_eq(output_open(&o, 0, &e), 0);
	cr_assert_eq(output_write(&o, STR("B"), &e), 0);
	cr_assert_eq(output_close(&o, &e), 0);
	cr_expect_eq(content(text, sizeof(text)), 2);
	cr_expect_eq(memcmp(text, "AB", 2), 0);
}

Test(output, a_file_that_cannot_be_made_is_named)
{
	char missing[96];

	snprintf(missing, sizeof(missing), "%s/no/such", folder);
	output_init(&o, missing);
	cr_expect_eq(output_open(&o, 0, &e), -1);
	cr_expect_not_null(strstr(e.text, missing), "%s", e.text);
	cr_expect_not_null(strstr(e.text, "No such file"), "%s", e.text);
}

Test(output, a_full_device_is_an_error)
{
	output_init(&o, "/dev/full");
	cr_assert_eq(output_open(&o, 0, &e), 0);
	cr_assert_eq(output_write(&o, STR("x"), &e), 0, "it gathers");
	cr_expect_eq(output_flush(&o, &e), -1);
	cr_expect_not_null(strstr(e.text, "No space left"), "%s", e.text);
	cr_expect_eq(o.written, 0);
	cr_expect_eq(output_close(&o, &e), 0, "what failed is not tried again");
}

Test(output, closing_tells_what_flushing_finds)
{
	output_init(&o, "/dev/full");
	cr_assert_eq(output_open(&o, 0, &e), 0);
	cr_assert_eq(output_write(&o, STR("x"), &e), 0);
	cr_expect_eq(output_close(&o, &e), -1);
	cr_expect_eq(output_close(&o, &e), 0);
}

Test(output, knows_its_name_and_kind)
{
	struct output none;

	output_init(&none, NULL);
	cr_expect_str_eq(output_name(&none), "standard output");
	cr_expect_str_eq(output_name(&o), path);
	cr_expect(output_is_file(&o), "a file that will be made");
	output_init(&none, "/dev/null");
	cr_expect(!output_is_file(&none));
}
