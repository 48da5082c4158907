/* The configuration without a file. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/names.h"
#include "conf.h"
#include "config/check.h"
#include "config/open.h"
#include "config/serve.h"

static struct conf t;

static void setup(void)
{
	conf_init(&t);
	cr_assert_eq(setenv("TMPDIR", t.dir, 1), 0);
}

static void teardown(void)
{
	conf_done(&t);
}

TestSuite(serve, .init = setup, .fini = teardown);

Test(serve, a_directory)
{
	const struct config *c;

	t.c = config_serve(t.dir, 8443, &t.f);
	cr_assert(t.c, "%s", conf_findings(&t));
	config_check(t.c, &t.f);
	config_open(t.c, CONFIG_OPEN_SERVE, NULL, &t.f);
	cr_expect_eq(t.f.errors, 0, "%s", conf_findings(&t));
	c = t.c;
	cr_expect_null(c->path);
	cr_expect_str_eq(c->listeners[0].address_text, "127.0.0.1:8443");
	for (size_t i = 0; i < c->nlisteners; i++) {
		cr_expect(c->listeners[i].tls);
		cr_expect_not_null(c->listeners[i].tls_sites);
		cr_expect_eq(c->listeners[i].backlog, 511);
		cr_expect_eq(c->listeners[i].shutdown.linger_ms, 2000);
		cr_expect_eq(names_find(c->listeners[i].routes.names, STR("localhost"), NULL),
			&c->sites[0].serving);
	}
	cr_expect_not_null(c->sites[0].context);
	cr_expect_eq(c->sites[0].routes[0].handler, CONFIG_HANDLER_FILES);
	cr_expect_eq(c->sites[0].routes[0].files.nindex, 1);
	cr_expect_geq(c->sites[0].routes[0].files.root_fd, 0);
	cr_expect_eq(c->timeouts.idle_ms, 60000);
}

Test(serve, the_ca_is_in_a_file_and_the_key_is_not)
{
	char text[8192] = "";
	struct stat st;
	FILE *file;

	t.c = config_serve(t.dir, 8443, &t.f);
	cr_assert(t.c);
	cr_assert(t.c->serve_ca_path);
	file = fopen(t.c->serve_ca_path, "r");
	cr_assert(file);
	cr_assert_eq(fstat(fileno(file), &st), 0);
	cr_expect_gt(fread(text, 1, sizeof(text) - 1, file), 0);
	fclose(file);
	cr_expect_eq(st.st_mode & 0777, 0644);
	cr_expect(strstr(text, "BEGIN CERTIFICATE"));
	cr_expect_not(strstr(text, "PRIVATE KEY"));
	cr_expect(strstr(t.c->serve_pem, "PRIVATE KEY"));
}

Test(serve, only_loopback)
{
	t.c = config_serve(t.dir, 0, &t.f);
	cr_assert(t.c);
	cr_assert_eq(t.c->nlisteners, 1, "two free ports would be two addresses");
	cr_expect_str_eq(t.c->listeners[0].address_text, "127.0.0.1:0");
}

Test(serve, as_root_the_workers_are_the_owner)
{
	if (geteuid() != 0) {
		conf_done(&t); /* a skipped test has no end */
		cr_skip_test("only root changes ids");
	}
	cr_assert_eq(chown(t.dir, 65534, 65534), 0);
	t.c = config_serve(t.dir, 8443, &t.f);
	cr_assert(t.c, "%s", conf_findings(&t));
	cr_expect_str_eq(t.c->user, "nobody");
	cr_expect_str_eq(t.c->group, "nogroup");
}

Test(serve, what_cannot_be_served)
{
	conf_write(&t, "file", "x");
	cr_expect_null(config_serve("/nowhere", 8443, &t.f));
	cr_expect_null(config_serve(conf_path(&t, "file"), 8443, &t.f));
	cr_expect_eq(t.f.errors, 2);
	cr_expect(conf_has_error(&t, 0, "/nowhere|No such"), "%s", conf_findings(&t));
	cr_expect(conf_has_error(&t, 0, "file|not a directory"), "%s", conf_findings(&t));
	cr_expect_eq(findings_code(&t.f), 78);
}
