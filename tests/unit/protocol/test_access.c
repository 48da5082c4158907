/* Access log lines: their form, what a client cannot do to them, and how they gather. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "protocol/access.h"

static struct log_file file;
static struct access_log logged;
static struct access_request request;
static char text[1024 * 1024];

static void setup(void)
{
	setenv("TZ", "UTC", 1);
	tzset();
	log_set(LOG_TARGET_OFF, -1, LOG_LEVEL_ERROR);
	file = (struct log_file){ .path = (char[]){ "access.log" } };
	file.fd = memfd_create("access", MFD_CLOEXEC);
	cr_assert_geq(file.fd, 0);
	logged = (struct access_log){
		.target = LOG_TARGET_FILE, .format = ACCESS_COMBINED, .file = &file
	};
	request = (struct access_request){
		.client = STR("192.0.2.7"),
		.site = STR("example.org"),
		.method = STR("GET"),
		.target = STR("/a?b=c"),
		.protocol = STR("HTTP/1.1"),
		.referer = STR("https://example.org/"),
		.user_agent = STR("curl/7.88.1"),
		.status = 200,
		.bytes = 1234,
		.duration_us = 56,
		.tls_version = STR("TLSv1.3"),
		.tls_cipher = STR("TLS_AES_128_GCM_SHA256"),
		.tls_resumed = 1,
		.worker = 3,
		.generation = 2,
		.stream = 4,
		.wall_ms = 971186136789, /* 2000-10-10 13:55:36.789 */
	};
}

static void teardown(void)
{
	buf_done(&file.pending);
	close(file.fd);
}

TestSuite(access, .init = setup, .fini = teardown);

/* What the file holds after a flush. */
static const char *flushed(void)
{
	ssize_t n;

	access_flush(&file);
	n = pread(file.fd, text, sizeof(text) - 1, 0);
	cr_assert_geq(n, 0);
	text[n] = '\0';
	return text;
}

static size_t lines(const char *all)
{
	size_t n = 0;

	for (; *all; all++)
		n += *all == '\n';
	return n;
}

Test(access, writes_combined)
{
	access_write_request(&logged, &request);
	cr_expect_str_eq(flushed(),
		"192.0.2.7 - - [10/Oct/2000:13:55:36 +0000] \"GET /a?b=c HTTP/1.1\" 200 1234 "
		"\"https://example.org/\" \"curl/7.88.1\"\n");
}

Test(access, writes_common)
{
	logged.format = ACCESS_COMMON;
	access_write_request(&logged, &request);
	cr_expect_str_eq(flushed(), "192.0.2.7 - - [10/Oct/2000:13:55:36 +0000] "
				    "\"GET /a?b=c HTTP/1.1\" 200 1234\n");
}

Test(access, absent_values_are_dashes)
{
	request = (struct access_request){ .client = STR("192.0.2.7"),
		.status = 400,
		.tls_resumed = -1,
		.wall_ms = 971186136789 };
	access_write_request(&logged, &request);
	cr_expect_str_eq(flushed(), "192.0.2.7 - - [10/Oct/2000:13:55:36 +0000] \"-\" 400 0 "
				    "\"-\" \"-\"\n");
}

Test(access, a_request_without_an_answer_has_no_status)
{
	request.status = 0;
	access_write_request(&logged, &request);
	cr_expect_not_null(strstr(flushed(), "\" - 1234 \""));
	logged.format = ACCESS_JSON;
	access_write_request(&logged, &request);
	cr_expect_not_null(strstr(flushed(), ",\"status\":null,\"bytes\":1234,"));
}

Test(access, the_time_follows_the_request)
{
	access_write_request(&logged, &request);
	request.wall_ms += 100; /* the same second */
	access_write_request(&logged, &request);
	request.wall_ms += 1000;
	access_write_request(&logged, &request);
	flushed();
	cr_expect_eq(lines(text), 3);
	cr_expect_not_null(strstr(text, "13:55:37"));
	cr_expect_not_null(strstr(strstr(text, "13:55:36") + 1, "13:55:36"));
}

