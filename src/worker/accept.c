/* Takes connections off the shared listeners and hands them to protocol/conn. It
 * never looks at their bytes. Neighbours: ipc/board counts and judges, the loop tells. */
#include "worker/accept.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "ipc/board.h"
#include "net/sock.h"
#include "tls/sites.h"

enum {
	RELIEF_MS = 20,
	ACCEPTS_A_TICK = 64, /* of each listener that nobody looks after */
};

static void enter(struct accept *a)
{
	for (size_t i = 0; i < a->nlisteners; i++)
		if (!loop_watch(a->loop, &a->listeners[i].watch, LOOP_READ | LOOP_EXCLUSIVE))
			log_error("cannot watch listener %s", a->listeners[i].conn.name);
	a->inside = true;
	board_set(a->env->counters->accepting, 1);
}

static void leave(struct accept *a)
{
	for (size_t i = 0; i < a->nlisteners; i++)
		loop_unwatch(a->loop, &a->listeners[i].watch);
	a->inside = false;
	board_set(a->env->counters->accepting, 0);
}

/* Wakes the worker of `slot` and looks after RELIEF_MS whether it did wake. */
static void poke(struct accept *a, unsigned slot)
{
	uint64_t one = 1;
	int fd = a->inherit->pokes[slot];

	a->relief = slot;
	a->relief_turns = board_get(a->env->board->slot[slot].turns);
	/* EAGAIN: it has been poked more than often enough */
	if (fd >= 0 && write(fd, &one, sizeof one) < 0 && errno != EAGAIN)
		log_debug("cannot poke worker %u: %s", slot, strerror(errno));
	timer_set(&a->loop->timers, &a->relief_due, clock_ms() + RELIEF_MS);
}

/* A newer generation serves. The master's word may still be on its way; who connects from now on
 * is not ours. */
static bool is_replaced(const struct accept *a)
{
	return board_get(a->env->board->generation) > a->inherit->generation;
}

static void review(struct accept *a)
{
	unsigned relief;

	if (!a->started)
		return;
	if (is_replaced(a)) {
		if (a->inside)
			leave(a);
		return;
	}
	if (!a->full && board_gate(a->env->board, a->inherit->slot, a->stuck, &relief)) {
		if (!a->inside)
			enter(a);
	} else if (a->inside) {
		leave(a);
		if (!a->full)
			poke(a, relief);
	}
}

static void on_relief_due(struct timer *t)
{
	struct accept *a = (struct accept *)((char *)t - offsetof(struct accept, relief_due));
	unsigned relief;

	if (!a->started || a->inside || a->full || is_replaced(a) ||
		board_get(a->env->board->slot[a->relief].turns) != a->relief_turns)
		return;
	log_debug("worker %u does not answer; doing without it", a->relief);
	a->stuck[a->relief] = a->relief_turns;
	if (board_gate(a->env->board, a->inherit->slot, a->stuck, &relief))
		enter(a);
	else
		poke(a, relief);
}

static void accept_failed(struct accept *a, const struct accept_listener *l, int errnum)
{
	switch (errnum) {
	case EAGAIN: /* another worker was faster */
	case EINTR:
	case ECONNABORTED:
		return;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		if (conn_shed_idle(a->env) > 0) /* the listener will call again */
			return;
		a->full = true;
		break;
	default:
		break;
	}
	board_add(a->env->counters->accept_errors, 1);
	if (log_rate_pass(&a->trouble))
		log_error("cannot accept on %s: %s%s", l->conn.name, strerror(errnum),
			a->full ? "; pausing until a connection ends (raise LimitNOFILE=)" : "");
}

static bool accept_one(struct accept *a, struct accept_listener *l)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof peer;
	int fd;

	if (is_replaced(a))
		return false;
	if (a->env->live >= a->env->limits->connections && conn_shed_idle(a->env) == 0) {
		a->full = true;
		return false;
	}
	fd = sock_accept(l->watch.fd, &peer, &len);
	if (fd < 0) {
		accept_failed(a, l, errno);
		return false;
	}
	if (!conn_open(a->env, &l->conn, fd, &peer) && log_rate_pass(&a->trouble))
		log_error("out of memory: a connection on %s was closed", l->conn.name);
	return true;
}

static void on_listener(struct watch *w, unsigned events)
{
	struct accept_listener *l = (struct accept_listener *)w;

	(void)events;
	accept_one(l->accept, l);
	review(l->accept);
}

/* The kernel tells one worker of what is queued, and nobody else. Should that one leave, drain or
 * die before it looks, the others learn of it by watching anew. */
static void look_again(struct accept *a)
{
	if (a->inside)
		leave(a);
	review(a);
}

static void on_poke(struct watch *w, unsigned events)
{
	struct accept *a = (struct accept *)((char *)w - offsetof(struct accept, poke));
	uint64_t count;

	(void)events;
	if (read(w->fd, &count, sizeof count) > 0)
		look_again(a);
}

int accept_init(struct accept *a, struct loop *loop, struct conn_env *env, const struct inherit *in)
{
	const struct config *config = in->config;

	memset(a, 0, sizeof *a);
	a->loop = loop;
	a->env = env;
	a->inherit = in;
	a->trouble.burst = 5;
	a->listeners = calloc(config->nlisteners, sizeof *a->listeners);
	if (!a->listeners)
		return -1;
	a->nlisteners = config->nlisteners;
	for (size_t i = 0; i < a->nlisteners; i++) {
		struct accept_listener *l = &a->listeners[i];
		const struct config_listener *c = &config->listeners[i];

		l->accept = a;
		l->watch.fd = in->listener_fds[i];
		l->watch.fn = on_listener;
		l->conn.name = c->name;
		l->conn.context = c->tls ? tls_sites_context(c->tls_sites) : NULL;
		l->conn.policy = &c->shutdown;
		l->conn.routes = (void *)(uintptr_t)&c->routes;
		l->conn.place = board_listener(in->board, c->name);
		l->conn.proxy_protocol = c->proxy_protocol;
		l->conn.trusted = c->trusted;
		l->conn.ntrusted = c->ntrusted;
	}
	a->poke.fd = in->pokes[in->slot];
	a->poke.fn = on_poke;
	a->relief_due.fn = on_relief_due;
	return 0;
}

void accept_done(struct accept *a)
{
	accept_stop(a);
	free(a->listeners);
	a->listeners = NULL;
	a->nlisteners = 0;
}

void accept_start(struct accept *a)
{
	a->started = true;
	if (a->poke.fd >= 0)
		loop_watch(a->loop, &a->poke, LOOP_READ);
	enter(a);
	review(a);
}

void accept_stop(struct accept *a)
{
	if (a->inside)
		leave(a);
	if (a->started && a->poke.fd >= 0)
		loop_unwatch(a->loop, &a->poke);
	/* A listener that nobody else has any more must refuse, not let clients wait for nothing.
	 */
	for (size_t i = 0; a->started && i < a->nlisteners; i++) {
		close(a->listeners[i].watch.fd);
		a->listeners[i].watch.fd = -1;
	}
	a->started = false;
	timer_stop(&a->relief_due);
}

void accept_connection_gone(struct accept *a)
{
	a->full = false;
	if (!a->inside)
		review(a);
}

void accept_tick(struct accept *a)
{
	a->full = false;
	look_again(a);
	if (!a->started || a->inside)
		return;
	/* Somebody should have come and has not. */
	for (size_t i = 0; i < a->nlisteners; i++)
		for (int n = 0; n < ACCEPTS_A_TICK && accept_one(a, &a->listeners[i]); n++)
			;
}
