/* Rehearsals: with real configurations, in a child that may come to harm. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/read.h"
#include "master/rehearsal.h"
#include "toy.h"

enum { PATIENCE_MS = 20000 };

static sd_event *event;
static char directory[] = "/tmp/latchd-test-XXXXXX";
static char path[64], fifo[64];
static struct config *before;
static struct rehearsal_result result;
static unsigned heard;

static void write_config(const char *extra)
{
	FILE *f = fopen(path, "w");

	cr_assert_not_null(f);
	fprintf(f,
		"%s\n%s\n"
		"listeners = ( { name = \"a\"; address = \"127.0.0.1:0\"; tls = false; } );\n"
		"sites = ( { names = [ \"*\" ];\n"
		"routes = ( { path = \"/\"; status = {}; } ); } );\n",
		geteuid() == 0 ? "user = \"root\"; group = \"root\";" : "", extra);
	cr_assert_eq(fclose(f), 0);
}

static void setup(void)
{
	struct findings f = { 0 };

	toy_setup();
	cr_assert_not_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/latchd.conf", directory);
	snprintf(fifo, sizeof(fifo), "%s/fifo", directory);
	cr_assert_eq(mkfifo(fifo, 0600), 0);
	write_config("");
	before = config_prepare(path, CONFIG_OPEN_TEST, NULL, &f);
	cr_assert_not_null(before);
	findings_done(&f);
	cr_assert_geq(sd_event_new(&event), 0);
}

static void teardown(void)
{
	rehearsal_result_done(&result);
	config_free(before);
	sd_event_unref(event);
	unlink(path);
	unlink(fifo);
	rmdir(directory);
}

TestSuite(rehearsal, .init = setup, .fini = teardown, .timeout = 60);

static void on_done(void *data, struct rehearsal_result *r)
{
	cr_expect_eq(data, &heard);
	result = *r;
	*r = (struct rehearsal_result){ 0 };
	heard++;
}

static bool is_done(void)
{
	return heard > 0;
}

static struct rehearsal *start(const struct config *serving, int64_t limit_ms)
{
	struct rehearsal_options o = { .event = event,
		.path = path,
		.before = serving,
		.limit_ms = limit_ms,
		.done = on_done,
		.data = &heard };
	struct rehearsal *r;
	struct err e;

	heard = 0;
	r = rehearsal_start(&o, &e);
	cr_assert_not_null(r, "%s", e.text);
	return r;
}

static void rehearse(const struct config *serving, int64_t limit_ms)
{
	start(serving, limit_ms);
	cr_assert(toy_turn_until(event, is_done, PATIENCE_MS));
	cr_expect_eq(heard, 1);
}

Test(rehearsal, a_good_configuration_has_no_errors_but_digests)
{
	int fds;

	rehearse(before, PATIENCE_MS); /* the first one has the loop open what it needs */
	rehearsal_result_done(&result);
	fds = toy_count_fds();
	rehearse(before, PATIENCE_MS);
	cr_expect_eq(result.findings.errors, 0);
	cr_expect_null(digest_list_differs(&before->digests, &result.digests));
	cr_expect_eq(buf_len(&result.changes), 0);
	cr_expect_eq(toy_count_fds(), fds);
	cr_expect_eq(toy->exits, 0, "the child left by exit()");
}

Test(rehearsal, what_changed_is_told)
{
	write_config("workers = 3;");
	rehearse(before, PATIENCE_MS);
	cr_expect_str_eq(buf_cstring(&result.changes), "workers: 0 -> 3\n");
	cr_expect_str_eq(digest_list_differs(&before->digests, &result.digests), path);
}

Test(rehearsal, errors_come_with_their_places)
{
	write_config("wrokers = 3; sigpipe = \"default\";");
	rehearse(before, PATIENCE_MS);
	cr_expect_eq(findings_code(&result.findings), ERR_CONFIG);
	cr_expect_eq(result.findings.errors, 1);
	for (size_t i = 0; i < result.findings.n; i++) {
		const struct finding *one = &result.findings.v[i];

		cr_expect_str_eq(one->err.file, path);
		cr_expect(!one->is_error || one->err.line == 2);
	}
	cr_expect_gt(result.findings.n, result.findings.errors, "and warnings");
}

