/* What of a file goes into a response: all of it, or the parts that were asked for. */
#ifndef LATCH_HANDLER_CONTENT_H
#define LATCH_HANDLER_CONTENT_H

#include "handler/filecache.h"
#include "protocol/stream.h"

/* Gives the held file as the content, with its length and Content-Type (`media`), and adds
 * Content-Range where there is one range (0: the whole). Several become multipart/byteranges (RFC
 * 9110 section 14.6). The response has the hold then. False: out of memory, nothing was done. */
bool content_give(
	struct stream *s, struct file *f, struct str media, const struct range *ranges, unsigned n);

#endif
