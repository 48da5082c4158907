/* redis: commands as bytes, and replies of servers that mean harm. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "net/redis.h"

#ifdef HAVE_HIREDIS

/* All at once, or byte by byte. */
static enum redis_result ask(const char *bytes, size_t n, bool slowly, struct redis_reply *ret)
{
	struct redis_parser *p = redis_parser_new();
	enum redis_result result = REDIS_MORE;

	cr_assert_not_null(p);
	for (size_t i = 0; i < n && result == REDIS_MORE; i += slowly ? 1 : n) {
		if (!redis_feed(p, bytes + i, slowly ? 1 : n)) {
			result = REDIS_GARBAGE;
			break;
		}
		result = redis_next(p, ret);
	}
	redis_parser_free(p);
	return result;
}

Test(redis, commands)
{
	const struct str words[] = { STR("SET"), { "k\0y", 3 }, STR("") };
	struct buf b;

	buf_init(&b, 40);
	cr_assert(redis_format(&b, words, 3));
	cr_expect(str_eq(buf_str(&b), STR("*3\r\n$3\r\nSET\r\n$3\r\nk\0y\r\n$0\r\n\r\n")));
	cr_expect_not(redis_format(&b, words, 3), "there is a bound");
	cr_expect_not(redis_format(&b, words, REDIS_WORDS_MAX + 1));
	buf_done(&b);
}

Test(redis, replies)
{
	static const struct {
		struct str bytes;
		enum redis_result result;
		enum redis_kind kind;
		struct str text;
	} rows[] = {
		{ { "+OK\r\n", 5 }, REDIS_COMPLETE, REDIS_STATUS, { "OK", 2 } },
		{ { "-ERR x\r\n", 8 }, REDIS_COMPLETE, REDIS_ERROR, { "ERR x", 5 } },
		{ { "$3\r\na\0b\r\n", 9 }, REDIS_COMPLETE, REDIS_BYTES, { "a\0b", 3 } },
		{ { "$0\r\n\r\n", 6 }, REDIS_COMPLETE, REDIS_BYTES, { "", 0 } },
		{ { "$-1\r\n", 5 }, REDIS_COMPLETE, REDIS_NIL, { "", 0 } },
		{ { "*-1\r\n", 5 }, REDIS_COMPLETE, REDIS_NIL, { "", 0 } },
		{ { ":-5\r\n", 5 }, REDIS_COMPLETE, REDIS_INTEGER, { "", 0 } },
		{ { "$3\r\nab", 6 }, REDIS_MORE, 0, { "", 0 } },
		{ { "+OK", 3 }, REDIS_MORE, 0, { "", 0 } },
		{ { "$1000000000\r\nx", 14 }, REDIS_MORE, 0, { "", 0 } },
		{ { "*0\r\n", 4 }, REDIS_GARBAGE, 0, { "", 0 } },
		{ { "*1\r\n+OK\r\n", 9 }, REDIS_GARBAGE, 0, { "", 0 } },
		{ { "*2147483647\r\n", 13 }, REDIS_GARBAGE, 0, { "", 0 } },
		{ { "$-2\r\n", 5 }, REDIS_GARBAGE, 0, { "", 0 } },
		{ { "$99999999999999999999\r\n", 23 }, REDIS_GARBAGE, 0, { "", 0 } },
		{ { "$x\r\n", 4 }, REDIS_GARBAGE, 0, { "", 0 } },
		{ { "HTTP/1.1 200 OK\r\n", 17 }, REDIS_GARBAGE, 0, { "", 0 } },
		{ { "\0\r\n", 3 }, REDIS_GARBAGE, 0, { "", 0 } },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (int slowly = 0; slowly < 2; slowly++) {
			struct redis_reply r = { .kind = REDIS_STATUS };

			cr_expect_eq(ask(rows[i].bytes.p, rows[i].bytes.n, slowly, &r),
				rows[i].result, "row %zu", i);
			if (rows[i].result != REDIS_COMPLETE)
				continue;
			cr_expect_eq(r.kind, rows[i].kind, "row %zu", i);
			cr_expect(str_eq((struct str){ r.text, r.n }, rows[i].text), "row %zu", i);
		}
}

/* Longer than there is room for: the length is told, the rest is dropped. */
Test(redis, long_ones)
{
	enum { LONG = 2 * REDIS_TEXT_MAX };
	char bytes[LONG + 3] = "+";
	struct redis_reply r;

	memset(bytes + 1, 'x', LONG);
	memcpy(bytes + 1 + LONG, "\r\n", 2);
	cr_assert_eq(ask(bytes, sizeof(bytes), false, &r), REDIS_COMPLETE);
	cr_expect_eq(r.n, LONG);
	cr_expect_eq(r.text[REDIS_TEXT_MAX - 1], 'x');
}

Test(redis, all_of_it_is_bounded)
{
	struct redis_parser *p = redis_parser_new();
	char bytes[4096];
	struct redis_reply r;
	size_t n = 0;

	memset(bytes, '\n', sizeof(bytes));
	memcpy(bytes, "$536870911\r\n", 12);
	while (redis_feed(p, bytes, sizeof(bytes))) {
		cr_assert_eq(redis_next(p, &r), REDIS_MORE);
		n += sizeof(bytes);
		cr_assert_leq(n, REDIS_INPUT_MAX);
	}
	cr_expect_eq(n, REDIS_INPUT_MAX);
	redis_parser_free(p);
	redis_parser_free(NULL);
}

/* Any bytes: no crash, and never more than what there is room for. */
Test(redis, bytes_by_chance)
{
	static const char chars[] = "+-:$*0123456789\r\n\r\n\r\nxE_#,~>(";
	unsigned seed = 7;

	for (int turn = 0; turn < 20000; turn++) {
		char bytes[64];
		struct redis_reply r;
		size_t n = 1 + (size_t)rand_r(&seed) % sizeof(bytes);

		for (size_t i = 0; i < n; i++)
			bytes[i] = chars[(size_t)rand_r(&seed) % (sizeof(chars) - 1)];
		if (ask(bytes, n, turn & 1, &r) == REDIS_COMPLETE)
			cr_assert_leq(r.n, sizeof(bytes));
	}
}

#endif