Test(access, a_client_cannot_break_a_line)
{
	request.user_agent = STR("x\"\n127.0.0.1 - - \\ \x1b[31m \x7f \xc2\x9b \r\t\0 end");
	access_write_request(&logged, &request);
	flushed();
	cr_expect_eq(lines(text), 1);
	cr_expect_not_null(
		strstr(text, "\"x\\x22\\x0A127.0.0.1 - - \\x5C \\x1B[31m \\x7F \\xC2\\x9B "
			     "\\x0D\\x09\\x00 end\"\n"));
}

Test(access, cuts_what_is_too_long)
{
	static char longest[70000];

	memset(longest, '"', sizeof(longest)); /* four bytes each */
	request.client = request.method = request.protocol = request.target = request.referer =
		request.user_agent = (struct str){ longest, sizeof(longest) };
	access_write_request(&logged, &request);
	flushed();
	cr_expect_eq(lines(text), 1);
	cr_expect_lt(strlen(text), ACCESS_PENDING_MAX);
	cr_expect_gt(strlen(text), 4 * (ACCESS_TARGET_MAX + 2 * ACCESS_VALUE_MAX));
}

Test(access, writes_json_with_event_first)
{
	logged.format = ACCESS_JSON;
	access_write_request(&logged, &request);
	cr_expect_str_eq(flushed(),
		"{\"event\":\"request\",\"time\":\"2000-10-10T13:55:36.789Z\","
		"\"client\":\"192.0.2.7\",\"site\":\"example.org\",\"method\":\"GET\","
		"\"target\":\"/a?b=c\",\"protocol\":\"HTTP/1.1\",\"status\":200,\"bytes\":1234,"
		"\"duration_us\":56,\"referer\":\"https://example.org/\","
		"\"user_agent\":\"curl/7.88.1\",\"tls_version\":\"TLSv1.3\","
		"\"tls_cipher\":\"TLS_AES_128_GCM_SHA256\",\"tls_resumed\":true,"
		"\"tls_client_verify\":null,\"tls_client_subject\":null,"
		"\"tls_client_names\":null,"
		"\"tls_client_fingerprint\":null,\"worker\":3,\"generation\":2,\"stream\":4}\n");
}

Test(access, absent_values_are_null_in_json)
{
	logged.format = ACCESS_JSON;
	request.referer = request.tls_version = (struct str){ NULL, 0 };
	request.user_agent = STR("");
	request.tls_resumed = -1;
	access_write_request(&logged, &request);
	flushed();
	cr_expect_not_null(strstr(text, "\"referer\":null,\"user_agent\":\"\","));
	cr_expect_not_null(strstr(text, "\"tls_version\":null"));
	cr_expect_not_null(strstr(text, "\"tls_resumed\":null"));
}

Test(access, a_client_cannot_break_json)
{
	logged.format = ACCESS_JSON;
	request.user_agent = STR("\"},\n{\"event\":\"close\xff");
	access_write_request(&logged, &request);
	flushed();
	cr_expect_eq(lines(text), 1);
	cr_expect_not_null(
		strstr(text, "\"user_agent\":\"\\\"},\\n{\\\"event\\\":\\\"close\xef\xbf\xbd\""));
}

Test(access, writes_closures_in_json_only)
{
	struct access_close closed = { .client = STR("::1"),
		.site = STR("example.org"),
		.closure = STR("truncated"),
		.requests = 2,
		.bytes = 99,
		.duration_us = 7,
		.wall_ms = 971186136789 };

	access_write_close(&logged, &closed);
	logged.format = ACCESS_COMMON;
	access_write_close(&logged, &closed);
	cr_expect_str_eq(flushed(), "");
	logged.format = ACCESS_JSON;
	access_write_close(&logged, &closed);
	cr_expect_str_eq(flushed(),
		"{\"event\":\"close\",\"time\":\"2000-10-10T13:55:36.789Z\",\"client\":\"::1\","
		"\"site\":\"example.org\",\"closure\":\"truncated\",\"requests\":2,\"bytes\":99,"
		"\"duration_us\":7}\n");
}

