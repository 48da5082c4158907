/* The list of findings: codes, order, one line each. */
#include <criterion/criterion.h>

#include "config/findings.h"

Test(findings, nothing_is_zero)
{
	struct findings f = { 0 };

	cr_expect_eq(findings_code(&f), 0);
	findings_done(&f);
	findings_done(NULL);
}

Test(findings, warnings_do_not_make_a_code)
{
	struct findings f = { 0 };

	findings_warning(&f, "a.conf", 3, "mind %d", 1);
	cr_expect_eq(findings_code(&f), 0);
	cr_expect_eq(f.errors, 0);
	cr_expect_eq(f.n, 1);
	cr_expect_not(f.v[0].is_error);
	cr_expect_str_eq(f.v[0].err.text, "mind 1");
	findings_done(&f);
	cr_expect_eq(f.n, 0);
}

Test(findings, first_error_gives_the_code)
{
	struct findings f = { 0 };

	findings_warning(&f, NULL, 0, "w");
	findings_error(&f, ERR_CONFIG, "a.conf", 3, "one");
	findings_error(&f, ERR_SYSTEM, "a.conf", 4, "two");
	cr_expect_eq(findings_code(&f), 78);
	cr_expect_eq(f.errors, 2);
	cr_expect_eq(f.v[1].err.line, 3);
	cr_expect_str_eq(f.v[1].err.file, "a.conf");
	findings_done(&f);
}

Test(findings, grow)
{
	struct findings f = { 0 };

	for (int i = 0; i < 1000; i++)
		findings_error(&f, ERR_CONFIG, "a.conf", i, "number %d", i);
	cr_assert_eq(f.n, 1000);
	cr_expect_str_eq(f.v[999].err.text, "number 999");
	findings_done(&f);
}

Test(findings, a_text_is_one_line_and_no_terminal_obeys_it)
{
	struct findings f = { 0 };

	findings_error(&f, ERR_CONFIG, "c\x1b]0;d\n.conf", 1, "a\nb\x1b[31m\r\x7f");
	cr_expect_str_eq(f.v[0].err.text, "a b [31m  ");
	cr_expect_str_eq(f.v[0].err.file, "c ]0;d .conf");
	findings_done(&f);
}

Test(findings, sort_by_file_and_line_and_keep_the_order_of_equals)
{
	struct findings f = { 0 };

	findings_error(&f, ERR_CONFIG, NULL, 0, "no place");
	findings_error(&f, ERR_CONFIG, "b", 1, "b1");
	findings_error(&f, ERR_CONFIG, "a", 9, "a9 first");
	findings_warning(&f, "a", 2, "a2");
	findings_error(&f, ERR_CONFIG, "a", 9, "a9 second");
	findings_sort(&f);
	cr_assert_eq(f.n, 5);
	cr_expect_str_eq(f.v[0].err.text, "a2");
	cr_expect_str_eq(f.v[1].err.text, "a9 first");
	cr_expect_str_eq(f.v[2].err.text, "a9 second");
	cr_expect_str_eq(f.v[3].err.text, "b1");
	cr_expect_str_eq(f.v[4].err.text, "no place");
	findings_done(&f);
}

Test(findings, sort_drops_what_was_said_already)
{
	struct findings f = { 0 };

	findings_error(&f, ERR_CONFIG, "a", 1, "x");
	findings_error(&f, ERR_CONFIG, "a", 1, "y");
	findings_error(&f, ERR_CONFIG, "a", 1, "x");
	findings_warning(&f, "a", 1, "x");
	findings_error(&f, ERR_CONFIG, "a", 2, "x");
	findings_sort(&f);
	cr_expect_eq(f.n, 4);
	cr_expect_eq(f.errors, 3);
	findings_done(&f);
}
