/* What a ClientHello offers, as two small sets: TLS versions and key exchange groups. For the logs:
 * who cannot connect wants to know what did not fit. */
#ifndef LATCH_TLS_HELLO_H
#define LATCH_TLS_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct ssl_st;

enum { HELLO_TEXT_SIZE = 128 }; /* enough for either set in words */

/* One of the codes that clients put in at random, to be ignored (RFC 8701)? */
bool hello_is_grease(unsigned code);
/* In the ClientHello callback alone. What is malformed counts as far as it goes; GREASE
 * does not. */
void hello_take(struct ssl_st *ssl, uint8_t *ret_versions, uint16_t *ret_groups);
/* "1.2 1.3"; n 0: no ClientHello was understood. `dst` keeps the text. */
struct str hello_versions(uint8_t versions, char dst[HELLO_TEXT_SIZE]);
/* "X25519 P-256 other" */
struct str hello_groups(uint16_t groups, char dst[HELLO_TEXT_SIZE]);

#endif
