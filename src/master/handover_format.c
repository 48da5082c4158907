/* The format of a handover: one description serves both directions, so that what is written is what
 * is read. Refuses every count that does not fit. */
#include "master/handover_format.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/board.h"

/* Stand in front of what they name. */
enum tag {
	TAG_ARGS = 1,
	TAG_SOCKETS,
	TAG_GENERATIONS,
	TAG_LOGS,
	TAG_WORKERS,
	TAG_CLIENTS,
	TAG_END
};

struct codec {
	struct buf *out; /* NULL: it reads */
	struct str in;
	const char *wrong; /* the first thing that is; NULL: nothing */
};

/* ---- values ----------------------------------------------------------------------------- */

static void fail(struct codec *c, const char *what)
{
	c->wrong = c->wrong ? c->wrong : what;
}

static void word(struct codec *c, uint64_t *v, const char *what)
{
	if (c->wrong)
		return;
	if (c->out) {
		if (!buf_append(c->out, v, sizeof(*v)))
			fail(c, what);
		return;
	}
	if (c->in.n < sizeof(*v)) {
		fail(c, what);
		return;
	}
	memcpy(v, c->in.p, sizeof(*v));
	c->in = (struct str){ c->in.p + sizeof(*v), c->in.n - sizeof(*v) };
}

/* A number from `min` to `max`, whatever its type is: the value it has now, and then. */
static int64_t number(struct codec *c, int64_t now, int64_t min, int64_t max, const char *what)
{
	uint64_t v = (uint64_t)now;

	word(c, &v, what);
	if (!c->wrong && ((int64_t)v < min || (int64_t)v > max))
		fail(c, what);
	return c->wrong ? now : (int64_t)v;
}

static bool flag(struct codec *c, bool now, const char *what)
{
	return number(c, now, 0, 1, what) == 1;
}

static int descriptor(struct codec *c, int now, int min, const char *what)
{
	int fd = (int)number(c, now, min, INT_MAX, what);

	if (fd >= 0 && fd <= STDERR_FILENO)
		fail(c, what);
	return fd;
}

/* Terminated, without a byte 0 inside; owned by who reads. */
static void text(struct codec *c, char **v, const char *what)
{
	size_t n = c->out ? strlen(*v) : 0;

	n = (size_t)number(c, (int64_t)n, 0, HANDOVER_TEXT_MAX, what);
	if (c->wrong)
		return;
	if (c->out) {
		if (!buf_append(c->out, *v, n))
			fail(c, what);
		return;
	}
	if (c->in.n < n || memchr(c->in.p, 0, n)) {
		fail(c, what);
		return;
	}
	*v = strndup(c->in.p, n);
	if (!*v)
		fail(c, "out of memory");
	c->in = (struct str){ c->in.p + n, c->in.n - n };
}

/* A tag, a count, and so many elements, zeroed for one who reads; the array, or the one there is.
 */
static void *list(struct codec *c, enum tag tag, void *now, size_t *n, size_t size, size_t max,
	const char *what)
{
	void *v;

	number(c, tag, tag, tag, what);
	*n = (size_t)number(c, (int64_t)*n, 0, (int64_t)max, what);
	if (c->out)
		return now;
	/* Each element has a word at least. */
	if (*n > c->in.n / sizeof(uint64_t))
		fail(c, what);
	v = c->wrong || !*n ? NULL : calloc(*n, size);
	if (!v && *n && !c->wrong)
		fail(c, "out of memory");
	if (!v)
		*n = 0;
	return v;
}

/* ---- the format ------------------------------------------------------------------------- */

static void walk_socket(struct codec *c, struct handover_socket *s)
{
	text(c, &s->address, "the address of a socket");
	text(c, &s->name, "the name of a socket");
	s->fd = descriptor(c, s->fd, 0, "a listening socket");
	s->stored = flag(c, s->stored, "a listening socket");
	s->held = flag(c, s->held, "a listening socket");
}

static void walk_worker(struct codec *c, struct handover_worker *w)
{
	w->pid = (pid_t)number(c, w->pid, 2, INT_MAX, "the process of a worker");
	w->slot = (unsigned)number(c, w->slot, 0, BOARD_SLOTS - 1, "the slot of a worker");
	w->channel = descriptor(c, w->channel, -1, "the channel of a worker");
	w->poke = descriptor(c, w->poke, 0, "the poke of a worker");
	w->ready = flag(c, w->ready, "a worker");
}

