/* Opening: certificates, roots, logs, ids, and the tables that workers use. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/names.h"
#include "conf.h"
#include "config/check.h"
#include "config/judge.h"
#include "config/open.h"
#include "config/read.h"
#include "handler/redirect.h"
#include "handler/status.h"
#include "tls/sites.h"

static struct conf t;

/* As root the workers' user has to be one that exists. */
#define USER (geteuid() == 0 ? "user = \"nobody\";" : "")

static void setup(void)
{
	conf_init(&t);
	conf_write_certificates(&t);
}

static void teardown(void)
{
	conf_done(&t);
}

TestSuite(open, .init = setup, .fini = teardown);

/* Line 1: the user and `head`; line 2: a TLS and a plain listener; line 3: a TLS site with `site`;
 * then a plain one. */
static const char *with(const char *head, const char *site)
{
	static char text[4096];

	snprintf(text, sizeof(text),
		"%s %s\n"
		"listeners = ( { name = \"s\"; address = \"127.0.0.1:1\"; }, { name = \"p\"; "
		"address = "
		"\"127.0.0.1:2\"; tls = false; } );\n"
		"sites = ( { names = [ \"localhost\" ]; default = true; %s },\n"
		"{ names = [ \"*\" ]; routes = ( { path = \"/\"; redirect = { to = \"/x\"; }; } "
		"); } );\n",
		USER, head, site);
	return text;
}

static const char good[] =
	"certificate = \"a.pem\"; private_key = \"a.key\"; routes = ( { path = \"/\"; "
	"files = { root = \".\"; }; }, { path = \"/s/long\"; status = {}; } );";

Test(open, a_good_one)
{
	const struct config_site *site;

	conf_open(&t, with("", good));
	cr_assert_eq(t.f.n, 0, "%s", conf_findings(&t));
	site = &t.c->sites[0];
	cr_expect_not_null(site->context);
	cr_expect_null(t.c->sites[1].context);
	cr_expect_str_eq(site->serving.name, "localhost");
	cr_expect_eq(site->serving.access, &site->access);
	cr_assert_eq(site->serving.nroutes, 2);
	cr_expect_str_eq(site->serving.routes[0].path, "/s/long", "the longest first");
	cr_expect_eq(site->serving.routes[0].handle, status_handle);
	cr_expect_eq(site->serving.routes[1].handle, files_handle);
	cr_expect_eq(site->serving.routes[1].options, &site->routes[0].files);
	cr_expect_eq(t.c->sites[1].serving.routes[0].handle, redirect_handle);
	cr_expect_geq(site->routes[0].files.root_fd, 0);
}

Test(open, the_tables_of_listeners)
{
	const struct config_listener *l;

	conf_open(&t, with("", good));
	cr_assert_eq(t.f.n, 0, "%s", conf_findings(&t));
	l = t.c->listeners;
	cr_expect_eq(names_find(l[0].routes.names, STR("LOCALHOST"), NULL), &t.c->sites[0].serving);
	cr_expect_null(names_find(l[0].routes.names, STR("other"), NULL));
	cr_expect_eq(l[0].routes.fallback, &t.c->sites[0].serving);
	cr_expect_not_null(tls_sites_context(l[0].tls_sites));
	cr_expect_eq(names_find(l[1].routes.names, STR("other"), NULL), &t.c->sites[1].serving);
	cr_expect_null(l[1].routes.fallback);
	cr_expect_null(l[1].tls_sites);
}