Test(access, writes_failed_handshakes_in_json_only)
{
	struct access_handshake failed = { .client = STR("::1"),
		.reason = STR("unknown_ca"),
		.versions = STR("1.2 1.3"),
		.groups = STR("X25519"),
		.ja4 = STR("t13i0102h2_1_2"),
		.alert = 48,
		.alert_by = STR("client"),
		.wall_ms = 971186136789 };

	access_write_handshake(&logged, &failed);
	cr_expect_str_eq(flushed(), "");
	logged.format = ACCESS_JSON;
	access_write_handshake(&logged, &failed);
	failed.alert = -1;
	failed.sni = STR("example.org");
	failed.versions = failed.groups = failed.ja4 = failed.alert_by = (struct str){ NULL, 0 };
	access_write_handshake(&logged, &failed);
	cr_expect_str_eq(flushed(),
		"{\"event\":\"handshake_failed\",\"time\":\"2000-10-10T13:55:36.789Z\","
		"\"client\":\"::1\",\"sni\":null,\"reason\":\"unknown_ca\","
		"\"versions\":\"1.2 1.3\","
		"\"groups\":\"X25519\",\"ja4\":\"t13i0102h2_1_2\","
		"\"alert\":48,\"alert_by\":\"client\"}\n"
		"{\"event\":\"handshake_failed\",\"time\":\"2000-10-10T13:55:36.789Z\","
		"\"client\":\"::1\",\"sni\":\"example.org\",\"reason\":\"unknown_ca\","
		"\"versions\":null,\"groups\":null,\"ja4\":null,"
		"\"alert\":null,\"alert_by\":null}\n");
}

Test(access, gathers_lines_until_half_a_buffer)
{
	struct str all;
	size_t n = 0;

	access_write_request(&logged, &request);
	cr_expect_eq(lseek(file.fd, 0, SEEK_END), 0, "one line waits");
	all = buf_str(&file.pending);
	for (size_t gathered = all.n; gathered < ACCESS_PENDING_FLUSH; gathered += all.n, n++)
		access_write_request(&logged, &request);
	cr_expect_eq(buf_len(&file.pending), 0, "half a buffer is written");
	cr_expect_eq(lines(flushed()), n + 1);
}

Test(access, a_line_that_does_not_fit_behind_others_is_whole)
{
	static char target[ACCESS_TARGET_MAX];
	size_t n = 40;

	memset(target, '"', sizeof(target));
	for (size_t i = 0; i < n; i++) {
		request.target = i % 2 ? STR("/") : (struct str){ target, sizeof(target) };
		access_write_request(&logged, &request);
	}
	flushed();
	cr_expect_eq(lines(text), n);
	for (const char *at = text; *at; at = strchr(at, '\n') + 1)
		cr_assert_eq(strncmp(at, "192.0.2.7 - - [", 15), 0);
}

Test(access, lines_of_a_broken_log_are_dropped)
{
	int memory = file.fd;

	file.fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	cr_assert_geq(file.fd, 0);
	access_write_request(&logged, &request);
	access_flush(&file);
	cr_expect(file.failed);
	cr_expect_eq(buf_len(&file.pending), 0);
	close(file.fd);
	file.fd = memory;
	access_write_request(&logged, &request);
	cr_expect_eq(lines(flushed()), 1, "and it works again when the log does");
	cr_expect_not(file.failed);
}

Test(access, writes_to_standard_error_at_once)
{
	int saved = dup(STDERR_FILENO);

	logged.target = LOG_TARGET_STDERR;
	logged.file = NULL;
	cr_assert_geq(dup2(file.fd, STDERR_FILENO), 0);
	access_write_request(&logged, &request);
	access_write_request(&logged, &request);
	dup2(saved, STDERR_FILENO);
	close(saved);
	cr_expect_eq(lines(flushed()), 2);
	cr_expect_not_null(strstr(text, "13:55:36"));
}

Test(access, the_journal_takes_every_event_or_none)
{
	struct access_close closed = { .client = STR("::1"), .closure = STR("clean") };
	struct access_handshake failed = { .client = STR("::1"), .alert = -1 };
	static char longest[70000];

	memset(longest, '"', sizeof(longest));
	logged.target = LOG_TARGET_JOURNAL;
	request.target = request.user_agent = closed.site = failed.reason =
		(struct str){ longest, sizeof(longest) };
	access_write_request(&logged, &request);
	access_write_close(&logged, &closed);
	access_write_handshake(&logged, &failed);
	cr_expect_str_eq(flushed(), "", "nothing of it goes to the file");
}

Test(access, off_writes_nothing)
{
	logged.target = LOG_TARGET_OFF;
	access_write_request(&logged, &request);
	cr_expect_str_eq(flushed(), "");
	cr_expect_eq(file.pending.cap, 0);
}
