/* The command line of latch. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "client/options.h"

enum { WORDS_MAX = 64 };

static struct options o;
static struct err e;

static void teardown(void)
{
	options_done(&o);
}

TestSuite(options, .fini = teardown);

/* Splits at blanks; the words outlive the options. */
static int parse(const char *line)
{
	static char copy[512];
	char *argv[WORDS_MAX + 1] = { 0 };
	static char *kept[WORDS_MAX + 1];
	char *p = copy;
	int argc = 0;

	options_done(&o);
	memset(&e, 0, sizeof(e));
	snprintf(copy, sizeof(copy), "latch %s", line);
	while (p && argc < WORDS_MAX) {
		char *word = strsep(&p, " ");

		if (*word)
			argv[argc++] = word;
	}
	memcpy(kept, argv, sizeof(kept));
	return options_parse(&o, argc, kept, &e);
}

static void expect_url(size_t i, const char *url)
{
	cr_assert_lt(i, o.urls.n);
	cr_expect_str_eq(o.urls.text[i], url);
}

/* It is refused, and the sentence has `part` in it. */
static void expect_refused(const char *line, const char *part)
{
	cr_expect_eq(parse(line), -1, "%s: was taken", line);
	cr_expect_eq(e.code, ERR_USAGE);
	cr_expect_not_null(strstr(e.text, part), "%s: says \"%s\"", line, e.text);
}

Test(options, defaults_are_those_of_the_manual)
{
	cr_assert_eq(parse("https://example.org/"), 0);
	cr_expect_null(o.output);
	cr_expect_null(o.ca);
	cr_expect_eq(o.timeout_ms, 30000);
	cr_expect_eq(o.shutdown, CLOSING_LENIENT);
	cr_expect_eq(o.progress, OPTIONS_PROGRESS_AUTO);
	cr_expect_str_empty(o.connect_host);
	cr_expect_eq(o.connect_port, 0);
	cr_expect(!o.with_head && !o.head_only && !o.fail && !o.verbose && !o.quiet && !o.insecure);
	cr_expect_eq(o.urls.n, 1);
	expect_url(0, "https://example.org/");
}

Test(options, every_option_is_understood)
{
	cr_assert_eq(parse("-o out -i -I -v --ca ca.pem -k --connect 127.0.0.1:8443 --timeout 5s "
			   "--shutdown strict --progress --fail u"),
		0, "%s", e.text);
	cr_expect_str_eq(o.output, "out");
	cr_expect_str_eq(o.ca, "ca.pem");
	cr_expect(o.with_head && o.head_only && o.verbose && o.insecure && o.fail);
	cr_expect_str_eq(o.connect_host, "127.0.0.1");
	cr_expect_eq(o.connect_port, 8443);
	cr_expect_eq(o.timeout_ms, 5000);
	cr_expect_eq(o.shutdown, CLOSING_STRICT);
	cr_expect_eq(o.progress, OPTIONS_PROGRESS_ON);
	cr_expect_eq(parse("-q --no-progress u"), 0);
	cr_expect(o.quiet);
	cr_expect_eq(o.progress, OPTIONS_PROGRESS_OFF);
}

Test(options, every_option_of_requests_and_tls_is_understood)
{
	cr_assert_eq(parse("-X PUT -d @f -H A:b -L --max-redirects 3 --repeat 5 --json --crl c "
			   "--depth 2 --cert c --key k --pass-file p --allow-cn --verify after "
			   "--tls-min 1.2 --tls-max 1.3 --sni n -6 --proxy none u"),
		0, "%s", e.text);
	cr_expect_str_eq(o.method, "PUT");
	cr_expect_str_eq(o.data, "@f");
	cr_expect_eq(o.fields.n, 1);
	cr_expect_str_eq(o.fields.text[0], "A:b");
	cr_expect(o.follow && o.json && o.allow_cn);
	cr_expect_eq(o.max_redirects, 3);
	cr_expect_eq(o.repeat, 5);
	cr_expect_eq(o.depth, 2);
	cr_expect_eq(o.verify, OPTIONS_VERIFY_AFTER);
	cr_expect_str_eq(o.tls_min, "1.2");
	cr_expect_str_eq(o.tls_max, "1.3");
	cr_expect_eq(o.family, OPTIONS_IPV6);
	cr_expect_eq(parse("-O -C -4 u"), 0, "%s", e.text);
	cr_expect(o.remote_name && o.resume);
	cr_expect_eq(o.family, OPTIONS_IPV4);
}

