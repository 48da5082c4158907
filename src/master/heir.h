/* A master that took over from the image before, until its first transaction has ended: with a
 * verdict for whoever asked for the upgrade, or with becoming the image before again.
 *
 *   took over --committed----------------------------------> done
 *       | rejected, and there is a way back --> (exec: it is the image before)
 *       | rejected, and there is none --> the workers that were there serve on; another try in
 *       +                                 HEIR_RETRY_MS, again and again, or at a reload */
#ifndef LATCH_MASTER_HEIR_H
#define LATCH_MASTER_HEIR_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "base/err.h"
#include "master/answers.h"
#include "master/handover.h"
#include "master/reload.h"
#include "master/succession.h"
#include "master/upgrade.h"

enum { HEIR_RETRY_MS = 10000 };

/* Zero-initialise. */
struct heir {
	bool is_new;      /* its first transaction has not ended */
	bool is_returned; /* it was there before, and gave up once already */
	int before;       /* of the program to come back to; -1: none */
	struct handover taken;
	sd_event_source *retry;
};

/* `r` comes from reload_init_bare(). On failure the workers live on, and upgrade_return_at_once()
 * may still succeed. */
int heir_take_over(struct heir *h, const struct succession *s, struct reload *r, struct answers *a,
	struct upgrade *u, struct err *e);
/* The transaction has ended. In the second case it may not return. */
void heir_committed(struct heir *h, struct reload *r, struct answers *a);
void heir_rejected(struct heir *h, struct reload *r, struct answers *a, struct upgrade *u);
void heir_done(struct heir *h);

#endif
