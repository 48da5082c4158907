/* The fingerprint of a ClientHello. */
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tls/ja4.h"

/* A ClientHello in the making. */
static unsigned char hello[8192];
static size_t n;

static void put(unsigned value, size_t width)
{
	while (width-- > 0)
		hello[n++] = (unsigned char)(value >> 8 * width);
}

static void put_codes(const uint16_t *codes, size_t ncodes, size_t width)
{
	put((unsigned)(2 * ncodes), width);
	for (size_t i = 0; i < ncodes; i++)
		put(codes[i], 2);
}

#define N(array) (sizeof(array) / sizeof((array)[0]))

static void begin(const uint16_t *ciphers, size_t nciphers)
{
	n = 0;
	put(0x0303, 2);
	n += 32; /* random */
	put(2, 1);
	put(0x1234, 2); /* session id */
	put_codes(ciphers, nciphers, 2);
	put(1, 1);
	put(0, 1); /* compression */
}

/* Where the length of the extensions goes. */
static size_t begin_extensions(void)
{
	put(0, 2);
	return n;
}

static void end_extensions(size_t at)
{
	hello[at - 2] = (unsigned char)((n - at) >> 8);
	hello[at - 1] = (unsigned char)(n - at);
}

static void put_alpn(const char *protocol)
{
	size_t len = strlen(protocol);

	put(0x0010, 2);
	put((unsigned)len + 3, 2);
	put((unsigned)len + 1, 2);
	put((unsigned)len, 1);
	memcpy(hello + n, protocol, len);
	n += len;
}

/* Whatever is read behind the end is seen by the sanitizer. */
static bool write_of(size_t len, char dst[JA4_SIZE])
{
	char *copy = malloc(len + 1);
	bool ok;

	cr_assert_not_null(copy);
	memcpy(copy, hello, len);
	copy = realloc(copy, len ? len : 1);
	ok = ja4_write((struct str){ copy, len }, dst);
	free(copy);
	return ok;
}

static const char *ja4(void)
{
	static char text[JA4_SIZE];

	return write_of(n, text) ? text : "none";
}

/* A browser, as in the publication, in another order and with GREASE. */
static void put_browser(const char *protocol)
{
	static const uint16_t ciphers[] = { 0x2a2a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c,
		0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035 };
	static const uint16_t empty[] = { 0x0a0a, 0x0000, 0x0017, 0xff01, 0x000a, 0x000b, 0x0023,
		0x0005, 0x0012, 0x0033, 0x002d, 0x001b, 0x4469, 0x0015, 0x8a8a };
	static const uint16_t versions[] = { 0x7a7a, 0x0304, 0x0303 };
	static const uint16_t algorithms[] = { 0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501,
		0x0806, 0x0601 };
	size_t at;

	begin(ciphers, N(ciphers));
	at = begin_extensions();
	for (size_t i = 0; i < N(empty); i++) {
		put(empty[i], 2);
		put(0, 2);
	}
	put_alpn(protocol);
	put(0x000d, 2);
	put(2 + 2 * N(algorithms), 2);
	put_codes(algorithms, N(algorithms), 2);
	put(0x002b, 2);
	put(1 + 2 * N(versions), 2);
	put_codes(versions, N(versions), 1);
	end_extensions(at);
}

Test(ja4, is_that_of_the_publication)
{
	put_browser("h2");
	cr_expect_str_eq(ja4(), "t13d1516h2_8daaf6152771_e5627efa2ab1");
}

Test(ja4, tells_the_ends_of_the_first_protocol)
{
	static const char *const rows[][2] = { { "http/1.1", "h1" }, { "x", "xx" },
		{ "\xab", "ab" }, { "\xab\x12\xcd", "ad" }, { "a-", "6d" }, { "", "00" } };

	for (size_t i = 0; i < N(rows); i++) {
		put_browser(rows[i][0]);
		cr_expect(strncmp(ja4(), "t13d1516", 8) == 0);
		cr_expect(strncmp(ja4() + 8, rows[i][1], 2) == 0, "%s", ja4());
	}
}

Test(ja4, of_a_client_without_extensions)
{
	static const uint16_t cipher[] = { 0x002f };

	begin(cipher, 1);
	cr_expect_str_eq(ja4(), "t12i010000_ba72b8082249_000000000000");
	put(0, 2);
	cr_expect_str_eq(ja4(), "t12i010000_ba72b8082249_000000000000");
	begin(cipher, 0);
	hello[1] = 0x01;
	cr_expect_str_eq(ja4(), "t10i000000_000000000000_000000000000");
}

Test(ja4, has_no_underscore_without_algorithms)
{
	static const uint16_t cipher[] = { 0x002f };
	size_t at;

	begin(cipher, 1);
	at = begin_extensions();
	put(0x0017, 2);
	put(0, 2);
	end_extensions(at);
	cr_expect_str_eq(ja4(), "t12i010100_ba72b8082249_1ca028f07214");
}

Test(ja4, none_of_what_is_cut)
{
	char text[JA4_SIZE];
	size_t whole;

	put_browser("h2");
	whole = n;
	for (size_t len = 0; len < whole; len++) {
		bool without_extensions = len == 2 + 32 + 3 + 2 + 32 + 2;

		cr_expect_eq(write_of(len, text), without_extensions, "%zu bytes", len);
	}
	cr_expect(write_of(whole, text));
	hello[n++] = 0;
	cr_expect_not(write_of(n, text), "bytes behind the end");
}

Test(ja4, none_of_too_many_codes)
{
	static uint16_t many[300];

	for (size_t i = 0; i < N(many); i++)
		many[i] = (uint16_t)(0xc000 + i);
	begin(many, 256);
	cr_expect(strncmp(ja4(), "t12i9900", 8) == 0, "%s", ja4());
	begin(many, 300);
	cr_expect_str_eq(ja4(), "none");
}
