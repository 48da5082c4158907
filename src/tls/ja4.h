/* JA4, by which a TLS client is known again whatever address it has: versions, ciphers, extensions
 * and signature algorithms of its ClientHello, as FoxIO publishes it ("JA4: TLS Client
 * Fingerprinting"). GREASE (RFC 8701) does not count, nor does the order of ciphers and extensions.
 *
 *   t13d1516h2_8daaf6152771_e5627efa2ab1
 *   |  |   |   |            extensions without SNI and ALPN, sorted; signature algorithms
 *   |  |   |   ciphers, sorted; both as the first twelve digits of their SHA-256
 *   |  |   first and last character of the first protocol of ALPN; 00: none
 *   |  with a server name (d) or not (i); how many ciphers and extensions
 *   over TCP; the highest version */
#ifndef LATCH_TLS_JA4_H
#define LATCH_TLS_JA4_H

#include <stdbool.h>

#include "base/str.h"

enum { JA4_SIZE = 37 };

/* `hello`: a ClientHello (RFC 8446 section 4.1.2), without the head of the handshake message.
 * False: it is malformed, or has hundreds of ciphers or extensions. */
bool ja4_write(struct str hello, char dst[JA4_SIZE]);

#endif
