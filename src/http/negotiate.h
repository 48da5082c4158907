/* What a client accepts (RFC 9110 section 12.5), as pure decisions. */
#ifndef LATCH_HTTP_NEGOTIATE_H
#define LATCH_HTTP_NEGOTIATE_H

#include "http/fields.h"

/* In the order of our preference, the best last. */
enum coding { CODING_IDENTITY, CODING_GZIP, CODING_ZSTD, CODING_BR, CODING_COUNT };

/* "gzip" as in Content-Encoding; of identity "". */
struct str negotiate_coding_name(enum coding coding);
/* The content codings that the request accepts, the one to be tried first in front; how many there
 * are, which may be none. Without Accept-Encoding: identity alone, though any would do. A weight
 * stands above our preference; identity comes last unless it was given a weight of its own. */
unsigned negotiate_codings(const struct fields *f, enum coding ret[CODING_COUNT]);
/* Does a program ask? It names JSON in Accept, and not HTML. */
bool negotiate_json(const struct fields *f);

#endif
