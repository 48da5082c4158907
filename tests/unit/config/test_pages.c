/* Error pages: read once, the route's before the site's. */
#include <criterion/criterion.h>

#include "conf.h"

static struct conf t;

static void setup(void)
{
	conf_init(&t);
}

static void teardown(void)
{
	conf_done(&t);
}

TestSuite(pages, .init = setup, .fini = teardown);

Test(pages, error_pages_are_read_and_merged)
{
	const struct config_site *site;

	conf_write(&t, "a.html", "<p>a");
	conf_write(&t, "b.txt", "b");
	conf_open(&t, "user = \"nobody\"; group = \"nogroup\";\n"
		      "listeners = ( { name = \"a\"; address = \"127.0.0.1:1\"; tls = false; } );\n"
		      "sites = ( { names = [ \"a\" ];\n"
		      "error_pages = ( { status = 404; file = \"a.html\"; },"
		      " { status = 500; file = \"a.html\"; } );\n"
		      "headers = ( { name = \"X\"; value = \"site\"; },"
		      " { name = \"Y\"; value = \"site\"; } );\n"
		      "routes = ( { path = \"/\"; status = {};\n"
		      "error_pages = ( { status = 404; file = \"b.txt\"; } );\n"
		      "headers = ( { name = \"x\"; value = \"\"; } ); } ); } );");
	cr_assert_eq(t.f.errors, 0, "%s", conf_findings(&t));
	site = &t.c->sites[0];
	cr_expect(str_eq(site->extra.pages[0].content, STR("<p>a")));
	cr_expect(str_eq(site->extra.pages[0].type, STR("text/html; charset=utf-8")));
	cr_assert_eq(site->routes[0].serving.npages, 2);
	cr_expect(str_eq(site->routes[0].serving.pages[0].content, STR("b")));
	cr_expect_eq(site->routes[0].serving.pages[1].status, 500);
	cr_assert_eq(site->routes[0].serving.nfields, 1, "an empty value takes the site's away");
	cr_expect_str_eq(site->routes[0].serving.fields[0].name, "Y");
}

Test(pages, error_pages_that_cannot_be_read)
{
	conf_open(&t,
		"user = \"nobody\"; group = \"nogroup\";\n"
		"listeners = ( { name = \"a\"; address = \"127.0.0.1:1\"; tls = false; } );\n"
		"sites = ( { names = [ \"a\" ]; routes = ( { path = \"/\"; status = {}; } );\n"
		"error_pages = ( { status = 404; file = \"none.html\"; },\n"
		"{ status = 500; file = \"/dev/zero\"; } ); } );");
	cr_expect(conf_has_error(&t, 4, "none.html|No such file"), "%s", conf_findings(&t));
	cr_expect(conf_has_error(&t, 5, "/dev/zero|not a regular file"));
}