Test(options, what_cannot_go_together_is_refused)
{
	static const char *const bad[] = { "-o a -O u", "-I -X GET u", "-I -d a u", "-C u",
		"-C -o a -I u", "-C -o a -d b u", "-C -o a u v", "--key k u", "--pass-file p u",
		"--tls-min 1.3 --tls-max 1.2 u", "-v --json u", "-k --crl c u", "-X A,B u",
		"-X CONNECT u", "--repeat 2 -C -o a u" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(parse(bad[i]), -1, "%s: was taken", bad[i]);
}

Test(options, arguments_have_a_form)
{
	expect_refused("--repeat 0 u", "--repeat 0: expected a number from 1 to");
	expect_refused("--depth x u", "--depth x: expected a number from 0 to");
	expect_refused("--tls-min 1.1 u", "--tls-min 1.1: expected 1.2 or 1.3");
	expect_refused("--verify never u", "expected handshake or after");
	expect_refused("-H novalue u", "expected 'Name: value'");
	expect_refused("-H a,b:c u", "expected 'Name: value'");
	expect_refused("-H Content-Length:3 u", "latch itself writes this field");
	expect_refused("-H transfer-encoding:x u", "latch itself writes this field");
}

Test(options, letters_gather_and_arguments_stick)
{
	cr_assert_eq(parse("-ikofile u"), 0, "%s", e.text);
	cr_expect(o.with_head && o.insecure);
	cr_expect_str_eq(o.output, "file");
	cr_assert_eq(parse("-ko file u"), 0, "%s", e.text);
	cr_expect_str_eq(o.output, "file");
	cr_assert_eq(parse("--ca=x=y u"), 0, "%s", e.text);
	cr_expect_str_eq(o.ca, "x=y");
}

Test(options, urls_and_options_mix)
{
	cr_assert_eq(parse("one -v two -- -three --four"), 0, "%s", e.text);
	cr_expect(o.verbose);
	cr_expect_eq(o.urls.n, 4);
	expect_url(0, "one");
	expect_url(1, "two");
	expect_url(2, "-three");
	expect_url(3, "--four");
}

Test(options, a_dash_is_standard_output_and_no_option)
{
	cr_assert_eq(parse("-o - u"), 0);
	cr_expect_null(o.output);
	cr_assert_eq(parse("-"), 0);
	expect_url(0, "-");
}

Test(options, the_last_one_wins)
{
	cr_assert_eq(parse("--shutdown strict --shutdown lenient --timeout 1s --timeout 2s u"), 0);
	cr_expect_eq(o.shutdown, CLOSING_LENIENT);
	cr_expect_eq(o.timeout_ms, 2000);
	cr_assert_eq(parse("--connect 127.0.0.1:8443 --connect ::1 u"), 0);
	cr_expect_str_eq(o.connect_host, "::1");
	cr_expect_eq(o.connect_port, 0, "the port of the first one is forgotten");
}

Test(options, connect_takes_every_kind_of_address)
{
	static const struct {
		const char *text, *host;
		unsigned port;
	} good[] = {
		{ "127.0.0.1", "127.0.0.1", 0 },
		{ "127.0.0.1:1", "127.0.0.1", 1 },
		{ "localhost:65535", "localhost", 65535 },
		{ "::1", "::1", 0 },
		{ "[::1]", "::1", 0 },
		{ "[::1]:8443", "::1", 8443 },
		{ "2001:db8::443", "2001:db8::443", 0 },
	};
	static const char *const bad[] = { ":443", "[]:443", "[::1", "[::1]443",
		"[::1]:", "a:", "a:0", "a:65536", "a:x", "a:-1", "a:99999999999999999999" };
	char line[128];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(line, sizeof(line), "--connect %s u", good[i].text);
		cr_assert_eq(parse(line), 0, "%s: %s", good[i].text, e.text);
		cr_expect_str_eq(o.connect_host, good[i].host);
		cr_expect_eq(o.connect_port, good[i].port, "%s", good[i].text);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(line, sizeof(line), "--connect %s u", bad[i]);
		expect_refused(line, "expected ADDR");
	}
}

