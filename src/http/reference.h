/* What a Location field means: references of RFC 3986 section 5, resolved against a URL. */
#ifndef LATCH_HTTP_REFERENCE_H
#define LATCH_HTTP_REFERENCE_H

#include "base/buf.h"
#include "http/uri.h"

/* Appends the whole URL, without fragment, that `reference` means at `base`: "https://...",
 * "//host/...", "/path", "path", "?query" and nothing at all are understood; dot segments are
 * removed from a path that was merged. Bytes that are no ASCII are percent-encoded. Whether the
 * result is a URL of ours is for uri_parse_url() to say. False: the buffer's bound, or a control
 * byte or blank in the reference. */
bool reference_resolve(const struct url *base, struct str reference, struct buf *out);

#endif
