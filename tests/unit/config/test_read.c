/* Values into fields: types, bounds, defaults, inheritance, unknown directives. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "conf.h"
#include "config/read.h"

static struct conf t;

static void setup(void)
{
	conf_init(&t);
}

static void teardown(void)
{
	conf_done(&t);
}

TestSuite(read, .init = setup, .fini = teardown);

Test(read, defaults_of_the_manual)
{
	const struct config *c;

	conf_load(&t, "");
	cr_assert(t.c, "%s", conf_findings(&t));
	c = t.c;
	cr_expect_eq(t.f.n, 0);
	cr_expect_eq(c->workers, 0);
	cr_expect_str_eq(c->user, "latchd");
	cr_expect_not(c->user_is_set);
	cr_expect_eq(c->sigpipe, SIGPIPE_IGNORE);
	cr_expect_eq(c->shutdown.mode, CLOSING_LENIENT);
	cr_expect_eq(c->shutdown.linger_ms, 2000);
	cr_expect_eq(c->tls.profile, TLS_PROFILE_INTERMEDIATE);
	cr_expect_str_eq(c->tls.min_version, "");
	cr_expect(c->tls.tickets_enabled);
	cr_expect_eq(c->tls.tickets_rotate_ms, 12 * 3600 * 1000);
	cr_expect_eq(c->tls.tickets_keep, 2);
	cr_expect_eq(c->timeouts.handshake_ms, 10000);
	cr_expect_eq(c->timeouts.header_ms, 15000);
	cr_expect_eq(c->timeouts.body_ms, 30000);
	cr_expect_eq(c->timeouts.idle_ms, 60000);
	cr_expect_eq(c->timeouts.write_ms, 60000);
	cr_expect_eq(c->limits.connections, 8192);
	cr_expect_eq(c->limits.head.size, 16384);
	cr_expect_eq(c->limits.head.fields, 100);
	cr_expect_eq(c->limits.body_size, 1 << 20);
	cr_expect_eq(c->limits.requests_per_connection, 0);
	cr_expect_eq(c->reload_ready_ms, 10000);
	cr_expect_eq(c->reload_drain_ms, 30000);
	cr_expect_eq(c->log_level, LOG_LEVEL_INFO);
	cr_expect_eq(c->log_target, LOG_TARGET_AUTO);
	cr_expect_eq(c->access.target, LOG_TARGET_OFF);
	cr_expect_eq(c->access.format, ACCESS_COMBINED);
}

Test(read, every_type)
{
	const struct config *c;

	conf_load(&t, "workers = 3; user = \"u\"; sigpipe = \"default\";\n"
		      "tls = { profile = \"modern\"; min_version = \"1.3\"; tickets = { enabled = "
		      "false; }; };\n"
		      "limits = { body_size = 5000000000L; header_size = \"2K\"; };\n"
		      "timeouts = { idle = \"1500ms\"; };\n"
		      "log = { level = \"debug\"; target = \"/var/log/x\"; access = { target = "
		      "\"journal\"; "
		      "format = \"json\"; }; };");
	cr_assert(t.c);
	c = t.c;
	cr_expect_eq(t.f.n, 0, "%s", conf_findings(&t));
	cr_expect_eq(c->workers, 3);
	cr_expect_str_eq(c->user, "u");
	cr_expect(c->user_is_set);
	cr_expect_eq(c->sigpipe, SIGPIPE_DEFAULT);
	cr_expect_eq(c->tls.profile, TLS_PROFILE_MODERN);
	cr_expect_str_eq(c->tls.min_version, "1.3");
	cr_expect_not(c->tls.tickets_enabled);
	cr_expect_eq(c->limits.body_size, 5000000000);
	cr_expect_eq(c->limits.head.size, 2048);
	cr_expect_eq(c->timeouts.idle_ms, 1500);
	cr_expect_eq(c->log_level, LOG_LEVEL_DEBUG);
	cr_expect_eq(c->log_target, LOG_TARGET_FILE);
	cr_expect_str_eq(c->log_path, "/var/log/x");
	cr_expect_eq(c->access.target, LOG_TARGET_JOURNAL);
	cr_expect_eq(c->access.format, ACCESS_JSON);
}

Test(read, wrong_types_and_bounds)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{ "workers = \"2\";",
			"workers: expected an integer from 0 to 256|the string \"2\"" },
		{ "workers = 2.5;", "workers|fraction" },
		{ "workers = true;", "workers|true" },
		{ "workers = -1;", "workers|-1" },
		{ "workers = 257;", "workers|257" },
		{ "workers = 5000000000L;", "workers|5000000000" },
		{ "user = 5;", "user|string" },
		{ "sigpipe = \"Ignore\";", "sigpipe|\"ignore\", \"log\" or \"default\"" },
		{ "sigpipe = true;", "sigpipe" },
		{ "tls = 1;", "tls: expected a group" },
		{ "tls = { tickets = { enabled = 1; }; };", "tls.tickets.enabled|true or false" },
		{ "tls = { tickets = { enabled = \"true\"; }; };", "enabled|the string" },
		{ "tls = { tickets = { keep = 0; }; };", "keep|1 to 7" },
		{ "tls = { min_version = \"1.1\"; };", "tls.min_version|1.2" },
		{ "timeouts = { idle = 60; };", "timeouts.idle|quotes|60" },
		{ "timeouts = { idle = \"60\"; };", "timeouts.idle|\"60\"" },
		{ "timeouts = { idle = \"0\"; };", "timeouts.idle|100ms" },
		{ "timeouts = { idle = \"2d\"; };", "timeouts.idle|1d" },
		{ "limits = { header_size = \"1\"; };", "header_size|1K to 1M" },
		{ "limits = { body_size = -1; };", "body_size" },
		{ "limits = { body_size = \"1T\"; };", "body_size|\"1T\"" },
		{ "log = { target = \"off\"; };", "log.target|auto" },
		{ "log = { target = \"relative\"; };", "log.target" },
		{ "log = { target = \"/\"; };", "log.target" },
		{ "log = { access = { target = \"auto\"; }; };", "log.access.target|off" },
		{ "listeners = { };", "listeners: expected a list of groups" },
		{ "listeners = ( 1 );", "listeners: expected a list of groups|integer 1" },
		{ "listeners = ( { address = \"x\"; } );", "listeners.address|unix:/path" },
		{ "listeners = ( { address = \"*:1\"; tls = \"no\"; } );", "listeners.tls" },
		{ "listeners = ( { address = \"*:1\"; backlog = 0; } );", "backlog|1 to" },
		{ "listeners = ( { name = \"x\"; } );", "\"address\" is missing" },
		{ "sites = ( { } );", "\"names\" is missing in \"sites\"" },
		{ "sites = ( { names = \"a\"; } );", "sites.names|list of strings" },
		{ "sites = ( { names = [ 1 ]; } );", "sites.names|integer 1" },
		{ "sites = ( { names = []; headers = ( { name = \"a\"; } ); } );",
			"\"value\" is missing" },
		{ "sites = ( { names = []; routes = ( { files = { }; path = \"/\"; } ); } );",
			"\"root\" is missing in \"sites.routes.files\"" },
		{ "sites = ( { names = []; routes = ( { redirect = { }; path = \"/\"; } ); } );",
			"\"to\" is missing" },
		{ "sites = ( { names = []; routes = ( { status = {}; } ); } );",
			"\"path\" is missing" },
		{ "sites = ( { names = []; routes = ( { path = \"/\"; status = 1; } ); } );",
			"sites.routes.status: expected a group" },
		{ "sites = ( { names = []; routes = ( { path = \"/\"; redirect = { to = \"/\"; "
		  "status = "
		  "200; }; } ); } );",
			"status: expected 301, 302, 303, 307 or 308" },
		{ "sites = ( { names = []; routes = ( { path = \"/\"; allow = [ \"10.0.0.0/33\" "
		  "]; } ); } );",
			"allow|10.0.0.0/33" },
		{ "sites = ( { names = []; routes = ( { path = \"/\"; deny = \"::1\"; } ); } );",
			"deny|list" },
		{ "sites = ( { names = []; certificate = \"a\"; certificates = ( { certificate = "
		  "\"b\"; } ); } "
		  ");",
			"either certificate" },
		{ "sites = ( { names = []; certificates = ( { private_key = \"b\"; } ); } );",
			"\"certificate\" is missing" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		conf_load(&t, cases[i].text);
		cr_assert(t.c, "%s", cases[i].text);
		cr_expect(conf_has_error(&t, 1, cases[i].words), "%s%s", cases[i].text,
			conf_findings(&t));
		cr_expect_eq(t.f.errors, 1, "%s%s", cases[i].text, conf_findings(&t));
		cr_expect_eq(findings_code(&t.f), 78);
	}
}

Test(read, a_bad_value_keeps_its_default)
{
	conf_load(&t, "workers = 5000; timeouts = { idle = 1; };");
	cr_assert(t.c);
	cr_expect_eq(t.c->workers, 0);
	cr_expect_eq(t.c->timeouts.idle_ms, 60000);
}

Test(read, all_mistakes_in_one_run_each_at_its_line)
{
	conf_load(&t, "workers = -1;\nsigpip = \"x\";\ntimeouts = {\n  idle = 5;\n  wriite = "
		      "\"5s\";\n};\n"
		      "listeners = (\n  { address = \"x\";\n    nam = \"y\"; } );\n");
	cr_assert(t.c);
	cr_expect(conf_has_error(&t, 1, "workers"));
	cr_expect(conf_has_error(&t, 2, "\"sigpip\"|\"sigpipe\""));
	cr_expect(conf_has_error(&t, 4, "timeouts.idle"));
	cr_expect(conf_has_error(&t, 5, "\"wriite\"|\"timeouts\"|\"write\""));
	cr_expect(conf_has_error(&t, 8, "listeners.address"));
	cr_expect(conf_has_error(&t, 9, "\"nam\"|\"name\""));
	cr_expect(conf_has_error(&t, 2, "sigpipe: expected"), "what was meant is judged as well");
	cr_expect_eq(t.f.errors, 7, "%s", conf_findings(&t));
}

Test(read, a_slip_is_one_error)
{
	conf_load(&t,
		"listeners = ( { adress = \"*:443\"; name = \"https\"; } );\n"
		"sites = ( { nmes = [ \"a.example\" ]; certficate = \"a\"; privat_key = \"b\";\n"
		"routes = ( { paht = \"/\"; status = {}; } ); } );\n");
	cr_assert(t.c);
	cr_expect_eq(t.f.errors, 5, "nothing seems to be missing besides: %s", conf_findings(&t));
	cr_expect_eq(t.c->sites[0].npairs, 1);
	cr_expect_str_eq(t.c->sites[0].routes[0].path, "/");
}

Test(read, a_slip_does_not_replace_what_is_there)
{
	conf_load(&t,
		"timeouts = { idle = \"5s\"; idel = \"7s\"; wirte = \"8s\"; wriet = \"9s\"; };\n"
		"user = \"a\"; usr = \"b\"; uzer = \"c\";\n");
	cr_assert(t.c);
	cr_expect_eq(t.f.errors, 5, "%s", conf_findings(&t));
	cr_expect_eq(t.c->timeouts.idle_ms, 5000);
	cr_expect_eq(t.c->timeouts.write_ms, 8000, "the first of two");
	cr_expect_str_eq(t.c->user, "a");
}

Test(read, listeners_and_inheritance)
{
	conf_load(&t,
		"listeners = ( { name = \"a\"; address = \"*:443\"; },\n"
		"  { address = \"127.0.0.1:80\"; tls = false; shutdown = { linger = \"1s\"; }; "
		"},\n"
		"  { address = \"unix:/run/x\"; shutdown = { mode = \"lenient\"; }; } );\n"
		"shutdown = { mode = \"strict\"; linger = \"9s\"; };");
	cr_assert(t.c);
	cr_expect_eq(t.f.n, 0, "%s", conf_findings(&t));
	cr_assert_eq(t.c->nlisteners, 3);
	const struct config_listener *l = t.c->listeners;
	cr_expect_str_eq(l[0].name, "a");
	cr_expect(l[0].tls);
	cr_expect(l[0].address.dual);
	cr_expect_eq(l[0].shutdown.mode, CLOSING_STRICT);
	cr_expect_eq(l[0].shutdown.linger_ms, 9000);
	cr_expect_str_eq(l[1].name, "127.0.0.1:80", "its address");
	cr_expect_not(l[1].tls);
	cr_expect_eq(l[1].shutdown.mode, CLOSING_STRICT);
	cr_expect_eq(l[1].shutdown.linger_ms, 1000);
	cr_expect_eq(l[2].shutdown.mode, CLOSING_LENIENT);
	cr_expect_eq(l[2].place.line, 3);
}

Test(read, sites)
{
	conf_load(&t,
		"log = { access = { target = \"/log\"; format = \"json\"; }; };\n"
		"sites = ( { names = ( \"a\", \"b\" ); default = true; listeners = [ \"x\" ];\n"
		"  certificate = \"c.pem\"; private_key = \"./k.pem\"; passphrase_file = "
		"\"/abs\";\n"
		"  access = { format = \"common\"; };\n"
		"  headers = ( { name = \"X\"; value = \"y\"; } );\n"
		"  routes = ( { path = \"/\"; files = { root = \"www\"; }; },\n"
		"    { path = \"/r\"; redirect = { to = \"/\"; status = 301; }; deny = [ \"::1\" "
		"]; } );\n"
		"}, { names = [ \"c\" ]; certificates = ( { certificate = \"1\"; private_key = "
		"\"2\"; },\n"
		"  { certificate = \"3\"; } ); access = { target = \"off\"; }; } );");
	cr_assert(t.c);
	cr_expect_eq(t.f.n, 0, "%s", conf_findings(&t));
	cr_assert_eq(t.c->nsites, 2);
	const struct config_site *s = &t.c->sites[0];
	cr_expect_eq(s->nnames, 2);
	cr_expect_str_eq(s->names[1], "b");
	cr_expect(s->is_default);
	cr_assert_eq(s->npairs, 1);
	cr_expect_str_eq(s->pairs[0].certificate, conf_path(&t, "c.pem"));
	cr_expect_str_eq(s->pairs[0].private_key, conf_path(&t, "k.pem"));
	cr_expect_eq(s->pairs[0].place.line, 3);
	cr_expect_str_eq(s->passphrase_file, "/abs");
	cr_expect_eq(s->access.target, LOG_TARGET_FILE, "inherited");
	cr_expect_str_eq(s->access.path, "/log");
	cr_expect_eq(s->access.format, ACCESS_COMMON, "its own");
	cr_expect_str_eq(s->extra.fields[0].value, "y");
	cr_assert_eq(s->nroutes, 2);
	cr_expect_str_eq(s->routes[0].files.root, conf_path(&t, "www"));
	cr_expect_eq(s->routes[0].files.nindex, 1);
	cr_expect_str_eq(s->routes[0].files.index[0], "index.html");
	cr_expect(s->routes[0].has_files && !s->routes[0].has_redirect);
	cr_expect_eq(s->routes[1].redirect.status, 301);
	cr_expect_eq(s->routes[1].ndeny, 1);
	cr_expect_eq(s->routes[1].place.line, 7);
	cr_assert_eq(t.c->sites[1].npairs, 2);
	cr_expect_str_eq(t.c->sites[1].pairs[1].private_key, "");
	cr_expect_eq(t.c->sites[1].access.target, LOG_TARGET_OFF);
	cr_expect_eq(t.c->sites[1].access.format, ACCESS_JSON);
}

Test(read, places)
{
	struct config_place p, other = { "x", 7 };

	conf_load(
		&t, "workers = 2;\n\nuser = \"u\";\nsites = ( { names = [ \"a\",\n \"b\" ]; } );");
	cr_assert(t.c);
	cr_expect_eq(config_place_of(t.c, &t.c->user, NULL).line, 3);
	cr_expect_eq(config_place_of(t.c, &t.c->workers, &other).line, 1);
	cr_expect_eq(config_place_of(t.c, &t.c->group, &other).line, 7);
	p = config_place_of(t.c, &t.c->group, NULL);
	cr_expect_eq(p.line, 0);
	cr_expect_str_eq(p.file, conf_path(&t, "t.conf"));
	cr_expect_eq(config_place_of(t.c, &t.c->sites[0].names[1], NULL).line, 5);
}

Test(read, many_sites)
{
	enum { SITES = 2000 };
	struct buf text;

	buf_init(&text, 0);
	cr_assert(buf_append_str(&text, STR("sites = ( ")));
	for (int i = 0; i < SITES; i++)
		cr_assert(buf_appendf(
			&text, "%s{ names = [ \"n%d\" ];\n routes = (); }", i ? "," : "", i));
	cr_assert(buf_append_str(&text, STR(" );")));
	conf_load(&t, buf_cstring(&text));
	buf_done(&text);
	cr_assert(t.c, "%s", conf_findings(&t));
	cr_assert_eq(t.c->nsites, SITES);
	cr_expect_str_eq(t.c->sites[SITES - 1].names[0], "n1999");
	cr_expect_eq(config_place_of(t.c, &t.c->sites[500].names, NULL).line, 501);
}

Test(read, freeing_nothing)
{
	config_free(NULL);
}

Test(read, which_sites_are_on_which_listeners)
{
	struct config_listener tls = { .name = (char[]){ "a" }, .tls = true },
			       plain = { .name = (char[]){ "b" } };
	char *names[] = { plain.name };
	struct config_site site = { 0 };

	cr_expect_not(config_site_is_on(&site, &tls));
	cr_expect(config_site_is_on(&site, &plain));
	site.npairs = 1;
	cr_expect(config_site_is_on(&site, &tls));
	cr_expect_not(config_site_is_on(&site, &plain));
	site.listeners = names;
	site.nlisteners = 1;
	cr_expect_not(config_site_is_on(&site, &tls));
	cr_expect(config_site_is_on(&site, &plain));
}
