/* A worker's life: confine, serve, drain, go. It answers the master's messages and the loop's
 * turns; connections, routes and files are other rooms' business, hung together here.
 *
 *   STARTING --set up--> READY --SERVE--> SERVING --DRAIN--> DRAINING --no connection left--> GONE
 *                           \----------------- STOP -----------------------------------------/
 *
 * A master that is dead is a DRAIN.
 */
#include "worker/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "handler/filecache.h"
#include "ipc/board.h"
#include "ipc/channel.h"
#include "ipc/tally.h"
#include "protocol/report.h"
#include "worker/confine.h"
#include "worker/state.h"

enum {
	DRAIN_TICK_MS = 100,
	LOG_FLUSH_MS = 100,
	ORPHAN_IDLE_MS = 400, /* the master is dead: nobody will send the next message */
};

static void site_facts(const struct conn_env *env, const void *site, struct str *ret_name,
	struct access_log **ret_log)
{
	const struct worker *w =
		(const struct worker *)((const char *)env - offsetof(struct worker, env));
	const struct route_site *s = site;

	/* What ends before a site is known goes to the log of those that have none of their own. */
	*ret_name = str_of(s ? s->name : "");
	*ret_log = (struct access_log *)(uintptr_t)(s ? s->access : &w->inherit->config->access);
}

static void flush_logs(struct worker *w)
{
	const struct config *c = w->inherit->config;

	for (size_t i = 0; i < c->nlog_files; i++)
		access_flush(&c->log_files[i]);
	w->env.log_dirty = false;
}

/* ---- the end ---------------------------------------------------------------- */

static void start_draining(struct worker *w, int64_t idle_ms)
{
	if (w->state == WORKER_DRAINING && idle_ms < w->drain_idle_ms)
		w->drain_idle_ms = idle_ms;
	if (w->state != WORKER_SERVING && w->state != WORKER_READY)
		return;
	w->state = WORKER_DRAINING;
	w->env.draining = true;
	w->drain_idle_ms = idle_ms;
	w->drain_deadline_ms = clock_ms() + w->inherit->config->reload_drain_ms;
	accept_stop(&w->accept);
	board_set(w->env.counters->state, BOARD_DRAINING);
	log_debug("draining %u connections", w->env.live);
	timer_set(&w->loop.timers, &w->drain, clock_ms() + DRAIN_TICK_MS);
	if (w->env.live == 0)
		w->state = WORKER_GONE;
}

static void on_drain(struct timer *t)
{
	struct worker *w = (struct worker *)((char *)t - offsetof(struct worker, drain));

	if (clock_ms() >= w->drain_deadline_ms) {
		log_notice("%u connections did not end within reload.drain", w->env.live);
		w->state = WORKER_GONE;
		return;
	}
	conn_close_idle(&w->env, w->drain_idle_ms);
	timer_set(&w->loop.timers, t, clock_ms() + DRAIN_TICK_MS);
}

static void on_gone(struct conn_env *env)
{
	struct worker *w = (struct worker *)((char *)env - offsetof(struct worker, env));

	if (w->state == WORKER_DRAINING && env->live == 0)
		w->state = WORKER_GONE;
	else if (w->state == WORKER_SERVING)
		accept_connection_gone(&w->accept);
}

/* ---- the master ------------------------------------------------------------- */

static void replace_log(struct worker *w, uint32_t index, int fd)
{
	const struct config *c = w->inherit->config;
	struct log_file *file;

	if (fd < 0)
		return;
	if (index >= c->nlog_files) {
		close(fd);
		return;
	}
	file = &c->log_files[index];
	access_flush(file);
	/* In place, so that whoever keeps the number, the error log too, writes to the new file. */
	if (dup3(fd, file->fd, O_CLOEXEC) < 0)
		log_error("cannot change to the reopened log file %s: %s", file->path,
			strerror(errno));
	close(fd);
}

static void start_serving(struct worker *w)
{
	if (w->state != WORKER_READY)
		return;
	w->state = WORKER_SERVING;
	board_set(w->env.counters->state, BOARD_SERVING);
	accept_start(&w->accept);
}

static void handle_message(struct worker *w, const struct channel_message *m, int fd)
{
	switch ((enum channel_type)m->type) {
	case CHANNEL_DRAIN:
		start_draining(w, m->value);
		break;
	case CHANNEL_STOP:
		w->state = WORKER_GONE;
		break;
	case CHANNEL_REOPEN:
		replace_log(w, m->value, fd);
		return;
	case CHANNEL_SERVE:
		start_serving(w);
		break;
	case CHANNEL_READY:
	case CHANNEL_TYPES:
		break;
	}
	if (fd >= 0)
		close(fd);
}

static void on_channel(struct watch *watch, unsigned events)
{
	struct worker *w = (struct worker *)((char *)watch - offsetof(struct worker, channel));
	struct channel_message m;
	int fd, n;

	(void)events;
	while ((n = channel_receive(watch->fd, &m, &fd)) > 0)
		handle_message(w, &m, fd);
	if (n == 0)
		return;
	log_warning("the master is gone; finishing what runs and leaving");
	loop_unwatch(&w->loop, watch);
	start_draining(w, ORPHAN_IDLE_MS);
}

/* ---- turns ------------------------------------------------------------------ */

