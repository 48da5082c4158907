/* Partial files: what they are a part of, and what an answer says about parts. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/partial.h"

static struct response_head head;

static void field(const char *name, const char *value)
{
	cr_assert(fields_add(&head.fields, str_of(name), str_of(value)));
}

static void expect_validator(const char *expected)
{
	struct str v = partial_validator(&head);

	cr_expect(expected ? str_eq(v, str_of(expected)) : !v.p, STR_FMT, STR_ARG(v));
	fields_clear(&head.fields);
}

Test(partial, only_strong_validators_count)
{
	static const char modified[] = "Sun, 06 Nov 1994 08:49:37 GMT";

	field("etag", "\"a\"");
	field("last-modified", modified);
	expect_validator("\"a\"");
	field("etag", "W/\"a\"");
	expect_validator(NULL);
	field("etag", "W/\"a\"");
	field("last-modified", modified);
	field("date", "Sun, 06 Nov 1994 08:49:38 GMT");
	expect_validator(modified);
	field("last-modified", modified);
	field("date", modified); /* it may change again within that second */
	expect_validator(NULL);
	field("last-modified", modified); /* nobody says when it was asked */
	expect_validator(NULL);
	expect_validator(NULL);
}

Test(partial, content_ranges)
{
	static const struct {
		const char *text;
		bool good;
		uint64_t from, total;
	} rows[] = {
		{ "bytes 5-9/10", true, 5, 10 },
		{ "bytes 0-0/*", true, 0, 0 },
		{ "bytes */10", true, UINT64_MAX, 10 },
		{ "bytes 5-9", false, 0, 0 },
		{ "bytes 9-5/10", false, 0, 0 },
		{ "bytes 5-9/9", false, 0, 0 },
		{ "bytes 5-9/", false, 0, 0 },
		{ "bytes -9/10", false, 0, 0 },
		{ "bytes 5/10", false, 0, 0 },
		{ "bytes 5-99999999999999999999/*", false, 0, 0 },
		{ "items 5-9/10", false, 0, 0 },
		{ "", false, 0, 0 },
	};
	uint64_t from, total;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool good = partial_parse_range(str_of(rows[i].text), &from, &total);

		cr_expect_eq(good, rows[i].good, "%s", rows[i].text);
		if (good) {
			cr_expect_eq(from, rows[i].from, "%s", rows[i].text);
			cr_expect_eq(total, rows[i].total, "%s", rows[i].text);
		}
	}
}

Test(partial, a_file_remembers_until_it_is_told_to_forget)
{
	char path[] = "/tmp/latch-partial.XXXXXX";
	int fd = mkstemp(path);
	struct partial p;

	cr_assert_geq(fd, 0);
	if (!partial_mark(fd, STR("\"a\"")))
		cr_skip_test("no extended attributes in /tmp");
	cr_expect(!partial_load(path, &p), "nothing is in it yet");
	cr_assert_eq(write(fd, "hello", 5), 5);
	cr_assert(partial_load(path, &p));
	cr_expect_eq(p.size, 5);
	cr_expect_str_eq(p.validator, "\"a\"");
	cr_assert(partial_mark(fd, STR("bad\r\nline")));
	cr_expect(!partial_load(path, &p), "what may not stand in a field is no validator");
	cr_assert(partial_mark(fd, (struct str){ NULL, 0 }));
	cr_expect(!partial_load(path, &p));
	cr_expect(!partial_load("/nonexistent", &p));
	unlink(path);
	close(fd);
}
