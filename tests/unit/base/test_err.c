/* The error record: filling, places, context, and that nothing overflows. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"

static struct err e;
static char text[1024];

static void setup(void)
{
	memset(&e, 'x', sizeof(e)); /* what was there before must not show */
}

TestSuite(err, .init = setup);

Test(err, set_fills_the_record)
{
	cr_expect_eq(err_set(&e, ERR_CONFIG, "%s is %d", "workers", 7), -1);
	cr_expect_eq(e.code, ERR_CONFIG);
	cr_expect_eq(e.line, 0);
	cr_expect_str_eq(e.file, "");
	cr_expect_str_eq(e.text, "workers is 7");
	cr_expect_str_eq(err_format(&e, text, sizeof(text)), "workers is 7");
}

Test(err, no_record_is_fine)
{
	cr_expect_eq(err_set(NULL, ERR_SYSTEM, "a"), -1);
	cr_expect_eq(err_at(NULL, ERR_SYSTEM, "f", 1, "a"), -1);
	cr_expect_eq(err_errno(NULL, ERR_SYSTEM, ENOENT, "a"), -1);
	cr_expect_eq(err_wrap(NULL, "a"), -1);
}

Test(err, at_has_a_place)
{
	cr_expect_eq(
		err_at(&e, ERR_CONFIG, "/etc/latchd.conf", 12, "unknown key \"%s\"", "wokers"), -1);
	cr_expect_str_eq(
		err_format(&e, text, sizeof(text)), "/etc/latchd.conf:12: unknown key \"wokers\"");
	err_at(&e, ERR_CONFIG, "/etc/latchd.conf", 0, "cannot be read");
	cr_expect_str_eq(err_format(&e, text, sizeof(text)), "/etc/latchd.conf: cannot be read");
	err_at(&e, ERR_CONFIG, NULL, 3, "nowhere");
	cr_expect_str_eq(err_format(&e, text, sizeof(text)), "nowhere");
}

Test(err, set_forgets_an_older_place)
{
	err_at(&e, ERR_CONFIG, "f", 3, "a");
	err_set(&e, ERR_SYSTEM, "b");
	cr_expect_str_eq(err_format(&e, text, sizeof(text)), "b");
}

Test(err, errno_says_why)
{
	cr_expect_eq(err_errno(&e, ERR_SYSTEM, ENOENT, "cannot open %s", "x.pem"), -1);
	cr_expect_str_eq(e.text, "cannot open x.pem: No such file or directory");
	cr_expect_eq(e.code, ERR_SYSTEM);
}

Test(err, wrap_keeps_code_and_place)
{
	err_at(&e, ERR_PERMISSION, "f", 3, "no");
	cr_expect_eq(err_wrap(&e, "site %s", "example.org"), -1);
	cr_expect_eq(e.code, ERR_PERMISSION);
	cr_expect_eq(e.line, 3);
	cr_expect_str_eq(e.text, "site example.org: no");
	err_wrap(&e, "reload");
	cr_expect_str_eq(e.text, "reload: site example.org: no");
}

Test(err, the_record_itself_may_be_an_argument)
{
	err_at(&e, ERR_CONFIG, "f", 3, "inner");
	err_at(&e, ERR_CONFIG, e.file, 4, "outer: %s", e.text);
	cr_expect_str_eq(err_format(&e, text, sizeof(text)), "f:4: outer: inner");
	err_wrap(&e, "<%s>", e.text);
	cr_expect_str_eq(e.text, "<outer: inner>: outer: inner");
}

Test(err, cuts_what_does_not_fit)
{
	char longer[2000];

	memset(longer, 'a', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	err_set(&e, ERR_CONFIG, "%s", longer);
	cr_expect_eq(strlen(e.text), sizeof(e.text) - 1);
	err_wrap(&e, "%s", longer);
	cr_expect_eq(strlen(e.text), sizeof(e.text) - 1);
	err_errno(&e, ERR_CONFIG, EPERM, "%.505s", longer);
	cr_expect_eq(strlen(e.text), sizeof(e.text) - 1);
	cr_expect_str_eq(e.text + 505, ": Oper");
}

Test(err, keeps_the_end_of_a_long_path)
{
	char path[600];

	memset(path, 'd', sizeof(path));
	memcpy(path + sizeof(path) - 6, "/conf", 6);
	err_at(&e, ERR_CONFIG, path, 1, "a");
	cr_expect_eq(strlen(e.file), sizeof(e.file) - 1);
	cr_expect_str_eq(e.file + sizeof(e.file) - 6, "/conf");
}

Test(err, format_terminates_small_places)
{
	char small[8];

	err_at(&e, ERR_CONFIG, "file", 12, "sentence");
	cr_expect_str_eq(err_format(&e, small, sizeof(small)), "file:12");
}
