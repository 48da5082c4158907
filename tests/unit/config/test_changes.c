/* What is different between two configurations. */
#include <criterion/criterion.h>
#include <string.h>

#include "conf.h"
#include "config/changes.h"

static struct conf before, after;
static struct buf out;

static void setup(void)
{
	conf_init(&before);
	conf_init(&after);
	buf_init(&out, 4096);
}

static void teardown(void)
{
	buf_done(&out);
	conf_done(&before);
	conf_done(&after);
}

TestSuite(changes, .init = setup, .fini = teardown);

static size_t compare(const char *a, const char *b)
{
	buf_clear(&out);
	conf_check(&before, a);
	conf_check(&after, b);
	cr_assert_not_null(before.c, "%s", conf_findings(&before));
	cr_assert_not_null(after.c, "%s", conf_findings(&after));
	return config_changes(before.c, after.c, &out);
}

static void expect_text(const char *text)
{
	const char *got = buf_cstring(&out);

	cr_expect_str_eq(got ? got : "", text);
}

static void expect_part(const char *part)
{
	cr_expect_not_null(strstr(buf_cstring(&out), part), "no %s in %s", part, buf_cstring(&out));
}

Test(changes, none_between_equals)
{
	cr_expect_eq(compare(CONF_PLAIN, CONF_PLAIN), 0);
	expect_text("");
}

Test(changes, a_default_written_down_is_none)
{
	cr_expect_eq(
		compare(CONF_PLAIN, "workers = 0; timeouts = { idle = \"60s\"; };" CONF_PLAIN), 0);
}

Test(changes, a_value_is_told_with_both_sides)
{
	cr_expect_eq(compare("workers = 2;" CONF_PLAIN, "workers = 4;" CONF_PLAIN), 1);
	expect_text("workers: 2 -> 4\n");
	cr_expect_eq(compare(CONF_PLAIN, "timeouts = { idle = \"2m\"; };" CONF_PLAIN), 1);
	expect_part("timeouts.idle: \"");
}

#define LISTENER(name, port)                                                                       \
	"{ name = \"" name "\"; address = \"127.0.0.1:" port "\"; tls = false; }"
#define SITE(name) "{ names = [ \"" name "\" ]; routes = ( { path = \"/\"; status = {}; } ); }"

Test(changes, elements_are_known_by_name_wherever_they_stand)
{
	cr_expect_eq(compare("listeners = (" LISTENER("a", "1") "," LISTENER(
				     "b", "2") ");"
					       "sites = (" SITE("x") "," SITE("y") ");",
			     "listeners = (" LISTENER("b", "2") "," LISTENER(
				     "a", "1") ");"
					       "sites = (" SITE("y") "," SITE("x") ");"),
		0);
	expect_text("");
}

Test(changes, what_comes_and_goes_is_told)
{
	compare("listeners = (" LISTENER("a", "1") ");sites = (" SITE("x") ");",
		"listeners = (" LISTENER("b", "1") ");sites = (" SITE("y") ");");
	expect_part("listeners[a].address: \"127.0.0.1:1\" -> (none)\n");
	expect_part("listeners[b].address: (none) -> \"127.0.0.1:1\"\n");
	expect_part("sites[y].routes[/].path: (none) -> \"/\"\n");
}

Test(changes, a_full_buffer_ends_the_list)
{
	buf_done(&out);
	buf_init(&out, 20);
	cr_expect_eq(compare("workers = 2; user = \"a\";" CONF_PLAIN,
			     "workers = 4; user = \"bbbbbbbbbbbbbbbbbbb\";" CONF_PLAIN),
		1);
	expect_text("workers: 2 -> 4\n");
}
