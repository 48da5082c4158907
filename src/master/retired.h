/* Generations that serve no more: those whose workers finish what runs, and the one before the
 * serving one, whose configuration and contexts are kept for a while, since it may have to come
 * back.
 *
 *   retired_add() --its last worker is gone--> freed, or kept until retired_forget()
 */
#ifndef LATCH_MASTER_RETIRED_H
#define LATCH_MASTER_RETIRED_H

#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "master/generation.h"

/* Zero-initialise. */
struct retired {
	struct generation *draining; /* by `next`: they have workers; killed ones too */
	struct generation
		*previous; /* may come back; also in `draining` as long as it has workers */
	sd_event_source *probation; /* then `previous` is forgotten */
};

/* Its workers were told to end, or killed. */
void retired_add(struct retired *t, struct generation *g);
/* Its last worker is gone. It may be freed. */
void retired_empty(struct retired *t, struct generation *g);
size_t retired_count(const struct retired *t);
/* When the next of the draining ones has to have ended, clock_us_now(); INT64_MAX: unknown. */
int64_t retired_next_end(const struct retired *t);
/* `g`, which was added, is `previous` for `ms`. */
void retired_keep(struct retired *t, struct generation *g, sd_event *event, int64_t ms);
/* The same one for another `ms`. */
void retired_keep_on(struct retired *t, sd_event *event, int64_t ms);
/* There is no `previous` any more. */
void retired_forget(struct retired *t);
/* Kills what is left. */
void retired_done(struct retired *t);

#endif
