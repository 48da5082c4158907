/* The rehearsal of a configuration, in a child that is thrown away: it reads, checks and opens
 * everything as a start would, shakes hands with every certificate that changed, says what it
 * found, and is gone, whatever happened to it. The master's loop goes on meanwhile.
 *
 *   start --> child runs --ended by itself--> its result
 *                 |  died, or said nothing whole --> an error that says so
 *                 +--`limit_ms` passed-----------> SIGKILL, and an error that says so */
#ifndef LATCH_MASTER_REHEARSAL_H
#define LATCH_MASTER_REHEARSAL_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/buf.h"
#include "config/config.h"
#include "config/findings.h"
#include "tls/digest.h"

struct rehearsal; /* heap */

struct rehearsal_result {
	struct findings findings;
	struct digest_list digests; /* of every file that it read */
	struct buf changes;         /* lines, see config/changes.h */
};

/* Called once, from the loop; the rehearsal is gone afterwards, and the result too but for what was
 * moved out of it. */
typedef void rehearsal_fn(void *data, struct rehearsal_result *result);

struct rehearsal_options {
	sd_event *event;
	const char *path;
	struct ticket_ring *ring;
	const struct config *before; /* what serves; NULL: nobody knows */
	bool again;                  /* with the text of `before`, instead of what `path` holds */
	int64_t limit_ms;
	rehearsal_fn *done;
	void *data;
};

/* NULL: `e`. */
struct rehearsal *rehearsal_start(const struct rehearsal_options *o, struct err *e);
/* Nobody wants to know any more. NULL is fine. */
void rehearsal_stop(struct rehearsal *r);

/* The result as bytes, and back; for the way from the child. -1: not what was written. */
int rehearsal_pack(const struct rehearsal_result *r, struct buf *out);
int rehearsal_unpack(struct str in, struct rehearsal_result *ret);
void rehearsal_result_done(struct rehearsal_result *r);

#endif