Test(open, roots_are_open_and_close_on_exec)
{
	struct stat a, b;
	int fd;

	conf_open(&t, with("", good));
	cr_assert_eq(t.f.n, 0, "%s", conf_findings(&t));
	fd = t.c->sites[0].routes[0].files.root_fd;
	cr_assert_eq(fstat(fd, &a), 0);
	cr_assert_eq(stat(t.dir, &b), 0);
	cr_expect_eq(a.st_ino, b.st_ino);
	cr_expect(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	config_free(t.c);
	t.c = NULL;
	cr_expect_eq(fcntl(fd, F_GETFD), -1, "config_free() closes it");
}

Test(open, faults_of_certificates_come_to_their_line)
{
	static const struct {
		const char *site;
		int line;
		const char *words;
	} cases[] = {
		{ "certificate = \"a.pem\";\n private_key = \"b.key\";", 4,
			"b.key|not the certificate's" },
		{ "\ncertificate = \"none.pem\"; private_key = \"a.key\";", 4,
			"none.pem|No such file" },
		{ "certificate = \"a.pem\";\nprivate_key = \"none.key\";", 4,
			"none.key|No such file" },
		{ "certificate = \"a.key\"; private_key = \"a.key\";", 3, "a.key|no certificate" },
		{ "certificate = \"a.pem\"; private_key = \"t.txt\";", 3, "t.txt|no private key" },
		{ "certificate = \".\"; private_key = \"a.key\";", 3, "directory" },
		{ "certificates = ( { certificate = \"a.pem\"; },\n { certificate = "
		  "\"none.pem\"; } );",
			4, "none.pem" },
		{ "certificate = \"a.pem\"; private_key = \"a.key\";\npassphrase_file = \"none\";",
			4, "none|No such" },
	};

	conf_write(&t, "t.txt", "nothing\n");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char site[512];

		snprintf(site, sizeof(site), "%s routes = ( { path = \"/\"; status = {}; } );",
			cases[i].site);
		conf_open(&t, with("", site));
		cr_expect(conf_has_error(&t, cases[i].line, cases[i].words), "%s%s", cases[i].site,
			conf_findings(&t));
		cr_expect_eq(t.f.errors, 1, "%s%s", cases[i].site, conf_findings(&t));
		cr_expect_eq(findings_code(&t.f), 78);
	}
}

Test(open, the_key_in_the_file_of_the_certificate)
{
	conf_open(&t,
		with("", "certificate = \"a.pem\"; routes = ( { path = \"/\"; status = {}; } );"));
	cr_expect_eq(t.f.errors, 0, "%s", conf_findings(&t));
}

Test(open, tls_options_that_openssl_does_not_know)
{
	conf_open(&t, with("\ntls = {\nciphers = \"FOO\"; };",
			      "certificate = \"a.pem\"; private_key = "
			      "\"b.key\"; routes = ( { path = \"/\"; status = {}; } );"));
	cr_expect(conf_has_error(&t, 3, "tls.ciphers|FOO"), "%s", conf_findings(&t));
	cr_expect(conf_has_error(&t, 5, "not the certificate's"), "found in the same run%s",
		conf_findings(&t));
	conf_open(&t, with("tls = { min_version = \"1.3\"; max_version = \"1.2\"; };", good));
	cr_expect(conf_has_error(&t, 1, "min_version"), "%s", conf_findings(&t));
}

Test(open, names_that_the_certificate_does_not_cover)
{
	conf_open(&t, "\nlisteners = ( { name = \"s\"; address = \"127.0.0.1:1\"; } );\n"
		      "sites = ( { names = [ \"localhost\",\n \"example.org\",\n \"127.0.0.1\",\n "
		      "\"*.example.net\" ]; certificate = \"a.pem\";\n"
		      "routes = ( { path = \"/\"; status = {}; } ); } );");
	cr_expect(conf_has_warning(&t, 4, "example.org"), "%s", conf_findings(&t));
	cr_expect(conf_has_warning(&t, 6, "*.example.net"));
	cr_expect_not(conf_has_warning(&t, 3, "cover"));
	cr_expect_not(conf_has_warning(&t, 5, "cover"));
}

Test(open, roots_that_cannot_be)
{
	conf_write(&t, "file", "x");
	conf_open(&t, with("", "certificate = \"a.pem\"; routes = (\n"
			       "{ path = \"/a\"; files = { root = \"none\"; }; },\n"
			       "{ path = \"/b\"; files = { root = \"file\"; }; } );"));
	cr_expect(conf_has_error(&t, 4, "/none|create"), "%s", conf_findings(&t));
	cr_expect(conf_has_error(&t, 5, "/file|directory"), "%s", conf_findings(&t));
	cr_expect_eq(t.f.errors, 2);
}

