/* What comes from a store of ticket keys: the same replies whichever way the bytes arrive; and its
 * address, which is what it says of itself. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "net/redis.h"
#include "net/store_url.h"

enum { REPLIES_MAX = 16 };

/* Feeds `cut` bytes, then the rest; how many replies, and how it ended. */
static size_t parse(const uint8_t *data, size_t size, size_t cut, struct redis_reply *replies,
	enum redis_result *ret_end)
{
	struct redis_parser *p = redis_parser_new();
	const size_t parts[2] = { cut, size - cut };
	size_t n = 0;

	*ret_end = REDIS_MORE;
	for (int i = 0; p && i < 2 && *ret_end != REDIS_GARBAGE; i++) {
		if (!redis_feed(p, data + (i ? cut : 0), parts[i]))
			break;
		do
			*ret_end = redis_next(p, &replies[n]);
		while (*ret_end == REDIS_COMPLETE && ++n < REPLIES_MAX);
		if (n == REPLIES_MAX)
			break;
	}
	redis_parser_free(p);
	return n;
}

static void check_replies(const uint8_t *data, size_t size)
{
	static struct redis_reply whole[REPLIES_MAX + 1], part[REPLIES_MAX + 1];
	enum redis_result end, part_end;
	size_t n = parse(data, size, 0, whole, &end);
	size_t m = parse(data, size, size ? fuzz_hash(data, size) % size : 0, part, &part_end);

	check(n == m && end == part_end);
	for (size_t i = 0; i < n; i++) {
		size_t kept = whole[i].n < REDIS_TEXT_MAX ? whole[i].n : REDIS_TEXT_MAX;

		check(whole[i].n <= size && whole[i].n == part[i].n);
		check(whole[i].kind == part[i].kind);
		check(memcmp(whole[i].text, part[i].text, kept) == 0);
	}
}

/* Without login it says the same once more. */
static void check_url(const uint8_t *data, size_t size)
{
	char text[STORE_URL_TEXT_SIZE], again[STORE_URL_TEXT_SIZE];
	struct store_url u, v;
	struct err e;

	if (store_url_parse((struct str){ (const char *)data, size }, &u, &e) < 0)
		return;
	check(memchr(u.host, '\0', sizeof(u.host)) && memchr(u.user, '\0', sizeof(u.user)));
	check(memchr(u.password, '\0', sizeof(u.password)) && (!u.user[0] || u.password[0]));
	store_url_format(&u, text);
	check(store_url_parse(str_of(text), &v, &e) == 0);
	check(v.way == u.way && v.db == u.db && v.port == u.port && !strcmp(v.host, u.host));
	check(store_url_is_exposed(&v) == store_url_is_exposed(&u));
	check(!strcmp(store_url_format(&v, again), text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_replies(data, size);
	check_url(data, size);
	return 0;
}
