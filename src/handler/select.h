/* Which representation of a file a request gets: the file, one of its siblings that were compressed
 * before (page.html.br), or one that is compressed here. */
#ifndef LATCH_HANDLER_SELECT_H
#define LATCH_HANDLER_SELECT_H

#include "handler/lookup.h"
#include "http/negotiate.h"

struct representation {
	struct file *file; /* held: whose content it is */
	struct str media;  /* of what it is the coding of */
	struct str etag;   /* in the file or in the stream's arena */
	enum coding coding;
	bool varies;     /* by Accept-Encoding */
	bool is_listing; /* which varies by Accept */
};

enum selection {
	SELECT_DONE,
	SELECT_LATER, /* it is in the making */
	SELECT_NONE,  /* the client accepts none; ret->varies is set */
};

/* Takes the hold on found->file. */
enum selection select_representation(struct stream *s, const struct files_options *o,
	const struct lookup_result *found, struct representation *ret);

#endif
