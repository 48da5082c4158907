/* The lists of a ClientHello. Refuses to judge them: that is OpenSSL's. */
#include "tls/hello.h"

#include <stdio.h>

#include <openssl/ssl.h>

struct offer {
	unsigned code;
	const char *name;
};

/* The bit of each is its place; the last one stands for all others. */
static const struct offer versions[] = {
	{ SSL3_VERSION, "SSL3" },
	{ TLS1_VERSION, "1.0" },
	{ TLS1_1_VERSION, "1.1" },
	{ TLS1_2_VERSION, "1.2" },
	{ TLS1_3_VERSION, "1.3" },
	{ 0, "other" },
};

/* IANA, "TLS Supported Groups". */
static const struct offer groups[] = {
	{ 0x001d, "X25519" },
	{ 0x0017, "P-256" },
	{ 0x0018, "P-384" },
	{ 0x0019, "P-521" },
	{ 0x001e, "X448" },
	{ 0x0100, "ffdhe2048" },
	{ 0x0101, "ffdhe3072" },
	{ 0x0102, "ffdhe4096" },
	{ 0x11ec, "X25519MLKEM768" },
	{ 0x11eb, "P-256MLKEM768" },
	{ 0, "other" },
};

enum {
	VERSIONS = sizeof(versions) / sizeof(versions[0]),
	GROUPS = sizeof(groups) / sizeof(groups[0]),
};

bool hello_is_grease(unsigned code)
{
	return (code & 0x0f0f) == 0x0a0a && code >> 8 == (code & 0xff);
}

static unsigned bit_of(unsigned code, const struct offer *table, unsigned n)
{
	unsigned i = 0;

	if (hello_is_grease(code))
		return 0;
	while (i < n - 1 && table[i].code != code)
		i++;
	return 1u << i;
}

/* An extension that is a list of 16-bit codes behind its length of `width` bytes. */
static unsigned take_list(
	SSL *ssl, unsigned extension, size_t width, const struct offer *table, unsigned n)
{
	const unsigned char *p;
	unsigned set = 0;
	size_t left;

	if (SSL_client_hello_get0_ext(ssl, extension, &p, &left) != 1 || left < width)
		return 0;
	for (p += width, left -= width; left >= 2; p += 2, left -= 2)
		set |= bit_of((unsigned)p[0] << 8 | p[1], table, n);
	return set;
}

void hello_take(struct ssl_st *ssl, uint8_t *ret_versions, uint16_t *ret_groups)
{
	unsigned set = take_list(ssl, TLSEXT_TYPE_supported_versions, 1, versions, VERSIONS);

	/* Before TLS 1.3 only the highest one was told. */
	if (!set)
		set = bit_of(SSL_client_hello_get0_legacy_version(ssl), versions, VERSIONS);
	*ret_versions = (uint8_t)set;
	*ret_groups = (uint16_t)take_list(ssl, TLSEXT_TYPE_supported_groups, 2, groups, GROUPS);
}

static struct str format(unsigned set, const struct offer *table, unsigned n, char *dst)
{
	size_t len = 0;

	dst[0] = '\0';
	for (unsigned i = 0; i < n; i++)
		if (set & 1u << i)
			len += (size_t)snprintf(dst + len, HELLO_TEXT_SIZE - len, "%s%s",
				len ? " " : "", table[i].name);
	return (struct str){ dst, len };
}

struct str hello_versions(uint8_t set, char dst[HELLO_TEXT_SIZE])
{
	return format(set, versions, VERSIONS, dst);
}

struct str hello_groups(uint16_t set, char dst[HELLO_TEXT_SIZE])
{
	return format(set, groups, GROUPS, dst);
}
