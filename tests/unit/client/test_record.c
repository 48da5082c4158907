/* The lines of --json. */
#include <criterion/criterion.h>
#include <string.h>

#include "client/record.h"

static const char *line(const struct record *r)
{
	static struct buf out;

	buf_done(&out);
	buf_init(&out, 0);
	cr_assert(record_write(r, &out));
	return buf_cstring(&out);
}

Test(record, a_fetch_that_went_well)
{
	const struct fetch_result result = { .status = 200,
		.is_tls = true,
		.resumed = true,
		.closure = CLOSURE_CLEAN,
		.content = 5,
		.duration_us = 12,
		.address = "127.0.0.1:1",
		.protocol = "HTTP/1.1",
		.version = "TLSv1.3",
		.cipher = "X",
		.alpn = "http/1.1" };
	const struct record r = { "u", OUTCOME_OK, "", 2, &result, false };

	cr_expect_str_eq(line(&r),
		"{\"event\":\"fetch\",\"url\":\"u\",\"exit\":0,\"redirects\":2,"
		"\"address\":\"127.0.0.1:1\",\"tls\":{\"version\":\"TLSv1.3\",\"cipher\":\"X\","
		"\"alpn\":\"http/1.1\",\"resumed\":true},\"status\":200,\"protocol\":\"HTTP/1.1\","
		"\"bytes\":5,\"closure\":\"clean\",\"duration_us\":12}\n");
}

Test(record, a_fetch_that_never_began)
{
	const struct fetch_result result = { .duration_us = 3, .warning = "w" };
	const struct record r = { "u", OUTCOME_NO_NAME, "a \"name\"", 0, &result, true };

	cr_expect_str_eq(line(&r),
		"{\"event\":\"fetch\",\"url\":\"u\",\"exit\":3,\"error\":\"a \\\"name\\\"\","
		"\"warning\":\"w\",\"insecure\":true,\"redirects\":0,\"duration_us\":3}\n");
}
