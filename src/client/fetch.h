/* One URL: request, answer, verdict. HTTP/1.1 over TLS, or plain for http. */
#ifndef LATCH_CLIENT_FETCH_H
#define LATCH_CLIENT_FETCH_H

#include "client/options.h"
#include "client/outcome.h"
#include "client/output.h"
#include "client/progress.h"
#include "client/report.h"
#include "http/uri.h"

enum {
	FETCH_BUFFER = 64 * 1024, /* also the bound of an answer's head */
	FETCH_INTERIM_MAX = 20,   /* 1xx answers before the final one */
	FETCH_LINGER_MS = 1000,   /* lenient: wait for the end behind a whole message */
};

/* What all fetches of a run share; all borrowed. */
struct fetch_env {
	const struct options *options;
	struct ssl_ctx_st *ctx; /* for https; NULL if no URL needs it */
	struct output *output;
	struct report *report;
	struct progress *progress;
};

/* Fetches `url`, spelt `text` by the user, and reports warnings and facts. The caller reports the
 * error. The output is flushed, not closed. */
enum outcome fetch_run(
	const struct fetch_env *env, const struct url *url, const char *text, struct err *e);

/* The request head that fetch_run() sends. False: out of memory. */
bool fetch_write_request(struct buf *out, const struct url *url, bool head_only);

#endif