Test(open, the_test_mode_creates_nothing)
{
	char head[512];

	cr_assert_eq(chmod(t.dir, 0777), 0);
	snprintf(head, sizeof(head), "log = { target = \"%s\"; };", conf_path(&t, "new.log"));
	conf_open(&t, with(head, good));
	cr_expect_eq(t.f.errors, 0, "%s", conf_findings(&t));
	cr_expect_eq(access(conf_path(&t, "new.log"), F_OK), -1);
	cr_expect_eq(t.c->nlog_files, 1);
	cr_expect_eq(t.c->log_files[0].fd, -1);
}

Test(open, with_errors_nothing_is_created_either)
{
	char head[512];

	snprintf(head, sizeof(head), "workers = -1; log = { target = \"%s\"; };",
		conf_path(&t, "new.log"));
	conf_check(&t, with(head, good));
	config_open(t.c, CONFIG_OPEN_SERVE, NULL, &t.f);
	cr_expect_eq(access(conf_path(&t, "new.log"), F_OK), -1);
}

Test(open, logs_are_opened_once_and_shared)
{
	const struct config *c;
	struct stat st;
	char head[1024];

	snprintf(head, sizeof(head), "log = { target = \"%s\"; access = { target = \"%s\"; }; };",
		conf_path(&t, "err.log"), conf_path(&t, "acc.log"));
	conf_check(&t, with(head, good));
	config_open(t.c, CONFIG_OPEN_SERVE, NULL, &t.f);
	cr_assert_eq(t.f.errors, 0, "%s", conf_findings(&t));
	c = t.c;
	cr_assert_eq(c->nlog_files, 2);
	cr_expect_str_eq(c->log_files[0].path, c->log_path, "the error log is the first");
	cr_expect_eq(c->sites[0].access.file, &c->log_files[1]);
	cr_expect_eq(c->sites[1].access.file, &c->log_files[1]);
	cr_assert_eq(fstat(c->log_files[1].fd, &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0640);
	cr_expect(fcntl(c->log_files[1].fd, F_GETFL) & O_APPEND);
	cr_expect(fcntl(c->log_files[1].fd, F_GETFD) & FD_CLOEXEC);
	if (geteuid() == 0)
		cr_expect_eq(st.st_uid, getpwnam("nobody")->pw_uid);
}

Test(open, logs_that_cannot_be)
{
	char head[1024];

	cr_assert_eq(symlink("elsewhere", conf_path(&t, "link.log")), 0);
	snprintf(head, sizeof(head),
		"log = { target = \"%s\";\naccess = { target = \"/nowhere/x\"; }; };",
		conf_path(&t, "link.log"));
	for (int serve = 0; serve < 2; serve++) {
		conf_check(&t, with(head, good));
		config_open(t.c, serve ? CONFIG_OPEN_SERVE : CONFIG_OPEN_TEST, NULL, &t.f);
		cr_expect(conf_has_error(&t, 1,
				  "link.log|symbolic "
				  "link"),
			"%s", conf_findings(&t));
		cr_expect(conf_has_error(&t, 2, "/nowhere/x"), "%s", conf_findings(&t));
	}
}

/* What the worker's user may put into a log directory of its own. */
Test(open, root_follows_nobody_to_a_log)
{
	char head[512], own[256], name[300];
	int fd = -1;

	if (geteuid() != 0) {
		conf_done(&t); /* a skipped test has no end */
		cr_skip_test("only root has to mind");
	}
	snprintf(own, sizeof(own), "%s", conf_path(&t, "own"));
	snprintf(head, sizeof(head), "log = { access = { target = \"%s/sub/a.log\"; }; };", own);
	cr_assert_eq(mkdir(own, 0755), 0);
	snprintf(name, sizeof(name), "%s/sub", own);
	cr_assert_eq(symlink("..", name), 0);
	cr_assert_eq(lchown(name, 1, 1), 0);
	conf_open(&t, with(head, good));
	cr_assert_eq(t.c->nlog_files, 1, "%s", conf_findings(&t));
	config_reopen_logs(t.c, &fd, &t.f);
	cr_expect_eq(fd, -1);
	cr_expect(conf_has_warning(&t, 1, "a directory above"), "%s", conf_findings(&t));
	cr_expect_eq(lchown(name, 0, 0), 0);
	config_reopen_logs(t.c, &fd, &t.f);
	cr_expect_geq(fd, 0, "root's own link is fine: %s", conf_findings(&t));
	close(fd);
	cr_expect_eq(chown(own, 1, 1), 0);
	config_reopen_logs(t.c, &fd, &t.f);
	cr_expect_eq(fd, -1, "it could be moved there");
	unlink(name);
	rmdir(own);
}

Test(open, root_writes_no_log_that_has_another_name)
{
	char head[512];
	int fd = -1;

	if (geteuid() != 0) {
		conf_done(&t); /* a skipped test has no end */
		cr_skip_test("only root has to mind");
	}
	conf_write(&t, "secret", "x");
	cr_assert_eq(link(conf_path(&t, "secret"), conf_path(&t, "a.log")), 0);
	snprintf(head, sizeof(head), "log = { target = \"%s\"; };", conf_path(&t, "a.log"));
	conf_open(&t, with(head, good));
	cr_assert_eq(t.c->nlog_files, 1, "%s", conf_findings(&t));
	config_reopen_logs(t.c, &fd, &t.f);
	cr_expect_eq(fd, -1);
	cr_expect(conf_has_warning(&t, 1, "more names"), "%s", conf_findings(&t));
}

Test(open, reopening_logs)
{
	char head[512], moved[512];
	struct stat before, after;
	int fd = -1;

	snprintf(head, sizeof(head), "log = { access = { target = \"%s\"; }; };",
		conf_path(&t, "a.log"));
	conf_check(&t, with(head, good));
	config_open(t.c, CONFIG_OPEN_SERVE, NULL, &t.f);
	cr_assert_eq(t.c->nlog_files, 1, "%s", conf_findings(&t));
	snprintf(moved, sizeof(moved), "%s", conf_path(&t, "a.log.1"));
	cr_assert_eq(rename(conf_path(&t, "a.log"), moved), 0);
	config_reopen_logs(t.c, &fd, &t.f);
	cr_assert_geq(fd, 0);
	cr_assert_eq(fstat(fd, &after), 0);
	cr_assert_eq(stat(moved, &before), 0);
	cr_expect_neq(before.st_ino, after.st_ino);
	close(fd);
	cr_assert_eq(unlink(conf_path(&t, "a.log")), 0);
	cr_assert_eq(symlink("x", conf_path(&t, "a.log")), 0);
	config_reopen_logs(t.c, &fd, &t.f);
	cr_expect_eq(fd, -1);
	cr_expect(conf_has_warning(&t, 1, "a.log|stays in use"), "%s", conf_findings(&t));
}

Test(open, as_root_files_are_judged_as_the_user)
{
	char head[512];

	if (geteuid() != 0) {
		conf_done(&t); /* a skipped test has no end */
		cr_skip_test("only root can become another user");
	}
	cr_assert_eq(mkdir(conf_path(&t, "private"), 0700), 0);
	snprintf(head, sizeof(head), "log = { target = \"%s\"; };", conf_path(&t, "x.log"));
	conf_open(&t, with(head, "certificate = \"a.pem\"; routes = (\n"
				 "{ path = \"/\"; files = { root = \"private\"; }; } );"));
	cr_expect(conf_has_error(&t, 4,
			  "private|nobody|Permission "
			  "denied"),
		"%s", conf_findings(&t));
	cr_expect(conf_has_error(&t, 1, "x.log|nobody"), "%s", conf_findings(&t));
	cr_expect_eq(geteuid(), 0, "the ids of this process are as they were");
	cr_expect_eq(getuid(), 0);
	rmdir(conf_path(&t, "private"));
}

Test(open, verdicts)
{
	struct judge_item items[] = {
		{ JUDGE_ROOT, t.dir, -1 },
		{ JUDGE_ROOT, conf_path(&t, "a.pem"), -1 },
		{ JUDGE_ROOT, "/nowhere", -1 },
		{ JUDGE_LOG, t.dir, -1 },
		{ JUDGE_LOG, "/nowhere/x", -1 },
		{ JUDGE_LOG, "/dev/null", -1 },
	};
	static const int expected[] = { 0, ENOTDIR, ENOENT, EISDIR, ENOENT, 0 };
	enum { N = sizeof(items) / sizeof(items[0]) };

	cr_assert_eq(judge_items(items, N, 65534, 65534, NULL), 0);
	for (size_t i = 0; i < N; i++)
		cr_expect_eq(items[i].errnum, expected[i], "%s: %s", items[i].path,
			strerror(items[i].errnum));
}

Test(open, ids)
{
	unsigned uid = 1, gid = 1;

	conf_load(&t, "\nuser = \"no-such-user-x\";\n" CONF_PLAIN);
	if (geteuid() != 0) {
		cr_expect_eq(config_ids(t.c, &uid, &gid, &t.f), 0);
		cr_expect_eq(uid, geteuid());
		cr_expect(conf_has_warning(&t, 2, "no-such-user-x|not used"), "%s",
			conf_findings(&t));
		return;
	}
	cr_expect_eq(config_ids(t.c, &uid, &gid, &t.f), -1);
	cr_expect(conf_has_error(&t, 2, "no-such-user-x|useradd"), "%s", conf_findings(&t));
	conf_load(&t, "user = \"nobody\";\ngroup = \"no-such-group-x\";\n" CONF_PLAIN);
	cr_expect_eq(config_ids(t.c, &uid, &gid, &t.f), -1);
	cr_expect(conf_has_error(&t, 2, "no-such-group-x|groupadd"), "%s", conf_findings(&t));
	conf_load(&t, "user = \"nobody\";\n" CONF_PLAIN);
	cr_assert_eq(config_ids(t.c, &uid, &gid, &t.f), 0);
	cr_expect_eq(uid, getpwnam("nobody")->pw_uid);
	cr_expect_eq(gid, getpwnam("nobody")->pw_gid, "the user's own group");
	conf_load(&t, "user = \"nobody\"; group = \"root\";\n" CONF_PLAIN);
	cr_assert_eq(config_ids(t.c, &uid, &gid, NULL), 0);
	cr_expect_eq(gid, 0);
}

Test(open, prepare_gives_all_or_nothing)
{
	conf_write(&t, "good.conf", with("", good));
	t.c = config_prepare(conf_path(&t, "good.conf"), CONFIG_OPEN_TEST, NULL, &t.f);
	cr_assert(t.c, "%s", conf_findings(&t));
	config_free(t.c);
	conf_write(&t, "t.conf",
		with("workers = -1;", "certificate = \"none\"; routes = ( { path = \"x\"; } );"));
	t.c = config_prepare(conf_path(&t, "t.conf"), CONFIG_OPEN_TEST, NULL, &t.f);
	cr_expect_null(t.c);
	cr_expect(conf_has_error(&t, 1, "workers"), "of reading%s", conf_findings(&t));
	cr_expect(conf_has_error(&t, 3, "\"/x\""), "of checking");
	cr_expect(conf_has_error(&t, 3, "none"), "of opening");
	for (size_t i = 1; i < t.f.n; i++)
		cr_expect_leq(t.f.v[i - 1].err.line, t.f.v[i].err.line, "in order");
}

/* Sites of two listeners may have the same name; a series may not be there twice. */
Test(open, metrics_know_each_certificate_once)
{
	static const char pair[] = "certificate = \"a.pem\"; private_key = \"a.key\";";
	const struct config_site *site;
	char text[2048];

	snprintf(text, sizeof(text),
		"%s listeners = ( { name = \"s\"; address = \"127.0.0.1:1\"; },"
		"{ name = \"t\"; address = \"127.0.0.1:2\"; } );\n"
		"sites = ( { names = [ \"localhost\" ]; listeners = [ \"s\" ]; %s"
		" routes = ( { path = \"/\"; metrics = {}; } ); },"
		"{ names = [ \"localhost\" ]; listeners = [ \"t\" ]; %s"
		" routes = ( { path = \"/\"; status = {}; } ); } );\n",
		USER, pair, pair);
	conf_open(&t, text);
	cr_assert_eq(t.f.n, 0, "%s", conf_findings(&t));
	site = &t.c->sites[0];
	cr_expect_eq(site->serving.routes[0].handle, metrics_handle);
	cr_expect_eq(site->serving.routes[0].options, &t.c->metrics);
	cr_assert_eq(t.c->metrics.ncertificates, 1);
	cr_expect_str_eq(t.c->metrics.certificates[0].site, "localhost");
	cr_expect_gt(t.c->metrics.certificates[0].not_after, 0);
}
