/* The certificate's facts are taken out once, after the handshake; requests only compare. It
 * refuses names with bytes that no name has (RFC 5280 section 4.2.1.6: IA5String), so that none can
 * be taken for another. */
#include "tls/peer.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "base/buf.h"
#include "base/names.h"
#include "tls/facts.h"

enum { NAMES_MAX = 128, FINGERPRINT_BYTES = 32 };

enum kind { KIND_DNS, KIND_EMAIL, KIND_URI, KIND_IP, KINDS };

static const struct {
	struct str prefix;
	int san; /* type of a GENERAL_NAME */
} kinds[KINDS] = {
	[KIND_DNS] = { { "DNS:", 4 }, GEN_DNS },
	[KIND_EMAIL] = { { "email:", 6 }, GEN_EMAIL },
	[KIND_URI] = { { "URI:", 4 }, GEN_URI },
	[KIND_IP] = { { "IP:", 3 }, GEN_IPADD },
};

struct name {
	enum kind kind;
	size_t at, n; /* in `text` */
};

struct tls_peer {
	struct buf subject;
	struct buf text; /* of all names, as tls_peer_names() */
	struct name *name;
	size_t nnames;
	char fingerprint[TLS_FINGERPRINT_SIZE];
};

static bool is_printable(const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] <= 0x20 || p[i] >= 0x7f || p[i] == ',')
			return false;
	return n > 0;
}

/* The text of a subject alternative name; n is 0 where it is none of ours. */
static struct str general_name(
	const GENERAL_NAME *g, enum kind *ret_kind, char address[INET6_ADDRSTRLEN])
{
	const struct str none = { "", 0 };
	enum kind k = KIND_DNS;

	while (k < KINDS && kinds[k].san != g->type)
		k++;
	if (k == KINDS)
		return none;
	const ASN1_STRING *s = k == KIND_IP ? g->d.iPAddress : g->d.ia5;
	const unsigned char *p = ASN1_STRING_get0_data(s);
	size_t n = (size_t)ASN1_STRING_length(s);
	*ret_kind = k;
	if (k == KIND_IP) {
		int family = n == 4 ? AF_INET : AF_INET6;
		if ((n != 4 && n != 16) || !inet_ntop(family, p, address, INET6_ADDRSTRLEN))
			return none;
		return str_of(address);
	}
	return is_printable(p, n) ? (struct str){ (const char *)p, n } : none;
}

static bool add_name(struct tls_peer *p, enum kind kind, struct str s)
{
	bool ok = (p->nnames == 0 || buf_append(&p->text, ", ", 2)) &&
		  buf_append_str(&p->text, kinds[kind].prefix);
	p->name[p->nnames++] = (struct name){ kind, buf_len(&p->text), s.n };
	return ok && buf_append_str(&p->text, s);
}

static bool add_names(struct tls_peer *p, const X509 *cert)
{
	GENERAL_NAMES *all = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	char address[INET6_ADDRSTRLEN];
	enum kind kind = KIND_DNS;
	int n = all ? sk_GENERAL_NAME_num(all) : 0;

	n = n < NAMES_MAX ? n : NAMES_MAX;
	p->name = n > 0 ? calloc((size_t)n, sizeof(*p->name)) : NULL;
	bool ok = n == 0 || p->name;
	for (int i = 0; ok && i < n; i++) {
		struct str s = general_name(sk_GENERAL_NAME_value(all, i), &kind, address);
		ok = s.n == 0 || add_name(p, kind, s);
	}
	GENERAL_NAMES_free(all);
	return ok;
}

static bool add_fingerprint(struct tls_peer *p, const X509 *cert)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char hash[FINGERPRINT_BYTES];

	if (X509_digest(cert, EVP_sha256(), hash, NULL) != 1)
		return false;
	for (size_t i = 0; i < sizeof(hash); i++) {
		p->fingerprint[2 * i] = digits[hash[i] >> 4];
		p->fingerprint[2 * i + 1] = digits[hash[i] & 15];
	}
	return true;
}

struct tls_peer *tls_peer_new(const struct x509_st *cert)
{
	struct tls_peer *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	tls_facts_name(X509_get_subject_name(cert), &p->subject);
	bool ok = add_names(p, cert) && add_fingerprint(p, cert);
	ERR_clear_error();
	if (ok)
		return p;
	tls_peer_free(p);
	return NULL;
}

void tls_peer_free(struct tls_peer *p)
{
	if (!p)
		return;
	buf_done(&p->subject);
	buf_done(&p->text);
	free(p->name);
	free(p);
}

