/* Makes a generation: configuration, sockets, workers. What fails here leaves nothing behind but
 * findings. Refuses to know which generation serves: that is reload's. */
#include "master/generation.h"

#include <assert.h>
#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/check.h"
#include "config/handshakes.h"
#include "config/open.h"
#include "config/read.h"
#include "config/serve.h"
#include "ipc/board.h"
#include "ipc/tally.h"
#include "master/handover.h"
#include "tls/session_cache.h"

size_t generation_release_sockets(struct generation *g)
{
	size_t closed = 0;

	if (g->listener_fds)
		closed = sockets_release(g->o->sockets, g->listener_fds, g->nlisteners);
	g->listener_fds = NULL;
	return closed;
}

static void free_config(struct config *c)
{
	if (c && c->serve_ca_path)
		unlink(c->serve_ca_path);
	config_free(c);
}

void generation_free(struct generation *g)
{
	if (!g)
		return;
	pool_done(&g->pool);
	generation_release_sockets(g);
	tally_free(g->tally);
	session_cache_free(g->cache);
	if (g->holders && --*g->holders == 0) {
		free_config(g->config);
		free(g->holders);
	}
	free(g);
}

static struct config *serve_directory(const struct generation_options *o, struct findings *f)
{
	struct config *c = config_serve(o->master->serve_dir, o->master->serve_port, f);

	if (!c)
		return NULL;
	config_check(c, f);
	if (f->errors == 0)
		config_open(c, CONFIG_OPEN_SERVE, o->ring, f);
	if (f->errors == 0)
		return c;
	free_config(c);
	return NULL;
}

/* The bound of the directive: a generation and the one before it have slots. */
enum { WORKERS_MAX = 256 };
static_assert(2 * WORKERS_MAX <= BOARD_SLOTS, "a reload fits");

