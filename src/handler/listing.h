/* A page for a directory: HTML for people, JSON for programs. It is made a slice a turn, kept by
 * filecache, and made anew when the directory has changed or after a few seconds, for the sizes. */
#ifndef LATCH_HANDLER_LISTING_H
#define LATCH_HANDLER_LISTING_H

#include "handler/lookup.h"

enum {
	LISTING_ROWS_MAX = 10000,           /* entries that are shown */
	LISTING_SIZE_MAX = 6 * 1024 * 1024, /* bytes of a page; rows behind it are left out */
	LISTING_TTL_MS = 5000,
};

enum listed {
	LISTED,      /* found->file is the page, held */
	LIST_LATER,  /* under way: ask again in the next turn */
	LIST_FAILED, /* found->status */
};

/* `found` is what lookup_find() said of a bare directory. Sorted as the query asks:
 * "?sort=name|size|date", with "&order=asc|desc" or without. */
enum listed listing_get(
	struct stream *s, const struct files_options *o, struct lookup_result *found);

#endif