Test(options, a_host_that_is_too_long_is_refused)
{
	char line[512], host[300];

	memset(host, 'a', sizeof(host));
	snprintf(line, sizeof(line), "--connect %.*s u", OPTIONS_HOST_SIZE - 1, host);
	cr_expect_eq(parse(line), 0);
	snprintf(line, sizeof(line), "--connect %.*s u", OPTIONS_HOST_SIZE, host);
	expect_refused(line, "expected ADDR");
}

Test(options, mistakes_are_named)
{
	expect_refused("", "no URL");
	expect_refused("-v", "no URL");
	expect_refused("-x u", "-x: unknown option");
	expect_refused("-vx u", "-x: unknown option");
	expect_refused("u -o", "-o: needs FILE");
	expect_refused("u --ca", "--ca: needs FILE|DIR");
	expect_refused("--ca= u", "--ca: needs");
	expect_refused("--fail=yes u", "--fail: takes no argument");
	expect_refused("--shutdown both u", "expected lenient or strict");
	expect_refused("-v -q u", "exclude each other");
}

Test(options, a_misspelt_option_brings_the_one_that_was_meant)
{
	expect_refused("--timout 3s u", "did you mean --timeout?");
	expect_refused("--shutdwon strict u", "did you mean --shutdown?");
	expect_refused("--noprogress u", "did you mean --no-progress?");
	expect_refused("--resolve-everything u", "latch -h lists them all");
	expect_refused("--timeou=3s u", "--timeou: unknown option; did you mean --timeout?");
}

Test(options, a_timeout_is_a_duration_above_zero)
{
	static const char *const bad[] = { "0", "0s", "5", "-1s", "s", "1y", "99999999999999d",
		"2147483648ms" };
	char line[64];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(line, sizeof(line), "--timeout %s u", bad[i]);
		expect_refused(line, "expected a duration");
	}
	cr_expect_eq(parse("--timeout 2147483647ms u"), 0);
	cr_expect_eq(o.timeout_ms, 2147483647);
}

Test(options, help_and_version_need_no_url)
{
	cr_assert_eq(parse("-h"), 0);
	cr_expect(o.help);
	cr_assert_eq(parse("--version"), 0);
	cr_expect(o.version);
	cr_assert_eq(parse("-V -q -v"), 0);
}

Test(options, done_takes_everything)
{
	struct options zero = { 0 };

	options_done(NULL);
	options_done(&zero);
	options_done(&zero);
}

Test(options, usage_has_every_option_and_exit_code)
{
	static const char *const words[] = { "-o FILE", "-i ", "-I ", "-v ", "-k ", "-q ", "--ca",
		"--connect", "--timeout", "--shutdown", "--progress", "--no-progress", "--fail",
		"-h, --help", "-V, --version", "\n   0  ", "\n  13  cannot write the output" };
	const char *text;
	struct buf out;

	buf_init(&out, 0);
	cr_assert(options_usage(&o, &out));
	text = buf_cstring(&out);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		cr_expect_not_null(strstr(text, words[i]), "%s is missing", words[i]);
	buf_done(&out);
}
