/* The fingerprint of a ClientHello, of which every byte is hostile: OpenSSL may not have looked at
 * it yet. Refuses to judge it. */
#include "tls/ja4.h"

#include <stdint.h>
#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/ssl.h>

#include "base/buf.h"
#include "tls/hello.h"

enum {
	CODES_MAX = 256,
	HASH_DIGITS = 12,
	RANDOM_SIZE = 32,
	COUNT_MAX = 99,
};

/* What is left of a vector. */
struct reader {
	const unsigned char *p;
	size_t n;
	bool bad; /* it ended too early */
};

struct codes {
	size_t n;
	uint16_t v[CODES_MAX];
	bool full;
};

struct offers {
	struct codes ciphers, extensions, algorithms;
	unsigned version;
	bool has_name;
	struct reader protocol; /* the first one of ALPN; n 0: none */
};

static struct reader take(struct reader *r, size_t n)
{
	struct reader taken = { r->p, n, false };

	if (n > r->n) {
		r->bad = true;
		n = taken.n = r->n;
	}
	r->p += n;
	r->n -= n;
	return taken;
}

static unsigned number(struct reader *r, size_t width)
{
	struct reader bytes = take(r, width);
	unsigned value = 0;

	while (bytes.n-- > 0)
		value = value << 8 | *bytes.p++;
	return value;
}

/* A vector behind its length of `width` bytes. */
static struct reader vector(struct reader *r, size_t width)
{
	return take(r, number(r, width));
}

static void add(struct codes *c, unsigned code)
{
	if (hello_is_grease(code))
		return;
	if (c->n == CODES_MAX)
		c->full = true;
	else
		c->v[c->n++] = (uint16_t)code;
}

static void add_all(struct codes *c, struct reader list)
{
	while (list.n >= 2)
		add(c, number(&list, 2));
}

static unsigned highest(struct reader list, unsigned otherwise)
{
	unsigned most = 0;

	while (list.n >= 2) {
		unsigned version = number(&list, 2);

		if (!hello_is_grease(version) && version > most)
			most = version;
	}
	return most ? most : otherwise;
}

/* False: malformed. */
static bool read_extension(struct offers *o, unsigned type, struct reader content)
{
	struct reader list;

	add(&o->extensions, type);
	switch (type) {
	case TLSEXT_TYPE_server_name:
		o->has_name = true;
		break;
	case TLSEXT_TYPE_supported_versions:
		o->version = highest(vector(&content, 1), o->version);
		break;
	case TLSEXT_TYPE_signature_algorithms:
		add_all(&o->algorithms, vector(&content, 2));
		break;
	case TLSEXT_TYPE_application_layer_protocol_negotiation:
		list = vector(&content, 2);
		o->protocol = vector(&list, 1);
		return !content.bad && !list.bad;
	default:
		break;
	}
	return !content.bad;
}

static bool read_hello(struct reader hello, struct offers *o)
{
	struct reader extensions;

	o->version = number(&hello, 2);
	take(&hello, RANDOM_SIZE);
	vector(&hello, 1); /* session id */
	add_all(&o->ciphers, vector(&hello, 2));
	vector(&hello, 1); /* compression methods */
	if (hello.bad)
		return false;
	if (hello.n == 0) /* as clients of old times have none */
		return true;
	extensions = vector(&hello, 2);
	while (extensions.n > 0) {
		unsigned type = number(&extensions, 2);

		if (!read_extension(o, type, vector(&extensions, 2)))
			return false;
	}
	return !hello.bad && hello.n == 0 && !extensions.bad;
}

static const char *version_digits(unsigned version)
{
	switch (version) {
	case TLS1_3_VERSION:
		return "13";
	case TLS1_2_VERSION:
		return "12";
	case TLS1_1_VERSION:
		return "11";
	case TLS1_VERSION:
		return "10";
	case SSL3_VERSION:
		return "s3";
	default:
		return "00";
	}
}

static bool is_alphanumeric(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void protocol_ends(struct reader name, char dst[2])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char first, last;

	dst[0] = dst[1] = '0';
	if (name.n == 0)
		return;
	first = name.p[0];
	last = name.p[name.n - 1];
	if (is_alphanumeric(first) && is_alphanumeric(last)) {
		dst[0] = (char)first;
		dst[1] = (char)last;
	} else {
		dst[0] = digits[first >> 4];
		dst[1] = digits[last & 0xf];
	}
}

static int compare(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

/* "002f,0035"; false: out of memory. */
static bool put_list(struct buf *out, const struct codes *c)
{
	bool ok = true;

	for (size_t i = 0; ok && i < c->n; i++)
		ok = buf_appendf(out, "%s%04x", i ? "," : "", c->v[i]);
	return ok;
}

/* The digits of the hash of the text, which is dropped; zeros where there is none. */
static bool put_hash(struct buf *out, struct buf *text)
{
	unsigned char hash[EVP_MAX_MD_SIZE] = { 0 };

	if (buf_len(text) > 0 &&
		!EVP_Q_digest(NULL, "SHA256", NULL, buf_head(text), buf_len(text), hash, NULL))
		return false;
	for (size_t i = 0; i < HASH_DIGITS / 2; i++)
		buf_appendf(out, "%02x", hash[i]);
	buf_clear(text);
	return true;
}

/* Without SNI and ALPN, which differ from site to site. */
static void leave_out_names(struct codes *extensions)
{
	size_t n = 0;

	for (size_t i = 0; i < extensions->n; i++) {
		uint16_t type = extensions->v[i];

		if (type != TLSEXT_TYPE_server_name &&
			type != TLSEXT_TYPE_application_layer_protocol_negotiation)
			extensions->v[n++] = type;
	}
	extensions->n = n;
}

static void sort(struct codes *c)
{
	qsort(c->v, c->n, sizeof(c->v[0]), compare);
}

static unsigned count(const struct codes *c)
{
	return c->n < COUNT_MAX ? (unsigned)c->n : COUNT_MAX;
}

/* False: out of memory. */
static bool describe(struct offers *o, struct buf *out)
{
	struct buf text;
	char ends[2];
	bool ok;

	buf_init(&text, 0);
	protocol_ends(o->protocol, ends);
	buf_appendf(out, "t%s%c%02u%02u%.2s_", version_digits(o->version), o->has_name ? 'd' : 'i',
		count(&o->ciphers), count(&o->extensions), ends);
	sort(&o->ciphers);
	ok = put_list(&text, &o->ciphers) && put_hash(out, &text);
	buf_append(out, "_", 1);
	leave_out_names(&o->extensions);
	sort(&o->extensions);
	ok = ok && put_list(&text, &o->extensions) &&
	     (o->algorithms.n == 0 || buf_append(&text, "_", 1)) &&
	     put_list(&text, &o->algorithms) && put_hash(out, &text);
	buf_done(&text);
	return ok;
}

bool ja4_write(struct str hello, char dst[JA4_SIZE])
{
	struct reader r = { (const unsigned char *)hello.p, hello.n, false };
	struct offers o = { 0 };
	struct buf out = { .data = dst, .cap = JA4_SIZE, .max = JA4_SIZE };

	if (!read_hello(r, &o) || o.ciphers.full || o.extensions.full || o.algorithms.full ||
		!describe(&o, &out) || buf_len(&out) != JA4_SIZE - 1)
		return false;
	dst[JA4_SIZE - 1] = '\0';
	return true;
}
