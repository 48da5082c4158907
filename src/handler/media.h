/* File name -> media type, by the last extension. */
#ifndef LATCH_HANDLER_MEDIA_H
#define LATCH_HANDLER_MEDIA_H

#include "base/str.h"

/* The type for `name` (a file name or a path), with a charset where it is text; static. Of a name
 * without an extension, or with one that media.def does not have: "application/octet-stream". */
struct str media_type(struct str name);

#endif