static void on_tick(struct timer *t)
{
	struct worker *w = (struct worker *)((char *)t - offsetof(struct worker, tick));
	unsigned sigpipes = confine_sigpipes_take();

	if (sigpipes > 0) {
		board_add(w->env.counters->sigpipes, sigpipes);
		log_warning("caught SIGPIPE %u time%s: peers closed before we had written all",
			sigpipes, sigpipes == 1 ? "" : "s");
	}
	report_left_out(&w->env);
	accept_tick(&w->accept);
	timer_set(&w->loop.timers, t, clock_ms() + BOARD_TICK_MS);
}

static void on_log_flush(struct timer *t)
{
	flush_logs((struct worker *)((char *)t - offsetof(struct worker, log_flush)));
}

static void serve(struct worker *w)
{
	struct board_slot *slot = w->env.counters;

	while (w->state != WORKER_GONE) {
		loop_turn(&w->loop);
		board_add(slot->turns, 1);
		board_set(slot->beat_ms, clock_ms());
		if (w->env.log_dirty && !timer_is_set(&w->log_flush))
			timer_set(&w->loop.timers, &w->log_flush, clock_ms() + LOG_FLUSH_MS);
	}
}

/* ---- the beginning ---------------------------------------------------------- */

static bool any_access_log(const struct config *c)
{
	if (c->access.target != LOG_TARGET_OFF)
		return true;
	for (size_t i = 0; i < c->nsites; i++)
		if (c->sites[i].access.target != LOG_TARGET_OFF)
			return true;
	return false;
}

static void set_limits(struct worker *w, unsigned long nofile)
{
	unsigned most = config_connections_fit(nofile);

	w->limits = w->inherit->config->limits;
	if (w->limits.connections > most)
		w->limits.connections = most; /* config/check has warned */
}

/* Files that are only remembered must leave descriptors to connections. */
static void limit_files(struct filecache *files, unsigned long nofile)
{
	if (nofile / 4 < FILECACHE_ENTRIES)
		filecache_limit(files, nofile < 4 ? 1 : (unsigned)(nofile / 4));
}

static int set_up(struct worker *w, struct err *e)
{
	const struct config *c = w->inherit->config;
	unsigned long nofile;

	if (confine_apply(w->inherit, &nofile, e) || loop_init(&w->loop, e))
		return -1;
	/* Buffers of one connection are the next one's: memory that is given back to the kernel
	 * with every response costs more than it saves. */
	mallopt(M_TRIM_THRESHOLD, 4 << 20);
	mallopt(M_MMAP_THRESHOLD, 1 << 20);
	set_limits(w, nofile);
	if (conn_env_init(&w->env, c->sigpipe == SIGPIPE_IGNORE) ||
		!(w->env.files = filecache_new(&w->loop)) ||
		accept_init(&w->accept, &w->loop, &w->env, w->inherit))
		return err_set(e, ERR_SYSTEM, "out of memory");
	limit_files(w->env.files, nofile);
	filecache_set_types(w->env.files, c->media);
	w->env.loop = &w->loop;
	w->env.board = w->inherit->board;
	w->env.counters = &w->inherit->board->slot[w->inherit->slot];
	w->env.io.cache = w->inherit->cache;
	w->env.tally = w->inherit->tally;
	if (w->env.tally)
		tally_clear(w->env.tally, w->inherit->slot);
	w->env.timeouts = &c->timeouts;
	w->env.limits = &w->limits;
	w->env.route = route_serve;
	w->env.dress = route_dress;
	w->env.site_facts = site_facts;
	w->env.on_gone = on_gone;
	w->env.worker = w->inherit->slot;
	w->env.generation = w->inherit->generation;
	w->env.timed = any_access_log(c);
	w->channel = (struct watch){ .fd = w->inherit->channel, .fn = on_channel };
	w->tick.fn = on_tick;
	w->drain.fn = on_drain;
	w->log_flush.fn = on_log_flush;
	if (!loop_watch(&w->loop, &w->channel, LOOP_READ))
		return err_errno(e, ERR_SYSTEM, errno, "cannot watch the master's channel");
	return 0;
}

static void tear_down(struct worker *w)
{
	if (w->env.loop)
		conn_close_all(&w->env);
	flush_logs(w);
	accept_done(&w->accept);
	filecache_free(w->env.files);
	conn_env_done(&w->env);
	loop_done(&w->loop);
}

int worker_main(const struct inherit *in)
{
	const struct config *c = in->config;
	struct worker w = { .inherit = in, .loop.fd = -1 };
	char role[24], text[800];
	struct err e = { 0 };

	snprintf(role, sizeof role, "worker %u", in->slot);
	log_set_role(role);
	/* The master speaks with the generation before until this one serves. */
	log_set(c->log_target, c->log_target == LOG_TARGET_FILE ? c->log_files[0].fd : -1,
		c->log_level);
	if (set_up(&w, &e)) {
		log_error("%s", err_format(&e, text, sizeof text));
		return (int)e.code;
	}
	board_set(w.env.counters->confined, confine_seal(in));
	w.state = WORKER_READY;
	timer_set(&w.loop.timers, &w.tick, clock_ms() + BOARD_TICK_MS);
	if (channel_send(
		    in->channel, CHANNEL_READY, 0, -1)) /* else the loop will see that it is dead */
		log_debug("cannot say READY: %s", strerror(errno));
	shutdown(in->channel, SHUT_WR); /* it is the only word */
	serve(&w);
	tear_down(&w);
	return 0;
}
