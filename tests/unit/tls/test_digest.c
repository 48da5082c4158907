/* Lists of digests. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tls/digest.h"

static struct digest_list a, b;

static void teardown(void)
{
	digest_list_done(&a);
	digest_list_done(&b);
}

TestSuite(digest, .fini = teardown);

static void add(struct digest_list *l, const char *path, const char *text)
{
	cr_assert_eq(digest_list_add(l, path, text, strlen(text)), 0);
}

Test(digest, is_sha_256)
{
	static const unsigned char abc[4] = { 0xba, 0x78, 0x16, 0xbf };

	add(&a, "/f", "abc");
	cr_expect_null(digest_list_finish(&a));
	cr_expect_arr_eq(digest_list_find(&a, "/f")->hash, abc, sizeof(abc));
}

Test(digest, many_are_found_again)
{
	char path[32];

	for (int i = 0; i < 1000; i++) {
		snprintf(path, sizeof(path), "/file/%d", i * 7919 % 1000);
		add(&a, path, path);
	}
	cr_expect_null(digest_list_finish(&a));
	cr_expect_eq(a.n, 1000);
	for (int i = 0; i < 1000; i++) {
		snprintf(path, sizeof(path), "/file/%d", i);
		cr_assert_not_null(digest_list_find(&a, path), "%s", path);
	}
	cr_expect_null(digest_list_find(&a, "/file/1000"));
	cr_expect_null(digest_list_find(&b, "/file/1"));
}

Test(digest, a_file_read_twice_is_one)
{
	add(&a, "/x", "same");
	add(&a, "/y", "other");
	add(&a, "/x", "same");
	cr_expect_null(digest_list_finish(&a));
	cr_expect_eq(a.n, 2);
}

Test(digest, a_file_that_changed_between_is_named)
{
	add(&a, "/x", "before");
	add(&a, "/y", "other");
	add(&a, "/x", "after");
	cr_expect_str_eq(digest_list_finish(&a), "/x");
}

Test(digest, differences_are_named)
{
	add(&a, "/x", "1");
	add(&a, "/y", "2");
	add(&b, "/y", "2");
	add(&b, "/x", "1");
	add(&b, "/z", "not read by the other");
	digest_list_finish(&a);
	digest_list_finish(&b);
	cr_expect_null(digest_list_differs(&a, &b));
	cr_expect_str_eq(digest_list_differs(&b, &a), "/z");
	digest_list_done(&b);
	add(&b, "/x", "1");
	add(&b, "/y", "3");
	digest_list_finish(&b);
	cr_expect_str_eq(digest_list_differs(&a, &b), "/y");
}

Test(digest, an_empty_file_has_one_too)
{
	cr_expect_eq(digest_list_add(&a, "/e", NULL, 0), 0);
	cr_expect_null(digest_list_finish(&a));
	cr_expect_eq(digest_list_find(&a, "/e")->hash[0], 0xe3);
}
