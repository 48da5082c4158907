/* How a listing looks. */
#ifndef LATCH_HANDLER_LISTING_PAGE_H
#define LATCH_HANDLER_LISTING_PAGE_H

#include "base/buf.h"
#include "handler/directory.h"

struct listing_page {
	struct str path; /* decoded, with a slash at its end */
	struct directory_order order;
	bool json;
	unsigned shown, all; /* all: at least, if `cut` */
	bool cut;            /* there are more than could be read */
};

struct str listing_page_type(bool json);
/* Each appends; false: no room, and nothing was appended. */
bool listing_page_begin(const struct listing_page *p, struct buf *out);
bool listing_page_row(const struct listing_page *p, const struct entry *e, struct buf *out);
bool listing_page_end(const struct listing_page *p, struct buf *out);

#endif
