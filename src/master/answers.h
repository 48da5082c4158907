/* What the master says on its control socket: ties the socket to reloads, status and the stop. */
#ifndef LATCH_MASTER_ANSWERS_H
#define LATCH_MASTER_ANSWERS_H

#include "master/control.h"
#include "master/reload.h"
#include "master/rotation.h"

struct answers_options {
	sd_event *event;
	struct reload *reload;
	const struct rotation *rotation;
	/* Begins a graceful stop; not called while one runs. */
	void (*stop)(void *data);
	/* Begins an upgrade, or does not: answers_upgraded() says what came of it. */
	void (*upgrade)(void *data);
	void *data;
};

struct answers {
	struct answers_options o;
	struct control control;
};

void answers_init(struct answers *a, const struct answers_options *o);
/* After a commit: the socket is where the new configuration says; where that cannot be, a warning.
 */
void answers_listen(struct answers *a);
/* Who waits for the transaction that just ended hears how. */
void answers_verdict(struct answers *a);
/* Who waits for an upgrade hears how it ended: lines, and the code. */
void answers_upgraded(struct answers *a, enum err_code code, struct str lines);
/* Those who asked the image before go on waiting; see control_take_over(). */
int answers_take_over(struct answers *a, const struct handover *h, struct err *e);
/* No reload comes any more. */
void answers_stopping(struct answers *a);
/* The last words, with the exit code of the process. */
void answers_done(struct answers *a, int code);

#endif
