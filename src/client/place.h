/* A URL as the user spelt it: its parts, with an internationalised host as A-labels, and the name
 * of the file that -O writes. */
#ifndef LATCH_CLIENT_PLACE_H
#define LATCH_CLIENT_PLACE_H

#include "base/buf.h"
#include "base/err.h"
#include "http/uri.h"

struct place {
	struct buf text; /* what `url` points into */
	struct url url;
	char *file; /* owned; NULL without -O */
};

/* `wants_file`: a URL that ends in no name is refused. 0 or -1; place_done() in both cases. */
int place_parse(const char *text, bool wants_file, struct place *ret, struct err *e);
void place_done(struct place *p);

#endif
