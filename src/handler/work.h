/* Work of a worker that is too long for one turn of its loop: one job at a time, one step of it a
 * turn, whoever waits for it. A step is a millisecond or two; what a job makes goes to filecache.
 */
#ifndef LATCH_HANDLER_WORK_H
#define LATCH_HANDLER_WORK_H

#include <stdbool.h>
#include <stdint.h>

#include "net/loop.h"

enum work_step { WORK_MORE, WORK_DONE, WORK_FAILED };

/* Embedded first in the state of a job. */
struct work_job {
	enum work_step (*step)(struct work_job *);
	void (*free)(struct work_job *);
	uint64_t name; /* of what it makes: work_failed() */
};

struct work {
	const struct loop *loop;
	struct work_job *job; /* owned; NULL: none */
	uint64_t turn;        /* of the last step */
	uint64_t failed;      /* the name of the last one that failed */
};

void work_init(struct work *w, const struct loop *loop);
void work_done(struct work *w);
/* May a job be started? */
static inline bool work_is_idle(const struct work *w)
{
	return !w->job;
}
/* Starts a job, which is freed when it is done; none must be there. NULL is fine. */
void work_start(struct work *w, struct work_job *job);
/* Does the step of this turn, if there is one to do. */
void work_go(struct work *w);
/* Was the last job that failed the one of this name? Then another try is of no use. */
static inline bool work_failed(const struct work *w, uint64_t name)
{
	return w->failed == name;
}
static inline void work_forget_failure(struct work *w)
{
	w->failed = 0;
}

#endif
