/* Steps of jobs. Who waits for a result asks again every turn, and each of them may do the step of
 * the turn: a job goes on as long as anybody waits for anything, and never faster. */
#include "handler/work.h"

#include <assert.h>
#include <stddef.h>

void work_init(struct work *w, const struct loop *loop)
{
	*w = (struct work){ .loop = loop, .turn = UINT64_MAX };
}

void work_done(struct work *w)
{
	if (w->job)
		w->job->free(w->job);
	w->job = NULL;
}

void work_start(struct work *w, struct work_job *job)
{
	assert(!w->job);
	w->job = job;
}

void work_go(struct work *w)
{
	enum work_step step;

	if (!w->job || w->turn == w->loop->turns)
		return;
	w->turn = w->loop->turns;
	step = w->job->step(w->job);
	if (step == WORK_MORE)
		return;
	if (step == WORK_FAILED)
		w->failed = w->job->name;
	work_done(w);
}
