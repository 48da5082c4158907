/* A fetch as JSON, for --json: one object a line. */
#ifndef LATCH_CLIENT_RECORD_H
#define LATCH_CLIENT_RECORD_H

#include "client/fetch.h"

struct record {
	const char *url; /* as the user spelt it */
	enum outcome outcome;
	const char *error; /* with an outcome that is not OK */
	unsigned redirects;
	const struct fetch_result *result; /* NULL: nothing was fetched */
	bool insecure;                     /* -k */
};

/* False: out of memory. */
bool record_write(const struct record *r, struct buf *out);

#endif
