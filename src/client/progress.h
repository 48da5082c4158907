/* The progress of one download as one line on a terminal: percentage, amount, rate, time left.
 * Drawn at most ten times a second, also while nothing comes; works without a known length. */
#ifndef LATCH_CLIENT_PROGRESS_H
#define LATCH_CLIENT_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum {
	PROGRESS_INTERVAL_US = 100000,
	PROGRESS_SAMPLES = 32, /* the rate is that of the last three seconds */
	PROGRESS_WIDTH_MAX = 240,
};

struct progress {
	int fd; /* borrowed; -1: no bar at all */
	bool running;
	bool has_total;
	uint64_t total, got; /* bytes of content */
	int64_t drawn_us;    /* when it was drawn last, or started */
	unsigned drawn;      /* columns on the screen now; 0: the line is clear */
	unsigned nsamples;   /* taken so far; sample i is in slot i % PROGRESS_SAMPLES */
	struct {
		int64_t us;
		uint64_t got;
	} sample[PROGRESS_SAMPLES];
};

/* `fd` -1: everything below does nothing. Times are microseconds of any one clock. */
void progress_init(struct progress *p, int fd);
void progress_start(struct progress *p, bool has_total, uint64_t total, int64_t now_us);
/* `n` more bytes (0: only time went by); draws when it is due. The first drawing waits one
 * interval, so that what is quick does not flicker. */
void progress_add(struct progress *p, uint64_t n, int64_t now_us);
/* Clears the line, so that something else can be written; the next drawing brings it back. */
void progress_clear(struct progress *p);
/* Clears the line for good. */
void progress_stop(struct progress *p);

/* The line for a terminal of `width` columns, at most width - 1 of them used. */
bool progress_format(const struct progress *p, int64_t now_us, unsigned width, struct buf *out);

#endif
