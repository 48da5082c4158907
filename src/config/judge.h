/* Whether a user could use a file, asked as that user. */
#ifndef LATCH_CONFIG_JUDGE_H
#define LATCH_CONFIG_JUDGE_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

enum judge_what {
	JUDGE_ROOT, /* a directory whose files can be reached */
	JUDGE_LOG,  /* a file that can be appended to, or a directory in which it can be made */
};

struct judge_item {
	enum judge_what what;
	const char *path;
	int errnum; /* the verdict: 0, or why not */
};

/* Fills in the verdicts. As root a child process takes the ids, for good, and reports back; this
 * process never changes its own. Otherwise the ids are not looked at. -1: the child could not be
 * made, or gave no verdict in ten seconds. */
int judge_items(struct judge_item *items, size_t n, uid_t uid, gid_t gid, struct err *e);

#endif
