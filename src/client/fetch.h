/* One exchange on one connection of its own: request, answer, verdict. */
#ifndef LATCH_CLIENT_FETCH_H
#define LATCH_CLIENT_FETCH_H

#include "client/ask.h"
#include "client/outcome.h"
#include "client/output.h"
#include "client/progress.h"
#include "client/report.h"

enum { FETCH_LINGER_MS = 1000 /* lenient: wait for the end behind a whole message */ };

/* What all fetches of a run share; all borrowed. */
struct fetch_env {
	const struct options *options;
	struct ssl_ctx_st *ctx; /* for https; NULL if no URL needs it */
	struct output *output;
	struct report *report;
	struct progress *progress;
	bool discard; /* the content is wanted by nobody: a repetition */
};

/* What came of it, for reports and for whoever follows redirects. */
struct fetch_result {
	struct buf location; /* with -L: of an answer that is a redirect; else empty */
	int status;          /* 0: no answer */
	bool is_tls, resumed;
	enum closure closure;
	uint64_t content;
	int64_t duration_us;
	char address[SOCK_TEXT_SIZE];
	char protocol[16]; /* "HTTP/1.1" */
	char version[16];  /* "TLSv1.3" */
	char cipher[64];
	char alpn[32];
	char warning[512]; /* "": none */
};

void fetch_result_init(struct fetch_result *r);
void fetch_result_done(struct fetch_result *r);

/* Asks, and reports warnings and facts under the name `text`. The caller reports the error. The
 * output is flushed, not closed. */
enum outcome fetch_run(const struct fetch_env *env, const struct ask *ask, const char *text,
	struct fetch_result *ret, struct err *e);

#endif