struct str tls_peer_subject(const struct tls_peer *p)
{
	return buf_len(&p->subject) > 0 ? buf_str(&p->subject) : (struct str){ "", 0 };
}

struct str tls_peer_fingerprint(const struct tls_peer *p)
{
	return str_of(p->fingerprint);
}

struct str tls_peer_names(const struct tls_peer *p)
{
	return buf_len(&p->text) > 0 ? buf_str(&p->text) : (struct str){ "", 0 };
}

/* ---- rules -------------------------------------------------------------------------------- */

static struct str behind(struct str s, size_t n)
{
	return (struct str){ s.p + n, s.n - n };
}

static bool parse_address(struct str s, char ret[INET6_ADDRSTRLEN])
{
	char text[INET6_ADDRSTRLEN];
	unsigned char bytes[16];
	int family;

	if (s.n >= sizeof(text))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	family = memchr(text, ':', s.n) ? AF_INET6 : AF_INET;
	return inet_pton(family, text, bytes) == 1 &&
	       inet_ntop(family, bytes, ret, INET6_ADDRSTRLEN);
}

/* By the prefix, else by the form; `s` loses the prefix. */
static enum kind kind_of(struct str *s)
{
	char address[INET6_ADDRSTRLEN];

	for (enum kind k = KIND_DNS; k < KINDS; k++) {
		struct str prefix = kinds[k].prefix;
		if (s->n > prefix.n && str_case_eq((struct str){ s->p, prefix.n }, prefix)) {
			*s = behind(*s, prefix.n);
			return k;
		}
	}
	if (parse_address(*s, address))
		return KIND_IP;
	if (str_find(*s, ':', 0) < s->n)
		return KIND_URI;
	return str_find(*s, '@', 0) < s->n ? KIND_EMAIL : KIND_DNS;
}

static bool dns_equal(struct str name, struct str rule)
{
	if (!str_has_prefix(rule, STR("*.")))
		return str_case_eq(name, rule);
	size_t dot = str_find(name, '.', 0);
	return str_case_eq(name, rule) || (dot > 0 && str_find(name, '*', 0) == name.n &&
						  str_case_eq(behind(name, dot), behind(rule, 1)));
}

static bool email_equal(struct str a, struct str b)
{
	size_t at = str_find(b, '@', 0);

	return a.n == b.n && at < b.n && memcmp(a.p, b.p, at) == 0 &&
	       str_case_eq(behind(a, at), behind(b, at));
}

bool tls_peer_has_name(const struct tls_peer *p, struct str rule)
{
	char address[INET6_ADDRSTRLEN];
	enum kind kind = kind_of(&rule);

	if (kind == KIND_IP && parse_address(rule, address))
		rule = str_of(address);
	for (size_t i = 0; i < p->nnames; i++) {
		const struct name *x = &p->name[i];
		struct str name = { p->text.data + p->text.off + x->at, x->n };
		if (x->kind != kind)
			continue;
		if (kind == KIND_DNS         ? dns_equal(name, rule)
			: kind == KIND_EMAIL ? email_equal(name, rule)
					     : str_eq(name, rule))
			return true;
	}
	return false;
}

bool tls_peer_is_rule(struct str rule)
{
	char address[INET6_ADDRSTRLEN];
	enum kind kind = kind_of(&rule);
	size_t at = str_find(rule, '@', 0);

	if (!is_printable((const unsigned char *)rule.p, rule.n))
		return false;
	switch (kind) {
	case KIND_DNS:
		return names_is_valid(rule) && !str_eq(rule, STR("*")) &&
		       !parse_address(rule, address);
	case KIND_EMAIL:
		return at > 0 && at + 1 < rule.n;
	case KIND_IP:
		return parse_address(rule, address);
	default:
		return str_find(rule, ':', 0) > 0 && str_find(rule, ':', 0) + 1 < rule.n;
	}
}

bool tls_peer_parse_fingerprint(struct str text, char ret[TLS_FINGERPRINT_SIZE])
{
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		char c = (char)str_lower((unsigned char)text.p[i]);
		bool is_hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');

		if (c == ':' && n > 0 && n % 2 == 0 && i + 1 < text.n)
			continue;
		if (!is_hex || n + 1 >= TLS_FINGERPRINT_SIZE)
			return false;
		ret[n++] = c;
	}
	ret[n] = '\0';
	return n + 1 == TLS_FINGERPRINT_SIZE;
}
