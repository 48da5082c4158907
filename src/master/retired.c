/* What is left of generations after their time. Refuses to decide who goes and who comes back: that
 * is reload's. */
#include "master/retired.h"

#include "master/delay.h"

static void end(struct retired *t, struct generation *g)
{
	if (g != t->previous)
		generation_free(g);
}

void retired_add(struct retired *t, struct generation *g)
{
	if (pool_is_empty(&g->pool)) {
		end(t, g);
		return;
	}
	g->next = t->draining;
	t->draining = g;
}

void retired_empty(struct retired *t, struct generation *g)
{
	struct generation **link = &t->draining;

	while (*link && *link != g)
		link = &(*link)->next;
	if (*link)
		*link = g->next;
	end(t, g);
}

size_t retired_count(const struct retired *t)
{
	size_t n = 0;

	for (const struct generation *g = t->draining; g; g = g->next)
		n++;
	return n;
}

int64_t retired_next_end(const struct retired *t)
{
	int64_t soonest = INT64_MAX;

	for (const struct generation *g = t->draining; g; g = g->next)
		if (g->pool.deadline_us && g->pool.deadline_us < soonest)
			soonest = g->pool.deadline_us;
	return soonest;
}

static int on_proven(sd_event_source *s, uint64_t now, void *data)
{
	(void)s;
	(void)now;
	retired_forget(data);
	return 0;
}

void retired_keep_on(struct retired *t, sd_event *event, int64_t ms)
{
	if (t->previous)
		delay_set(event, &t->probation, ms, on_proven, t);
}

void retired_keep(struct retired *t, struct generation *g, sd_event *event, int64_t ms)
{
	retired_forget(t);
	t->previous = g;
	retired_keep_on(t, event, ms);
}

void retired_forget(struct retired *t)
{
	struct generation *g = t->previous;

	delay_stop(&t->probation);
	t->previous = NULL;
	if (g && pool_is_empty(&g->pool))
		generation_free(g);
}

void retired_done(struct retired *t)
{
	retired_forget(t);
	while (t->draining) {
		struct generation *g = t->draining;

		t->draining = g->next;
		generation_free(g);
	}
}