static void walk_generation(struct codec *c, struct handover_generation *g)
{
	g->number = (uint32_t)number(c, g->number, 1, UINT32_MAX, "the number of a generation");
	g->serves = flag(c, g->serves, "a generation");
	g->deadline_us = number(c, g->deadline_us, 0, INT64_MAX, "the deadline of a generation");
	g->ready_ms = number(c, g->ready_ms, 0, INT64_MAX / 1000, "a generation");
	g->drain_ms = number(c, g->drain_ms, 0, INT64_MAX / 1000, "a generation");
	text(c, &g->user, "the user of a generation");
	text(c, &g->group, "the group of a generation");
	g->log_target = (unsigned)number(c, g->log_target, 0, LOG_TARGET_OFF, "a log target");
	g->log_level = (unsigned)number(c, g->log_level, 0, LOG_LEVEL_DEBUG, "a log level");
	g->logs = list(c, TAG_LOGS, g->logs, &g->nlogs, sizeof(*g->logs), HANDOVER_LOGS_MAX,
		"the count of logs");
	for (size_t i = 0; !c->wrong && i < g->nlogs; i++) {
		text(c, &g->logs[i].path, "the path of a log");
		g->logs[i].fd = descriptor(c, g->logs[i].fd, 0, "a log");
	}
	g->workers = list(c, TAG_WORKERS, g->workers, &g->nworkers, sizeof(*g->workers),
		BOARD_SLOTS, "the count of workers");
	for (size_t i = 0; !c->wrong && i < g->nworkers; i++)
		walk_worker(c, &g->workers[i]);
}

static void walk_head(struct codec *c, struct handover *h)
{
	h->master = (pid_t)number(c, h->master, 1, INT_MAX, "the master");
	text(c, &h->version, "the version of the program");
	text(c, &h->binary, "the path of the program");
	h->args = list(c, TAG_ARGS, h->args, &h->nargs, sizeof(*h->args), HANDOVER_ARGS_MAX,
		"the count of arguments");
	for (size_t i = 0; !c->wrong && i < h->nargs; i++)
		text(c, &h->args[i], "an argument");
	word(c, &h->layout, "the layout of the board");
	h->board = descriptor(c, h->board, 0, "the board");
	h->ring = descriptor(c, h->ring, 0, "the ticket ring");
	h->ring_is_stored = flag(c, h->ring_is_stored, "the ticket ring");
	h->number = (uint32_t)number(c, h->number, 1, UINT32_MAX, "the number of generations");
	h->reload_wanted = flag(c, h->reload_wanted, "a wanted reload");
	text(c, &h->control, "the path of the control socket");
	h->control_fd = descriptor(c, h->control_fd, -1, "the control socket");
	word(c, &h->control_device, "the control socket");
	word(c, &h->control_inode, "the control socket");
	h->refused_code = (int)number(c, h->refused_code, 0, 255, "a refusal");
	text(c, &h->refused, "a refusal");
}

static void walk(struct codec *c, struct handover *h)
{
	walk_head(c, h);
	h->sockets = list(c, TAG_SOCKETS, h->sockets, &h->nsockets, sizeof(*h->sockets),
		HANDOVER_SOCKETS_MAX, "the count of sockets");
	for (size_t i = 0; !c->wrong && i < h->nsockets; i++)
		walk_socket(c, &h->sockets[i]);
	h->generations = list(c, TAG_GENERATIONS, h->generations, &h->ngenerations,
		sizeof(*h->generations), HANDOVER_GENERATIONS_MAX, "the count of generations");
	for (size_t i = 0; !c->wrong && i < h->ngenerations; i++)
		walk_generation(c, &h->generations[i]);
	h->clients = list(c, TAG_CLIENTS, h->clients, &h->nclients, sizeof(*h->clients),
		HANDOVER_CLIENTS_MAX, "the count of clients");
	for (size_t i = 0; !c->wrong && i < h->nclients; i++) {
		h->clients[i].fd = descriptor(c, h->clients[i].fd, 0, "a client");
		h->clients[i].waits = flag(c, h->clients[i].waits, "a client");
		text(c, &h->clients[i].request, "the request of a client");
	}
	number(c, TAG_END, TAG_END, TAG_END, "the end");
}

/* ---- the face --------------------------------------------------------------------------- */

const char *handover_format_write(struct handover *h, struct buf *out)
{
	struct codec c = { .out = out };

	walk(&c, h);
	return c.wrong;
}

const char *handover_format_read(struct str in, struct handover *ret)
{
	struct codec c = { .in = in };

	walk(&c, ret);
	if (!c.wrong && c.in.n)
		fail(&c, "there is more behind its end");
	return c.wrong;
}
