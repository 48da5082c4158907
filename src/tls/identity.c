/* Reference identities (RFC 9525) for clients: the host that was asked for, compared with the
 * subject alternative names of the certificate, and with nothing else unless that is asked for. The
 * chain is not its business. */
#include "tls/identity.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "tls/facts.h"
#include "tls/reason.h"

enum { HOST_MAX = 254, NAMES_SHOWN_MAX = 200 };

/* `host` without its final dot, which is no part of a name. A leading one would ask OpenSSL for any
 * subdomain. */
static bool copy_host(char dst[HOST_MAX], const char *host)
{
	size_t n = strlen(host);

	if (n > 1 && host[n - 1] == '.')
		n--;
	if (n == 0 || n >= HOST_MAX || host[0] == '.')
		return false;
	memcpy(dst, host, n);
	dst[n] = '\0';
	return true;
}

static bool is_address(const char *host)
{
	unsigned char bytes[16];

	return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

int tls_identity_expect(struct ssl_st *ssl, const char *host, const char *sni, struct err *e)
{
	char name[HOST_MAX];

	if (!copy_host(name, sni ? sni : host))
		return err_set(
			e, ERR_USAGE, "\"%.64s\" cannot be the name of a server", sni ? sni : host);
	if (is_address(name))
		return 0;
	if (SSL_set_tlsext_host_name(ssl, name) != 1)
		return tls_reason_err(e, ERR_SYSTEM, "the server name");
	return 0;
}

static bool carries(X509 *cert, const char *name, bool allow_cn)
{
	unsigned flags = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
			 X509_CHECK_FLAG_SINGLE_LABEL_SUBDOMAINS |
			 (allow_cn ? 0 : X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	int rc = is_address(name) ? X509_check_ip_asc(cert, name, flags)
				  : X509_check_host(cert, name, 0, flags, NULL);

	ERR_clear_error();
	return rc == 1;
}

bool tls_identity_carries(struct x509_st *cert, const char *host)
{
	char name[HOST_MAX];

	return copy_host(name, host) && carries(cert, name, false);
}

int tls_identity_check(struct ssl_st *ssl, const char *host, bool allow_cn, struct err *e)
{
	char name[HOST_MAX];
	X509 *cert = SSL_get0_peer_certificate(ssl);
	struct buf names;

	if (!cert)
		return err_set(e, ERR_UNAVAILABLE, "the server sent no certificate");
	if (copy_host(name, host) && carries(cert, name, allow_cn))
		return 0;
	buf_init(&names, 0);
	tls_facts_names(cert, &names);
	if (buf_len(&names) > NAMES_SHOWN_MAX) {
		names.end = names.off + NAMES_SHOWN_MAX;
		buf_append(&names, " ...", 4);
	}
	const char *text = buf_len(&names) > 0 ? buf_cstring(&names) : NULL;
	err_set(e, ERR_UNAVAILABLE, "the certificate is not for %.100s, but for %s", host,
		text ? text : "no name at all");
	buf_done(&names);
	return -1;
}