static unsigned count_workers(const struct config *c)
{
	cpu_set_t cpus;
	int n = c->workers;

	if (n == 0 && sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
		n = CPU_COUNT(&cpus);
	if (n > WORKERS_MAX)
		n = WORKERS_MAX;
	return n > 0 ? (unsigned)n : 1;
}

static int fork_workers(
	struct generation *g, unsigned uid, unsigned gid, pool_news_fn *news, struct err *e)
{
	const struct generation_options *go = g->o;
	const struct config *c = g->config;
	const int *listen_on = go->stand_in ? go->stand_in(c, e) : g->listener_fds;
	bool is_root = geteuid() == 0;
	struct pool_options o = {
		.member = {
			.event = go->event,
			.slots = go->slots,
			.worker = go->master->worker,
			.inherit = {
				.config = c,
				.generation = g->number,
				.listener_fds = listen_on,
				.tally = g->tally,
				.cache = g->cache,
				.ring = c->tls.tickets_enabled ? go->ring : NULL,
				.uid = is_root ? (uid_t)uid : (uid_t)-1,
				.gid = is_root ? (gid_t)gid : (gid_t)-1,
				.master = getpid(),
			},
			.ready_ms = c->reload_ready_ms,
		},
		.n = go->stand_in ? 1 : count_workers(c),
		.sigpipe_is_policy = c->sigpipe == SIGPIPE_DEFAULT,
		.news = news,
	};

	return listen_on ? pool_start(&g->pool, &o, e) : -1;
}

/* Is what was read what was rehearsed? */
static bool is_as_rehearsed(
	const struct config *c, const struct digest_list *rehearsed, struct findings *f)
{
	const char *changed = digest_list_differs(&c->digests, rehearsed);

	if (changed)
		findings_error(f, ERR_TEMPORARY, changed, 0,
			"the file changed while the reload was under way; reload again");
	return !changed;
}

static bool is_acceptable(
	const struct config *c, const struct digest_list *rehearsed, struct findings *f)
{
	if (rehearsed)
		return is_as_rehearsed(c, rehearsed, f);
	config_handshakes(c, NULL, f);
	return f->errors == 0;
}

/* One of the same size goes on with what is in it. */
static int take_cache(struct generation *g, struct err *e)
{
	struct session_cache *before = g->o->before ? g->o->before->cache : NULL;
	int64_t size = g->config->tls.session_cache;

	if (size == 0)
		return 0;
	if (before && session_cache_size(before) == size)
		g->cache = session_cache_hold(before);
	else
		g->cache = session_cache_new(size, e);
	return g->cache ? 0 : -1;
}

/* Sockets and workers. */
static int begin(struct generation *g, pool_news_fn *news, struct findings *f)
{
	const struct generation_options *o = g->o;
	size_t sockets_before = o->sockets->n;
	unsigned uid = 0, gid = 0;
	struct err e = { 0 };

	if (config_ids(g->config, &uid, &gid, f) < 0)
		return -1;
	g->listener_fds = sockets_acquire(o->sockets, g->config, f);
	if (!g->listener_fds)
		return -1;
	g->nlisteners = g->config->nlisteners;
	for (size_t i = 0; i < g->config->nlisteners; i++)
		board_add_listener(o->slots->board, g->config->listeners[i].name);
	g->opened = o->sockets->n - sockets_before;
	if ((!g->config->limits.connections_per_address || (g->tally = tally_new(&e))) &&
		take_cache(g, &e) == 0 && fork_workers(g, uid, gid, news, &e) == 0)
		return 0;
	findings_error(f, e.code, NULL, 0, "%s", e.text);
	return -1;
}

void generation_log_ktls(const struct generation *g, const struct generation *old)
{
	const struct config *before = old && !generation_is_inherited(old) ? old->config : NULL;
	char now[400], then[400];

	if (g->config->tls.ktls == TLS_KTLS_OFF)
		return;
	ktls_probe_describe(&g->config->ktls, now, sizeof(now));
	if (before && before->tls.ktls != TLS_KTLS_OFF &&
		strcmp(now, ktls_probe_describe(&before->ktls, then, sizeof(then))) == 0)
		return;
	log_notice("tls.ktls: %s", now);
}

static struct generation *make(
	const struct generation_options *o, uint32_t number, struct findings *f)
{
	struct generation *g = calloc(1, sizeof(*g));

	if (!g) {
		findings_error(f, ERR_SYSTEM, NULL, 0, "out of memory");
		return NULL;
	}
	g->o = o;
	g->number = number;
	return g;
}

static struct config *prepare_config(
	const struct generation_options *o, const struct generation *again, struct findings *f)
{
	if (o->master->serve_dir)
		return serve_directory(o, f);
	if (again)
		return config_prepare_again(again->config, CONFIG_OPEN_SERVE, o->ring, f);
	return config_prepare_after(o->before ? o->before->config : NULL, o->master->config_path,
		CONFIG_OPEN_SERVE, o->ring, f);
}

/* -1: findings. */
static int load(struct generation *g, const struct generation *again, struct findings *f)
{
	g->holders = malloc(sizeof(*g->holders));
	if (!g->holders) {
		findings_error(f, ERR_SYSTEM, NULL, 0, "out of memory");
		return -1;
	}
	*g->holders = 1;
	g->config = prepare_config(g->o, again, f);
	return g->config ? 0 : -1;
}

struct generation *generation_new(const struct generation_options *o, uint32_t number,
	const struct digest_list *rehearsed, const struct generation *again, pool_news_fn *news,
	struct findings *f)
{
	struct generation *g = make(o, number, f);

	if (g && load(g, again, f) == 0 && is_acceptable(g->config, rehearsed, f) &&
		begin(g, news, f) == 0)
		return g;
	generation_free(g);
	return NULL;
}

struct generation *generation_restore(
	const struct generation *before, uint32_t number, pool_news_fn *news, struct findings *f)
{
	struct generation *g = make(before->o, number, f);

	if (!g)
		return NULL;
	g->config = before->config;
	g->holders = before->holders;
	++*g->holders;
	if (begin(g, news, f) == 0)
		return g;
	generation_free(g);
	return NULL;
}

struct generation *generation_of(struct pool *p)
{
	return (struct generation *)(void *)((char *)p - offsetof(struct generation, pool));
}

void generation_drain(struct generation *g, int64_t idle_ms)
{
	int64_t limit_ms = g->config->reload_drain_ms;

	if (idle_ms > limit_ms)
		idle_ms = limit_ms;
	/* The workers bound themselves with the same time; this is for those who do not. */
	pool_drain(&g->pool, (unsigned)idle_ms, limit_ms + POOL_GRACE_MS);
}

void generation_use_log(const struct generation *g)
{
	const struct config *c = g->config;

	log_set(c->log_target, c->log_target == LOG_TARGET_FILE ? c->log_files[0].fd : -1,
		c->log_level);
}

void generation_reopen_logs(
	struct generation *g, const struct generation *serving, struct findings *f)
{
	struct config *c = g->config;
	int *fds = calloc(c->nlog_files + 1, sizeof(*fds));

	if (!fds)
		return;
	config_reopen_logs(c, fds, f);
	for (size_t i = 0; i < c->nlog_files; i++) {
		int old = c->log_files[i].fd;

		if (fds[i] < 0)
			continue;
		c->log_files[i].fd = fds[i];
		if (serving && serving->config == c && i == 0)
			generation_use_log(serving);
		close(old);
	}
	pool_reopen_logs(&g->pool, c->log_files, (unsigned)c->nlog_files);
	free(fds);
}

/* ---- from one image to the next --------------------------------------------------------- */

bool generation_is_inherited(const struct generation *g)
{
	return !g->pool.o.member.worker;
}

int generation_leave(const struct generation *g, struct handover_generation *ret, struct err *e)
{
	const struct config *c = g->config;

	*ret = (struct handover_generation){ .number = g->number,
		.ready_ms = c->reload_ready_ms,
		.drain_ms = c->reload_drain_ms,
		.user = strdup(c->user ? c->user : ""),
		.group = strdup(c->group ? c->group : ""),
		.log_target = c->log_target,
		.log_level = c->log_level,
		.logs = calloc(c->nlog_files + 1, sizeof(*ret->logs)),
		.workers = calloc(g->pool.o.n + 1, sizeof(*ret->workers)) };
	if (!ret->user || !ret->group || !ret->logs || !ret->workers)
		return err_set(e, ERR_SYSTEM, "out of memory");
	for (size_t i = 0; i < c->nlog_files; i++) {
		ret->logs[i] =
			(struct handover_log){ strdup(c->log_files[i].path), c->log_files[i].fd };
		if (!ret->logs[i].path)
			return err_set(e, ERR_SYSTEM, "out of memory");
		ret->nlogs++;
	}
	pool_leave(&g->pool, ret);
	return 0;
}

/* What is left of a configuration. NULL: out of memory. */
static struct config *remember(const struct handover_generation *from)
{
	struct config *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->reload_ready_ms = from->ready_ms;
	c->reload_drain_ms = from->drain_ms;
	c->log_target = (enum log_target)from->log_target;
	c->log_level = (enum log_level)from->log_level;
	c->user = strdup(from->user);
	c->group = strdup(from->group);
	c->log_files = calloc(from->nlogs + 1, sizeof(*c->log_files));
	for (size_t i = 0; c->log_files && i < from->nlogs; i++) {
		c->log_files[i] = (struct log_file){
			.fd = fcntl(from->logs[i].fd, F_DUPFD_CLOEXEC, 0),
			.path = strdup(from->logs[i].path),
		};
		c->nlog_files += c->log_files[i].path && c->log_files[i].fd >= 0;
	}
	if (c->user && c->group && c->log_files && c->nlog_files == from->nlogs)
		return c;
	config_free(c);
	return NULL;
}

struct generation *generation_take_over(const struct generation_options *o,
	const struct handover_generation *from, pool_news_fn *news, struct err *e)
{
	struct generation *g = calloc(1, sizeof(*g));
	struct pool_options po = {
		.member = {
			.event = o->event,
			.slots = o->slots,
			.inherit.generation = from->number,
			.ready_ms = from->ready_ms,
		},
		.news = news,
	};

	if (g)
		*g = (struct generation){
			.o = o, .number = from->number, .config = remember(from)
		};
	if (g)
		g->holders = calloc(1, sizeof(*g->holders));
	if (!g || !g->config || !g->holders) {
		err_set(e, ERR_SYSTEM, "out of memory");
		return NULL;
	}
	*g->holders = 1;
	return pool_take_over(&g->pool, &po, from, e) == 0 ? g : NULL;
}
