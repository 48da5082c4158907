/* The version of the TLS library for status pages, metrics and `latchd ctl status`: of what runs,
 * since a security update replaces the library and not us. */
#include "tls/library.h"

#include <openssl/crypto.h>

const char *tls_library_version(void)
{
	return OpenSSL_version(OPENSSL_VERSION_STRING);
}
