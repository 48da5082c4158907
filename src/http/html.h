/* Text in HTML. */
#ifndef LATCH_HTTP_HTML_H
#define LATCH_HTTP_HTML_H

#include "base/buf.h"

/* The reference for one of & < > " ', or p NULL: the byte stands for itself. */
struct str html_reference(char c);
/* Appends `text`, with references, as content or as the value of an attribute in quotes. */
bool html_append(struct buf *out, struct str text);

#endif
