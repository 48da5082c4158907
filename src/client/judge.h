/* What the facts of a probe are worth: one finding a topic, pure. */
#ifndef LATCH_CLIENT_JUDGE_H
#define LATCH_CLIENT_JUDGE_H

#include <time.h>

#include "client/probe.h"

/* As monitoring counts, and as the exit status. */
enum level { LEVEL_OK, LEVEL_WARNING, LEVEL_CRITICAL, LEVEL_UNKNOWN };

enum { JUDGE_FINDINGS_MAX = 16, JUDGE_TEXT_SIZE = 768 };

struct finding {
	enum level level;
	const char *key; /* "chain", "identity", ...: static, for programs */
	char text[JUDGE_TEXT_SIZE];
};

struct findings {
	size_t n;
	struct finding at[JUDGE_FINDINGS_MAX];
};

/* `now` and how long before an end to warn, in seconds. */
void judge_all(const struct probe *p, time_t now, int64_t warn_expiry, struct findings *ret);
/* The worst: critical before unknown before warning. */
enum level judge_worst(const struct findings *f);
enum level judge_worse(enum level a, enum level b);
const char *judge_level_name(enum level level); /* "ok", "warning", ... */

#endif