Test(rehearsal, one_that_takes_too_long_is_ended)
{
	FILE *f = fopen(path, "a");

	for (int i = 0; i < 100000; i++) /* surely more than a millisecond's work */
		fprintf(f, "\n# a line that has to be read\n");
	fclose(f);
	rehearse(before, 1);
	cr_expect_eq(findings_code(&result.findings), ERR_SYSTEM);
	cr_expect_not_null(strstr(result.findings.v[0].err.text, "did not end within 1 ms"), "%s",
		result.findings.v[0].err.text);
}

Test(rehearsal, a_pipe_is_refused_and_not_waited_for)
{
	unlink(path);
	cr_assert_eq(rename(fifo, path), 0);
	rehearse(before, PATIENCE_MS);
	cr_expect_eq(findings_code(&result.findings), ERR_CONFIG);
	cr_expect_not_null(strstr(result.findings.v[0].err.text, "not a regular file"));
}

Test(rehearsal, one_that_crashes_harms_nobody)
{
	static char broken[sizeof(struct config)];

	memset(broken, 0x5a, sizeof(broken));
	rehearse((const struct config *)(const void *)broken, PATIENCE_MS);
	cr_expect_eq(findings_code(&result.findings), ERR_INTERNAL);
}

Test(rehearsal, one_that_is_stopped_says_nothing)
{
	rehearsal_stop(start(before, PATIENCE_MS));
	sd_event_run(event, 0);
	cr_expect_eq(heard, 0);
	rehearsal_stop(NULL);
}

static struct rehearsal_result sample(void)
{
	struct rehearsal_result r = { 0 };

	buf_init(&r.changes, 0);
	buf_append_str(&r.changes, STR("a: 1 -> 2\n"));
	findings_error(&r.findings, ERR_PERMISSION, "/f", 7, "an error");
	findings_warning(&r.findings, NULL, 0, "a warning");
	digest_list_add(&r.digests, "/b", "b", 1);
	digest_list_add(&r.digests, "/a", "a", 1);
	return r;
}

Test(rehearsal, a_result_survives_the_way)
{
	struct rehearsal_result there = sample();
	struct buf b;

	buf_init(&b, 0);
	cr_assert_eq(rehearsal_pack(&there, &b), 0);
	cr_assert_eq(rehearsal_unpack(buf_str(&b), &result), 0);
	cr_expect_eq(result.findings.n, 2);
	cr_expect_eq(result.findings.errors, 1);
	cr_expect_eq(result.findings.v[0].err.code, ERR_PERMISSION);
	cr_expect_eq(result.findings.v[0].err.line, 7);
	cr_expect_str_eq(result.findings.v[1].err.text, "a warning");
	digest_list_finish(&there.digests);
	cr_expect_null(digest_list_differs(&there.digests, &result.digests));
	cr_expect_str_eq(buf_cstring(&result.changes), "a: 1 -> 2\n");
	rehearsal_result_done(&there);
	buf_done(&b);
}

Test(rehearsal, half_a_result_is_none)
{
	struct rehearsal_result there = sample();
	struct buf b;
	char *copy;

	buf_init(&b, 0);
	cr_assert_eq(rehearsal_pack(&there, &b), 0);
	for (size_t n = 0; n < buf_len(&b); n++) {
		struct rehearsal_result half = { 0 };

		copy = malloc(n + 1);
		memcpy(copy, buf_head(&b), n);
		cr_expect_eq(rehearsal_unpack((struct str){ copy, n }, &half), -1, "%zu", n);
		rehearsal_result_done(&half);
		free(copy);
	}
	rehearsal_result_done(&there);
	buf_done(&b);
}
