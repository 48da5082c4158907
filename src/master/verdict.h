/* What came of a transaction: kept for whoever asks, until the next one begins; and the lines of
 * the log about it. */
#ifndef LATCH_MASTER_VERDICT_H
#define LATCH_MASTER_VERDICT_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/buf.h"
#include "base/err.h"
#include "config/findings.h"
#include "master/generation.h"

enum { VERDICT_CHANGES_MAX = 64 * 1024 /* bytes */ };

struct verdict {
	enum err_code code;   /* with which exit code a start would have ended */
	uint32_t quarantined; /* the number of the generation that it took out of service; 0: it was
				 a start or a reload */
	struct findings findings;
	char text[256];     /* one line about a commit */
	struct buf changes; /* lines: what a commit changed */
	int64_t begun_us;
	time_t ended; /* 0: it runs */
};

void verdict_init(struct verdict *v);
/* NULL and zeroed are fine. */
void verdict_done(struct verdict *v);
/* The next transaction begins; all of the last one but its code is forgotten. */
void verdict_begin(struct verdict *v);
void verdict_log_findings(const struct findings *f);
/* `g` serves; `old`: the one before, or NULL; `closed`: how many listeners were. */
void verdict_log_commit(
	struct verdict *v, const struct generation *g, const struct generation *old, size_t closed);
/* `g` serves on, as it was. */
void verdict_log_rejection(const struct verdict *v, const struct generation *g);

#endif
