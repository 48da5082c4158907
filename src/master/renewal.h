/* Certificates that renew themselves: looks after the files of TLS (certificates, keys, pass
 * phrases, ...) that the serving configuration has read, and when other content is there that fits
 * together, has it served by a renewal (master/reload), as one for whatever changed together.
 *
 *   QUIET --something happened near a file--> SETTLING --quiet for RENEWAL_SETTLE_MS--> a look
 *     ^ ^    (or RENEWAL_PERIOD_MS passed)             or RENEWAL_SETTLE_MAX_MS of it     |
 *     | +--all is as served, or was tried already-----------------------------------------+
 *     |                                                                                   |
 *     +--commit--+--rejected, or unfit: one warning; the last good ones serve on--+   DUE v
 *                +----------------------------------------------------------------+-- a renewal,
 *                                                          once nothing else is under way
 *
 * What was tried is not tried again until a file changes; but what was unfit or rejected
 * is, each RENEWAL_RETRY_MS, because the fault may be elsewhere. */
#ifndef LATCH_MASTER_RENEWAL_H
#define LATCH_MASTER_RENEWAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "master/lookout.h"
#include "tls/digest.h"

enum {
	RENEWAL_SETTLE_MS = 300,
	RENEWAL_SETTLE_MAX_MS = 1500,
	RENEWAL_PERIOD_MS = 15000,
	RENEWAL_RETRY_MS = 60000,
};

struct reload;

/* Zero-initialise. */
struct renewal {
	sd_event *event;
	struct reload *reload;
	int64_t period_ms;
	struct lookout lookout;
	sd_event_source *settle, *period;
	int64_t settle_by_ms;     /* 0: nothing happened since the last look */
	struct digest_list seen;  /* the files, as they were at the last look; zero: unreadable */
	struct digest_list tried; /* the same, when a renewal was begun last */
	bool due;                 /* a renewal waits for its turn */
	int64_t tried_ms;
	char warning[1024]; /* the last one; "": all is well */
};

/* `period_ms`: of looks that nothing caused; RENEWAL_PERIOD_MS. */
void renewal_init(struct renewal *w, sd_event *event, struct reload *reload, int64_t period_ms);
/* After a commit: from now on the files of the configuration that serves. */
void renewal_committed(struct renewal *w);
/* A renewal that waited may begin now: a transaction was rejected, a generation has ended. */
void renewal_go_on(struct renewal *w);
/* RELOAD_UNFIT. */
void renewal_unfit(struct renewal *w);
/* RELOAD_NEEDLESS. */
void renewal_needless(struct renewal *w);
/* No more renewals. Idempotent. */
void renewal_stop(struct renewal *w);
#endif
