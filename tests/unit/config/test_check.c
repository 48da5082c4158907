/* What must hold between the parts. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

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

TestSuite(check, .init = setup, .fini = teardown);

#define ROUTES "routes = ( { path = \"/\"; status = {}; } );"

Test(check, a_good_one_has_no_findings)
{
	conf_check(&t, CONF_PLAIN);
	cr_expect_eq(t.f.n, 0, "%s", conf_findings(&t));
	cr_expect_eq(t.c->sites[0].routes[0].handler, CONFIG_HANDLER_STATUS);
}

Test(check, nothing_at_all)
{
	conf_check(&t, "");
	cr_expect(conf_has_error(&t, 1, "no listeners"), "%s", conf_findings(&t));
	cr_expect(conf_has_error(&t, 1, "no sites"));
	conf_check(&t, "workers = 1;\nlisteners = ();\nsites = ();");
	cr_expect(conf_has_error(&t, 2, "no listeners"), "%s", conf_findings(&t));
	cr_expect(conf_has_error(&t, 3, "no sites"));
}

Test(check, listeners_that_collide)
{
	static const struct {
		const char *a, *b;
		bool collide;
	} cases[] = {
		{ "*:443", "*:443", true },
		{ "*:443", "0.0.0.0:443", true },
		{ "*:443", "[::]:443", true },
		{ "*:443", "127.0.0.1:443", true },
		{ "*:443", "[::1]:443", true },
		{ "0.0.0.0:443", "127.0.0.1:443", true },
		{ "127.0.0.1:443", "127.0.0.1:443", true },
		{ "unix:/a", "unix:/a", true },
		{ "*:443", "*:444", false },
		{ "0.0.0.0:443", "[::]:443", false },
		{ "127.0.0.1:443", "127.0.0.2:443", false },
		{ "127.0.0.1:443", "[::1]:443", false },
		{ "127.0.0.1:0", "127.0.0.1:0", false },
		{ "unix:/a", "unix:/b", false },
		{ "unix:/a", "*:443", false },
	};
	char text[512];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text),
			"listeners = ( { name = \"a\"; address = \"%s\"; tls = false; },\n"
			"{ name = \"b\"; address = \"%s\"; tls = false; } );\n"
			"sites = ( { names = [ \"*\" ]; " ROUTES " } );",
			cases[i].a, cases[i].b);
		conf_check(&t, text);
		cr_expect_eq(conf_has_error(&t, 2, "taken already"), cases[i].collide, "%s %s%s",
			cases[i].a, cases[i].b, conf_findings(&t));
		cr_expect_eq(t.f.errors, cases[i].collide, "%s", conf_findings(&t));
	}
}

Test(check, listener_names)
{
	conf_check(&t, "listeners = ( { name = \"a\"; address = \"*:1\"; tls = false; },\n"
		       "{ name = \"a\"; address = \"*:2\"; tls = false; },\n"
		       "{ name = \"\"; address = \"*:3\"; tls = false; } );\n"
		       "sites = ( { names = [ \"*\" ]; " ROUTES " } );");
	cr_expect(conf_has_error(&t, 2, "\"a\" already|line 1"), "%s", conf_findings(&t));
	cr_expect(conf_has_error(&t, 3, "empty"));
	cr_expect_eq(t.f.errors, 2, "%s", conf_findings(&t));
}

Test(check, sites_and_their_listeners)
{
	static const struct {
		const char *site;
		int line;
		const char *words;
	} cases[] = {
		{ "names = [ \"a\" ]; listeners = [ \"http\",\n \"htps\" ];", 5,
			"htps|\"https\"?" },
		{ "names = [ \"a\" ];\n listeners = [ \"https\" ];", 5, "no certificate" },
		{ "names = [ \"a\" ]; listeners = [ \"http\" ];\n certificate = \"c\";", 5,
			"plain listener" },
		{ "names = [ \"a\" ];\n private_key = \"c\";", 5, "no certificate" },
		{ "names = [ \"a\" ];\n certificate = \"\"; private_key = \"k\";", 5,
			"no certificate" },
		{ "names = [ \"a\" ];\n names_ = 1;", 5, "unknown" },
		{ "names = [ ];", 4, "no names" },
		{ "names = [ \"a\",\n \"*.a.*\" ];", 5, "*.a.*" },
		{ "names = [ \"a\",\n \"A\" ];", 5, "taken already" },
		{ "names = [ \"a.\",\n \"a\" ];", 5, "taken already" },
	};
	char text[1024];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text),
			"listeners = ( { name = \"https\"; address = \"*:1\"; },\n"
			"{ name = \"http\"; address = \"*:2\"; tls = false; } );\n"
			"sites = ( { names = [ \"z\" ]; certificate = \"x\"; " ROUTES
			" }, { names = [ "
			"\"z\" ]; " ROUTES " },\n{ %s " ROUTES " } );",
			cases[i].site);
		conf_check(&t, text);
		cr_expect(conf_has_error(&t, cases[i].line, cases[i].words), "%s%s", cases[i].site,
			conf_findings(&t));
		cr_expect_eq(t.f.errors, 1, "%s%s", cases[i].site, conf_findings(&t));
	}
}

Test(check, a_site_needs_a_listener_of_its_kind)
{
	conf_check(&t, "listeners = ( { name = \"s\"; address = \"*:1\"; } );\n"
		       "sites = ( { names = [ \"a\" ]; certificate = \"c\"; " ROUTES " },\n"
		       "{ names = [ \"b\" ]; " ROUTES " } );");
	cr_expect(conf_has_error(&t, 3, "on no listener|tls = false"), "%s", conf_findings(&t));
	conf_check(&t, "listeners = ( { name = \"s\"; address = \"*:1\"; tls = false; } );\n"
		       "sites = ( { names = [ \"b\" ]; " ROUTES " },\n"
		       "{ names = [ \"a\" ]; certificate = \"c\"; " ROUTES " } );");
	cr_expect(conf_has_error(&t, 3, "on no listener|TLS"), "%s", conf_findings(&t));
}

Test(check, a_listener_needs_a_site)
{
	conf_check(&t, "listeners = ( { name = \"s\"; address = \"*:1\"; tls = false; },\n"
		       "{ name = \"idle\"; address = \"*:2\"; } );\n"
		       "sites = ( { names = [ \"b\" ]; " ROUTES " } );");
	cr_expect(conf_has_error(&t, 2, "no site|idle"), "%s", conf_findings(&t));
	cr_expect_eq(t.f.errors, 1);
}

Test(check, names_and_defaults_are_one_per_listener)
{
	conf_check(&t,
		"listeners = ( { name = \"a\"; address = \"*:1\"; tls = false; },\n"
		"{ name = \"b\"; address = \"*:2\"; tls = false; } );\n"
		"sites = ( { names = [ \"x\", \"*\" ]; listeners = [ \"a\" ]; default = true; "
		"" ROUTES " },\n"
		"{ names = [ \"x\", \"*\" ]; listeners = [ \"b\" ]; default = true; " ROUTES " "
		"},\n"
		"{ names = [ \"y\", \"X\" ]; listeners = [ \"b\" ]; default = true; " ROUTES " "
		"} );");
	cr_expect(conf_has_error(&t, 5, "\"X\"|line 4"), "%s", conf_findings(&t));
	cr_expect(conf_has_error(&t, 5, "default site already|line 4"));
	cr_expect_eq(t.f.errors, 2, "%s", conf_findings(&t));
}

Test(check, routes)
{
	static const struct {
		const char *route, *words;
	} cases[] = {
		{ "path = \"x\"; status = {};", "\"/x\"" },
		{ "path = \"\"; status = {};", "begin with \"/\"" },
		{ "path = \"/a/../b\"; status = {};", "no request can match" },
		{ "path = \"/a//b\"; status = {};", "no request can match" },
		{ "path = \"/a?b\"; status = {};", "no request can match" },
		{ "path = \"/..\"; status = {};", "no request can match" },
		{ "path = \"/a\";", "no handler|files, redirect, respond, status and metrics" },
		{ "path = \"/a\"; status = {}; redirect = { to = \"/\"; };", "several handlers" },
		{ "path = \"/\"; status = {};", "another route|line 3" },
		{ "path = \"/a\"; redirect = { to = \"\"; };", "\"to\" is empty" },
		{ "path = \"/a\"; redirect = { to = \"/$hots\"; };",
			"$hots|$host, $path or $query" },
		{ "path = \"/a\"; redirect = { to = \"/\\n\"; };", "percent-encoded" },
		{ "path = \"/a\"; redirect = { to = \"/a b\"; };", "percent-encoded" },
		{ "path = \"/a\"; files = { root = \"\"; };", "\"root\" is empty" },
		{ "path = \"/a\"; files = { root = \"/\"; index = [ \"a/b\" ]; };", "\"a/b\"" },
		{ "path = \"/a\"; files = { root = \"/\"; index = [ \".x\" ]; };", "\".x\"" },
		{ "path = \"/a\"; files = { root = \"/\"; index = [ \"\" ]; };", "index" },
		{ "path = \"/a\"; files = { root = \"/\"; try = [ \"x\" ]; };", "nothing to try" },
		{ "path = \"/a\"; files = { root = \"/\"; try = [ \"/$path\" ]; };",
			"nothing to try" },
		{ "path = \"/a\"; files = { root = \"/\"; try = [ \"$path/../x\" ]; };",
			"nothing to try" },
		{ "path = \"/a\"; files = { root = \"/\"; cache_control = \"a\\nb\"; };",
			"control character" },
		{ "path = \"/a\"; files = { root = \"/\"; cache_control = \"a\"; }; "
		  "headers = ( { name = \"cache-control\"; value = \"b\"; } );",
			"among the headers" },
		{ "path = \"/a\"; respond = { status = 204; text = \"x\"; };", "no content" },
		{ "path = \"/a\"; respond = { type = \"text\"; };", "no media type" },
		{ "path = \"/a\"; respond = { type = \"a/b\\n\"; };", "no media type" },
		{ "path = \"/a\"; status = {}; error_pages = ( { status = 404; file = \"\"; } );",
			"\"file\" is empty" },
		{ "path = \"/a\"; status = {}; error_pages = ( { status = 404; file = \"a\"; },"
		  "{ status = 404; file = \"b\"; } );",
			"another error page" },
		{ "path = \"/a\"; status = {}; headers = ( { name = \"Date\"; value = \"\"; } );",
			"server's own" },
	};
	char text[1024];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text),
			"listeners = ( { name = \"a\"; address = \"*:1\"; tls = false; } );\n"
			"sites = ( { names = [ \"a\" ];\n"
			"routes = ( { path = \"/\"; status = {}; },\n{ %s } ); } );",
			cases[i].route);
		conf_check(&t, text);
		cr_expect(conf_has_error(&t, 4, cases[i].words), "%s%s", cases[i].route,
			conf_findings(&t));
		cr_expect_eq(t.f.errors, 1, "%s%s", cases[i].route, conf_findings(&t));
	}
}

Test(check, paths_that_are_no_duplicates)
{
	conf_check(&t,
		"listeners = ( { name = \"a\"; address = \"*:1\"; tls = false; } );\n"
		"sites = ( { names = [ \"a\" ]; routes = ( { path = \"/a\"; status = {}; },\n"
		"{ path = \"/a/\"; status = {}; }, { path = \"/A\"; status = {}; } ); } );");
	cr_expect_eq(t.f.n, 0, "%s", conf_findings(&t));
}

Test(check, headers)
{
	static const struct {
		const char *name, *value, *words;
	} cases[] = {
		{ "X Y", "a", "\"X Y\"" },
		{ "", "a", "no field name" },
		{ "X:", "a", "colon" },
		{ "Content-Length", "5", "server's own" },
		{ "transfer-encoding", "chunked", "server's own" },
		{ "Connection", "close", "server's own" },
		{ "DATE", "x", "server's own" },
		{ "X", "a\\nb", "control character" },
		{ "X", "a\\x01b", "control character" },
	};
	char text[1024];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text),
			"listeners = ( { name = \"a\"; address = \"*:1\"; tls = false; } );\n"
			"sites = ( { names = [ \"a\" ]; " ROUTES "\n"
			"headers = ( { name = \"X-Fine\"; value = \"a b\"; },\n"
			"{ name = \"%s\";\n value = \"%s\"; } ); } );",
			cases[i].name, cases[i].value);
		conf_check(&t, text);
		cr_expect(conf_has_error(&t, 4, cases[i].words) ||
				  conf_has_error(&t, 5, cases[i].words),
			"%s%s", cases[i].name, conf_findings(&t));
		cr_expect_eq(t.f.errors, 1, "%s", conf_findings(&t));
	}
}

Test(check, headers_that_leave_no_room)
{
	char value[9000], text[sizeof(value) + 512];
	static const char rest[] =
		"listeners = ( { name = \"a\"; address = \"*:1\"; tls = false; } );\n"
		"sites = ( { names = [ \"a\" ];\n"
		"headers = ( { name = \"X\"; value = \"%s\"; } );\n"
		"routes = ( { path = \"/\"; status = {};\n"
		"headers = ( { name = \"Y\"; value = \"%s\"; } ); } ); } );";

	memset(value, 'a', sizeof(value));
	value[8 * 1024 - 10] = '\0'; /* "Y: \r\n" and "X: \r\n" are the ten */
	snprintf(text, sizeof(text), rest, value, "");
	conf_check(&t, text);
	cr_expect_eq(t.f.errors, 0, "%s", conf_findings(&t));
	snprintf(text, sizeof(text), rest, value, "b");
	conf_check(&t, text);
	cr_expect(conf_has_error(&t, 5, "8193 bytes of headers"), "%s", conf_findings(&t));
	cr_expect_eq(t.f.errors, 1);
	value[8 * 1024 - 10] = 'a';
	value[8 * 1024 - 4] = '\0';
	snprintf(text, sizeof(text), rest, value, "");
	conf_check(&t, text);
	cr_expect(conf_has_error(&t, 3, "the site has 8193 bytes"), "%s", conf_findings(&t));
}

