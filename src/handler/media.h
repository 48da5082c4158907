/* File name -> media type, by the last extension. */
#ifndef LATCH_HANDLER_MEDIA_H
#define LATCH_HANDLER_MEDIA_H

#include "base/str.h"

/* The types of a file in the form of mime.types(5), which stand above those of media.def. */
struct media_types;

/* Takes from `text` what it understands, which is all that such files have: lines with a media type
 * and the extensions it is for. Copied; NULL: out of memory. */
struct media_types *media_types_new(struct str text);
void media_types_free(struct media_types *m); /* NULL is fine */

/* The type for `name` (a file name or a path), with a charset where it is text; as long as `m`,
 * which may be NULL. Of a name without an extension, or with one that neither `m` nor media.def
 * has: "application/octet-stream". */
struct str media_type(const struct media_types *m, struct str name);

#endif
