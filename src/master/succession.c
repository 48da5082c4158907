/* Between the live state of a master and a handover. Refuses to do anything by halves: collecting
 * changes nothing, and what cannot be taken over is left as it is, for the image before. */
#include "master/succession.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "tls/ticket.h"

#define VARIABLE "LATCHD_HANDOVER" /* PID:FD:FD */

/* ---- the way ---------------------------------------------------------------------------- */

/* "123:" off the front; -1: there is none. */
static int take_number(struct str *s)
{
	size_t n = str_find(*s, ':', 0);
	uint64_t v;

	if (!str_parse_u64((struct str){ s->p, n }, &v) || v > INT32_MAX)
		return -1;
	*s = n < s->n ? (struct str){ s->p + n + 1, s->n - n - 1 } : (struct str){ s->p, 0 };
	return (int)v;
}

void succession_find(struct succession *s)
{
	struct str text = str_of(getenv(VARIABLE));

	*s = (struct succession){ -1, -1 };
	if (text.n && take_number(&text) == getpid()) {
		s->fd = take_number(&text);
		s->before = take_number(&text);
	}
	unsetenv(VARIABLE);
	if (s->fd >= 0)
		fcntl(s->fd, F_SETFD, FD_CLOEXEC);
	if (s->before >= 0)
		fcntl(s->before, F_SETFD, FD_CLOEXEC);
}

int succession_announce(int fd, int before)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "%d:%d:", (int)getpid(), fd);

	if (before >= 0)
		snprintf(text + n, sizeof(text) - (size_t)n, "%d", before);
	return fcntl(fd, F_SETFD, 0) < 0 || (before >= 0 && fcntl(before, F_SETFD, 0) < 0) ||
			       setenv(VARIABLE, text, 1) < 0
		       ? -1
		       : 0;
}

void succession_withdraw(int fd, int before)
{
	unsetenv(VARIABLE);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	if (before >= 0)
		fcntl(before, F_SETFD, FD_CLOEXEC);
}

/* ---- what there is ---------------------------------------------------------------------- */

static int collect_generations(struct handover *h, const struct reload *r, struct err *e)
{
	size_t n = r->serving != NULL;

	for (const struct generation *g = r->retired.draining; g; g = g->next)
		n++;
	h->generations = calloc(n + 1, sizeof(*h->generations));
	if (!h->generations)
		return err_set(e, ERR_SYSTEM, "out of memory");
	for (const struct generation *g = r->retired.draining; g; g = g->next)
		if (generation_leave(g, &h->generations[h->ngenerations++], e) < 0)
			return -1;
	if (r->serving) {
		struct handover_generation *last = &h->generations[h->ngenerations++];

		if (generation_leave(r->serving, last, e) < 0)
			return -1;
		last->serves = true;
	}
	return 0;
}

static int collect_program(struct handover *h, const char *binary, char *const *args, struct err *e)
{
	size_t n = 0;

	while (args[n])
		n++;
	h->version = strdup(LATCH_VERSION);
	h->binary = strdup(binary);
	h->refused = strdup("");
	h->args = calloc(n + 1, sizeof(*h->args));
	if (!h->version || !h->binary || !h->refused || !h->args)
		return err_set(e, ERR_SYSTEM, "out of memory");
	for (; h->nargs < n; h->nargs++)
		if (!(h->args[h->nargs] = strdup(args[h->nargs])))
			return err_set(e, ERR_SYSTEM, "out of memory");
	return 0;
}

static bool is_foreign(const struct generation *g)
{
	return g && g->pool.o.member.slots->foreign;
}

static bool foreign_ones_drain(const struct reload *r)
{
	for (const struct generation *g = r->retired.draining; g; g = g->next)
		if (is_foreign(g))
			return true;
	return false;
}

int succession_collect(struct handover *h, const struct reload *r, const struct control *c,
	const char *binary, char *const *args, struct err *e)
{
	*h = (struct handover){ .master = getpid(),
		.layout = board_layout(http_status_at),
		.board = r->board_fd,
		.ring = ticket_ring_fd(r->ring),
		.number = r->number,
		.reload_wanted = r->wanted };
	/* To the one that it came from: nothing has begun on our own board. */
	if (is_foreign(r->serving)) {
		h->layout = r->foreign_layout;
		h->board = r->foreign_fd;
	} else if (foreign_ones_drain(r)) {
		return err_set(e, ERR_TEMPORARY,
			"not now: workers of the program before this one, whose board is another, "
			"are still draining; try again when they have ended");
	}
	return collect_program(h, binary, args, e) < 0 || sockets_leave(&r->sockets, h, e) < 0 ||
			       collect_generations(h, r, e) < 0 || control_leave(c, h, e) < 0
		       ? -1
		       : 0;
}

/* ---- what is taken over ----------------------------------------------------------------- */

/* Where its layout is another, its workers go on with it, and ours get a new one. */
static int take_board(struct reload *r, const struct handover *h, struct err *e)
{
	bool same = h->layout == board_layout(http_status_at);

	if (same)
		r->board_fd = h->board;
	r->board = board_open(&r->board_fd, e);
	if (!r->board)
		return -1;
	slots_init(&r->slots, r->board, r->board_fd);
	if (same)
		return 0;
	log_notice("the board of latchd %s has another layout: counters begin anew", h->version);
	r->foreign_fd = h->board;
	r->foreign_layout = h->layout;
	slots_init(&r->foreign_slots, board_new(e), -1);
	r->foreign_slots.foreign = true;
	r->foreign = r->shared;
	r->foreign.slots = &r->foreign_slots;
	return r->foreign_slots.board ? 0 : -1;
}

int succession_take_shared(struct reload *r, const struct handover *h, struct err *e)
{
	int ring = fcntl(h->ring, F_DUPFD_CLOEXEC, 0); /* who adopts one closes it if it is bad */

	if (ring < 0)
		return err_errno(e, ERR_SYSTEM, errno, "no descriptor for the ticket keys");
	r->number = h->number;
	r->ring = r->shared.ring = ticket_ring_adopt(ring, e);
	if (!r->ring)
		return err_wrap(e, "the ticket keys of the program before");
	return take_board(r, h, e) < 0 ? -1 : sockets_take_over(&r->sockets, h, e);
}

/* The array of what its serving generation listens on. */
static int give_sockets(struct generation *g, const struct handover *h, struct err *e)
{
	g->listener_fds = calloc(h->nsockets + 1, sizeof(*g->listener_fds));
	if (!g->listener_fds)
		return err_set(e, ERR_SYSTEM, "out of memory");
	for (size_t i = 0; i < h->nsockets; i++)
		if (h->sockets[i].held)
			g->listener_fds[g->nlisteners++] = h->sockets[i].fd;
	return 0;
}

int succession_take_workers(struct reload *r, const struct handover *h, struct err *e)
{
	const struct generation_options *o = r->foreign_fd >= 0 ? &r->foreign : &r->shared;

	for (size_t i = 0; i < h->ngenerations; i++)
		if (reload_take_over(r, o, &h->generations[i], e) < 0)
			return -1;
	if (give_sockets(r->serving, h, e) < 0)
		return -1;
	if (r->foreign_fd < 0)
		slots_free_others(&r->slots);
	r->wanted = h->reload_wanted;
	/* There is no way back with this handover any more. */
	handover_close_on_exec(h, true);
	/* The ones in use are copies. */
	handover_close_logs(h);
	close(h->ring);
	return 0;
}