Test(check, warnings)
{
	conf_check(&t, "sigpipe = \"default\";\nuser = \"root\";\nreload = { drain = \"0\"; "
		       "};\n" CONF_PLAIN);
	cr_expect(conf_has_warning(&t, 1, "sigpipe"), "%s", conf_findings(&t));
	cr_expect_eq(conf_has_warning(&t, 2, "root"), geteuid() == 0);
	cr_expect(conf_has_warning(&t, 3, "drain"));
	cr_expect_eq(t.f.errors, 0);
	conf_check(&t, "listeners = ( { name = \"a\"; address = \"*:1\"; tls = false; } );\n"
		       "sites = ( { names = [ \"a\" ]; },\n{ names = [ \"b\" ]; passphrase_file = "
		       "\"x\";" ROUTES " } );");
	cr_expect(conf_has_warning(&t, 2, "no routes"), "%s", conf_findings(&t));
	cr_expect(conf_has_warning(&t, 3, "passphrase_file"));
}

Test(check, connections_that_descriptors_do_not_allow)
{
	struct rlimit files;

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max = 300;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	conf_check(&t, "limits = { connections = 151; };\n" CONF_PLAIN);
	cr_expect(conf_has_warning(&t, 1, "descriptor limit"), "%s", conf_findings(&t));
	conf_check(&t, "limits = { connections = 150; };\n" CONF_PLAIN);
	cr_expect_not(conf_has_warning(&t, 1, "descriptor limit"));
}

Test(check, half_read_configurations_do_not_crash)
{
	conf_check(&t,
		"listeners = ( 1, { address = 5; name = 7; }, { } );\n"
		"sites = ( 1, { names = 3; routes = ( 1, { path = 5; files = 1; redirect = { to "
		"= 2; "
		"}; } ); headers = ( 1, { name = 1; } ); certificates = ( 1 ); }, "
		"{ routes = 5; } );");
	cr_expect_gt(t.f.errors, 5);
}
