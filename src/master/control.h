/* The control socket: who may ask, one question a client, and its answer, see net/control.h.
 *
 *   accepted --a whole line--> asked(), WAITING --control_finish()--> ANSWERED --all sent--> closed
 *      |  not a whole line in CONTROL_PATIENCE_MS                      |  nor taken in that time
 *      +-----------------------------> closed <------------------------+
 *
 * A client that goes away while it waits is closed too; what it asked for goes on. */
#ifndef LATCH_MASTER_CONTROL_H
#define LATCH_MASTER_CONTROL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"

enum {
	CONTROL_CLIENTS_MAX = 16,
	CONTROL_PATIENCE_MS = 5000,
};

enum control_word {
	CONTROL_RELOAD,
	CONTROL_STATUS,
	CONTROL_STATUS_JSON,
	CONTROL_STOP,
	CONTROL_REOPEN_LOGS,
	CONTROL_UPGRADE,
};

struct control;
struct control_client;
struct handover;

struct control_options {
	sd_event *event;
	/* May this process not ask, whatever its user is? It is a worker's then. */
	bool (*is_barred)(void *data, pid_t pid);
	/* The client is WAITING: answer it now or later with control_say() and control_finish(). */
	void (*asked)(void *data, struct control_client *client, enum control_word word);
	void *data;
};

struct control {
	struct control_options o;
	char *path; /* of the socket that is open; NULL: none */
	int fd;
	uint64_t device, inode; /* of the file, to know it again */
	sd_event_source *io;
	struct control_client *clients;
	unsigned n;
	struct log_rate refusals;
};

void control_init(struct control *c, const struct control_options *o);
/* Listens at `path` from now on; "": nowhere. What is the same already stays as it is. -1: no
 * socket now (the file is another's, no such directory, ...), and `e` says why. */
int control_listen(struct control *c, const char *path, struct err *e);
/* The socket and its clients, but for those that have their answer, for the next image of this
 * process; what fails is lack of memory. */
int control_leave(const struct control *c, struct handover *ret, struct err *e);
/* Those of the image before: who waited for an answer waits on, with mark 0. -1: `e`. */
int control_take_over(struct control *c, const struct handover *h, struct err *e);
/* Answers get one more chance to leave, without waiting. The connections stay open until the
 * process ends, so that a client which asked for the stop sees when it has. */
void control_done(struct control *c);

/* A line of the answer, without its line end; control bytes become "?". `kind`: CONTROL_OUTPUT or
 * CONTROL_ERROR. What is over the bound of a reply is left out, and makes of a code 0 ERR_INTERNAL.
 */
void control_say(struct control_client *client, char kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same of many lines, each with its line end. */
void control_say_lines(struct control_client *client, char kind, struct str lines);
void control_finish(struct control_client *client, int code);
/* Sets the mark that control_waiting() looks for; 0 before. */
void control_mark(struct control_client *client, uint64_t mark);
/* Some client that waits for the answer to `word` with that mark; NULL: none. */
struct control_client *control_waiting(struct control *c, enum control_word word, uint64_t mark);

#endif
