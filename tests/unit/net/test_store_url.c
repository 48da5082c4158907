/* store_url: what is an address, what is none, and what is said of one. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/store_url.h"

static int parse(const char *text, struct store_url *u, struct err *e)
{
	/* On the heap and without an end: a byte too far is seen. */
	size_t n = strlen(text);
	char *copy = malloc(n + 1);

	memcpy(copy, text, n);
	int rc = store_url_parse((struct str){ copy, n }, u, e);
	free(copy);
	return rc;
}

Test(store_url, addresses)
{
	static const struct {
		const char *text;
		enum store_url_way way;
		const char *host, *user, *password;
		unsigned port, db;
		const char *shown;
		bool exposed;
	} rows[] = {
		{ "redis://a", STORE_URL_PLAIN, "a", "", "", 6379, 0, "redis://a:6379/0", true },
		{ "redis://a/", STORE_URL_PLAIN, "a", "", "", 6379, 0, "redis://a:6379/0", true },
		{ "redis://127.1.2.3:65535/15", STORE_URL_PLAIN, "127.1.2.3", "", "", 65535, 15,
			"redis://127.1.2.3:65535/15", false },
		{ "redis://128.0.0.1", STORE_URL_PLAIN, "128.0.0.1", "", "", 6379, 0,
			"redis://128.0.0.1:6379/0", true },
		{ "redis://localhost:1", STORE_URL_PLAIN, "localhost", "", "", 1, 0,
			"redis://localhost:1/0", false },
		{ "rediss://u:p@h.example:7/2", STORE_URL_TLS, "h.example", "u", "p", 7, 2,
			"rediss://h.example:7/2", false },
		{ "redis://:p%40%2f%25@[::1]:7", STORE_URL_PLAIN, "::1", "", "p@/%", 7, 0,
			"redis://[::1]:7/0", false },
		{ "redis://u@v:p:q@[2001:db8::1]", STORE_URL_PLAIN, "2001:db8::1", "u@v", "p:q",
			6379, 0, "redis://[2001:db8::1]:6379/0", true },
		{ "unix:/run/redis/redis.sock", STORE_URL_UNIX, "/run/redis/redis.sock", "", "",
			6379, 0, "unix:/run/redis/redis.sock", false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err e = { 0 };
		struct store_url u;
		char shown[STORE_URL_TEXT_SIZE];

		cr_assert_eq(parse(rows[i].text, &u, &e), 0, "%s: %s", rows[i].text, e.text);
		cr_expect_eq(u.way, rows[i].way, "%s", rows[i].text);
		cr_expect_str_eq(u.host, rows[i].host);
		cr_expect_str_eq(u.user, rows[i].user);
		cr_expect_str_eq(u.password, rows[i].password);
		cr_expect_eq(u.port, rows[i].port, "%s", rows[i].text);
		cr_expect_eq(u.db, rows[i].db, "%s", rows[i].text);
		cr_expect_str_eq(store_url_format(&u, shown), rows[i].shown);
		cr_expect_eq(store_url_is_exposed(&u), rows[i].exposed, "%s", rows[i].text);
	}
}

Test(store_url, what_is_none)
{
	static const char *const rows[] = { "", "redis", "redis:", "redis:/", "redis://",
		"redis://@h", "redis://hunter2@h", "redis://user:@h", "redis://:hunter2%@h",
		"redis://:hunter2%4@h", "redis://:hunter2%4g@h", "redis://:hunter2%00@h",
		"redis://h:", "redis://h:0", "redis://h:65536", "redis://h:1x", "redis://h:+1",
		"redis://h/x", "redis://h/1/", "redis://h/-1", "redis://h/65536",
		"redis://h/18446744073709551616", "redis://[::1", "redis://[::1]1", "redis://[]",
		"redis://[1.2.3.4]", "redis://::1", "redis://h h", "redis://-h", "redis://.h",
		"redis://:hunter2@", "REDIS://h", "http://h", "unix:", "unix:x", "valkey://h" };
	struct store_url u;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err e = { 0 };

		cr_expect_eq(parse(rows[i], &u, &e), -1, "%s", rows[i]);
		cr_expect_eq(e.code, ERR_CONFIG, "%s", rows[i]);
		cr_expect_null(strstr(e.text, "hunter2"), "%s", e.text);
	}
}

/* Each part one byte too long, and a byte of no value in it. */
Test(store_url, bounds)
{
	static const struct {
		const char *before, *after;
		size_t fits;
	} rows[] = {
		{ "redis://", "", 255 },
		{ "redis://:", "@h", 511 },
		{ "redis://", ":p@h", 127 },
		{ "unix:/", "", 106 },
	};
	struct store_url u;
	struct err e;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t more = 0; more < 2; more++) {
			char text[1024] = "", part[600];
			size_t n = rows[i].fits + more;

			memset(part, 'a', n);
			part[n] = '\0';
			snprintf(text, sizeof(text), "%s%s%s", rows[i].before, part, rows[i].after);
			cr_expect_eq(parse(text, &u, &e), more ? -1 : 0, "row %zu, %zu", i, n);
		}
	cr_expect_eq(store_url_parse((struct str){ "redis://a\0b", 11 }, &u, &e), -1);
	cr_expect_eq(store_url_parse((struct str){ "unix:/a\0b", 9 }, &u, &e), -1);
}
