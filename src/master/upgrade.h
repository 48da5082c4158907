/* Upgrade in place: the process becomes the program that stands at its path now, and goes on with
 * what it has. Either all of it happens or nothing does:
 *
 *   judge     the program may be changed by nobody but root, and is there
 *   check     as a child, it finds the configuration good (`latchd -t`)
 *   rehearse  as a child, it takes over a copy of all that there is, makes a generation, forks a
 *             worker and shakes hands with it (`latchd --rehearse`, master/proof)
 *   exec      same process, same children, same descriptors; a handover says what they are
 *   start     the new image takes over: the workers go on serving; it makes a generation of its
 *             own, commits, and those before it drain
 *   return    or it cannot: then it becomes the image before, held open for that, which takes over
 *             again in the same way
 *
 * Whatever happens after the exec, the workers that were there serve on. */
#ifndef LATCH_MASTER_UPGRADE_H
#define LATCH_MASTER_UPGRADE_H

#include <stdbool.h>
#include <sys/stat.h>
#include <systemd/sd-event.h>

#include "base/buf.h"
#include "base/err.h"
#include "master/control.h"
#include "master/handover.h"
#include "master/program.h"
#include "master/reload.h"
#include "master/succession.h"

enum upgrade_news {
	UPGRADE_BEGUN,    /* children are at work */
	UPGRADE_REJECTED, /* it was begun, and came to nothing: upgrade->code and ->said */
	UPGRADE_REFUSED,  /* it was not even begun: the same */
};

enum upgrade_state { UPGRADE_IDLE, UPGRADE_CHECKING, UPGRADE_REHEARSING };

struct upgrade;
typedef void upgrade_fn(void *data, enum upgrade_news news);

struct upgrade_options {
	sd_event *event;
	const struct master_options *master;
	struct reload *reload;
	const struct control *control;
	upgrade_fn *news;
	void *data;
};

struct upgrade {
	struct upgrade_options o;
	char *binary; /* the path, as it was at the first start */
	enum upgrade_state state;
	bool wanted; /* after the transaction that is under way */
	sd_event_source *turn;
	struct stat judged;
	struct handover handover; /* of the rehearsal */
	int handover_fd;
	struct program *program;
	enum err_code code; /* of the last one */
	struct buf said;    /* lines: why */
};

int upgrade_init(struct upgrade *u, const struct upgrade_options *o, struct err *e);
/* The path that the image before has handed on. */
int upgrade_set_binary(struct upgrade *u, const char *path, struct err *e);
/* Begins one, or refuses; waits for a reload that is under way. If it succeeds, the next that is
 * heard of it is that this process is another program. */
void upgrade_begin(struct upgrade *u);
/* A transaction of reload has ended. */
void upgrade_consider(struct upgrade *u);
/* The service stops. */
void upgrade_stop(struct upgrade *u);
void upgrade_done(struct upgrade *u);

/* The event, with its text for people. */
void upgrade_log_failure(enum err_code code, const char *text);
/* The image before is to take over again, because of `code` and `why` (lines); `args` are those it
 * was called with. Returns only if that is impossible: `e`. */
int upgrade_return(struct upgrade *u, const struct handover *taken, int before, enum err_code code,
	struct str why, struct err *e);
/* The same before anything was taken over, with the very handover that was not understood. */
int upgrade_return_at_once(
	const struct succession *s, const struct master_options *o, struct err *e);

#endif
