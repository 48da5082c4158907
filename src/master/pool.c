/* Forks workers and keeps them at their number. Waits only for processes it forked, through the
 * event loop. Refuses to believe a worker: READY is the only word it takes, and every promise has a
 * deadline with SIGKILL behind it. */
#include "master/pool.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "ipc/channel.h"
#include "master/death.h"
#include "master/heart.h"

enum member_state {
	MEMBER_GONE,     /* for good */
	MEMBER_DOWN,     /* dead, to be forked again; `timer` */
	MEMBER_STARTING, /* `timer`: to be ready by then, or be killed */
	MEMBER_SERVING,
};

struct pool_member {
	struct pool *pool;
	enum member_state state;
	int slot; /* -1: none */
	pid_t pid;
	int channel;
	int64_t born_us;
	int64_t backoff_ms;   /* of the last death; 0: it lived long enough */
	const char *sentence; /* why it was killed by us; NULL: it was not */
	struct heart heart;
	sd_event_source *child, *io, *timer;
};

/* On failure all is as before, but for `e`. */
static int member_fork(struct pool_member *m, struct err *e);

/* ---- timers ----------------------------------------------------------------------------- */

static sd_event_source *stop_source(sd_event_source **s)
{
	return *s = sd_event_source_disable_unref(*s);
}

/* (Re)arms; without memory for it the callback never comes, which is logged. */
static void arm(
	sd_event *event, sd_event_source **s, int64_t ms, sd_event_time_handler_t fn, void *data)
{
	int r;

	stop_source(s);
	r = sd_event_add_time_relative(
		event, s, CLOCK_MONOTONIC, (uint64_t)ms * 1000, 1000, fn, data);
	if (r >= 0)
		return;
	errno = -r;
	log_error("cannot set a timer: %m");
}

/* ---- one member ------------------------------------------------------------------------- */

static void kill_member(struct pool_member *m, const char *sentence)
{
	if (m->pid <= 0)
		return;
	m->sentence = sentence;
	kill(m->pid, SIGKILL);
}

/* It is dead (or was never born): everything that belonged to the process goes. */
static void bury(struct pool_member *m)
{
	stop_source(&m->child);
	stop_source(&m->io);
	stop_source(&m->timer);
	if (m->channel >= 0)
		close(m->channel);
	m->channel = -1;
	if (m->pid > 0)
		m->pool->alive--;
	m->pid = 0;
	if (m->state == MEMBER_SERVING)
		m->pool->ready--;
	if (m->state == MEMBER_DOWN)
		m->pool->down--;
}

/* For good. */
static void remove_member(struct pool_member *m)
{
	bury(m);
	slots_give(m->pool->o.slots, m->slot);
	m->slot = -1;
	m->state = MEMBER_GONE;
}

static int on_respawn(sd_event_source *s, uint64_t now, void *data)
{
	struct pool_member *m = data;
	struct pool *p = m->pool;
	struct err e;

	(void)s;
	(void)now;
	bury(m);
	m->state = MEMBER_STARTING;
	if (member_fork(m, &e) < 0) {
		log_err(LOG_LEVEL_ERROR, &e);
		m->state = MEMBER_DOWN;
		p->down++;
		arm(p->o.event, &m->timer, POOL_SHORT_LIFE_MS, on_respawn, m);
	}
	p->o.news(p, POOL_CHANGED);
	return 0;
}

/* The back-off that a death earns: nothing after a life of a second, else doubling. */
static int64_t next_backoff(const struct pool_member *m, bool is_policy)
{
	int64_t next;

	if (is_policy || clock_us_now() - m->born_us >= POOL_SHORT_LIFE_MS * 1000)
		return 0;
	next = m->backoff_ms ? 2 * m->backoff_ms : POOL_BACKOFF_FIRST_MS;
	return next < POOL_BACKOFF_MAX_MS ? next : POOL_BACKOFF_MAX_MS;
}

/* A worker of a serving pool died: its slot stays its own, for the next holder. */
static void replace(struct pool_member *m, bool is_policy)
{
	struct pool *p = m->pool;

	m->backoff_ms = next_backoff(m, is_policy);
	if (m->backoff_ms > POOL_BACKOFF_FIRST_MS)
		log_error("worker %d dies at once, again and again; the next one comes in %lld ms",
			m->slot, (long long)m->backoff_ms);
	bury(m);
	board_release(p->o.slots->board, (unsigned)m->slot);
	board_claim(p->o.slots->board, (unsigned)m->slot, p->o.inherit.generation);
	board_add(p->o.slots->board->respawns, 1u);
	m->state = MEMBER_DOWN;
	p->down++;
	if (m->backoff_ms == 0)
		on_respawn(NULL, 0, m);
	else
		arm(p->o.event, &m->timer, m->backoff_ms, on_respawn, m);
}

static void log_death(const struct pool_member *m, const siginfo_t *si, bool is_policy)
{
	bool as_told = (si->si_code == CLD_EXITED && si->si_status == 0) || m->sentence;
	enum log_level level = is_policy ? LOG_LEVEL_NOTICE : LOG_LEVEL_ERROR;
	char text[DEATH_TEXT_SIZE];

	if (m->pool->state == POOL_ENDING && as_told)
		level = LOG_LEVEL_DEBUG;
	log_write(level, "worker %d (pid %d, generation %u) %s%s", m->slot, (int)m->pid,
		m->pool->o.inherit.generation, death_describe(si, text, sizeof(text)),
		is_policy ? ", as sigpipe = \"default\" wants it" : "");
}

static int on_child(sd_event_source *s, const siginfo_t *si, void *data)
{
	struct pool_member *m = data;
	struct pool *p = m->pool;
	bool is_policy = p->o.sigpipe_is_policy && death_is_by_signal(si, SIGPIPE);
	char text[DEATH_TEXT_SIZE];

	(void)s;
	log_death(m, si, is_policy);
	switch (p->state) {
	case POOL_SERVING:
		replace(m, is_policy);
		if (m->state == MEMBER_DOWN)
			p->o.news(p, POOL_CHANGED);
		return 0;
	case POOL_STARTING:
		p->state = POOL_ENDING;
		err_set(&p->failure, death_code(si), "worker %d %s%s%s", m->slot,
			m->sentence ? m->sentence : death_describe(si, text, sizeof(text)),
			m->sentence ? "" : " before it was ready", "");
		remove_member(m);
		p->o.news(p, POOL_FAILED);
		return 0;
	default:
		remove_member(m);
		p->o.news(p, pool_is_empty(p) ? POOL_EMPTY : POOL_CHANGED);
		return 0;
	}
}

static int on_late(sd_event_source *s, uint64_t now, void *data)
{
	struct pool_member *m = data;

	(void)s;
	(void)now;
	log_error("worker %d (pid %d) was not ready within %lld ms and is killed", m->slot,
		(int)m->pid, (long long)m->pool->o.ready_ms);
	kill_member(m, "was not ready in time");
	return 0;
}

static int on_mute(sd_event_source *s, uint64_t now, void *data)
{
	struct pool_member *m = data;

	(void)s;
	(void)now;
	log_error("worker %d (pid %d) closed its channel but lives on; it is killed", m->slot,
		(int)m->pid);
	kill_member(m, "closed its channel");
	return 0;
}

static void on_ready(struct pool_member *m)
{
	struct pool *p = m->pool;

	if (m->state != MEMBER_STARTING)
		return;
	stop_source(&m->timer);
	m->state = MEMBER_SERVING;
	p->ready++;
	if (p->state == POOL_STARTING && p->ready == p->o.n) {
		p->state = POOL_SERVING;
		p->o.news(p, POOL_READY);
	} else {
		p->o.news(p, POOL_CHANGED);
	}
}

/* One message a turn: the news may free the pool, and level-triggered readiness brings the rest. */
static int on_channel(sd_event_source *s, int fd, uint32_t events, void *data)
{
	struct pool_member *m = data;
	struct channel_message message;
	int rider, r;

	(void)s;
	(void)events;
	r = channel_receive(fd, &message, &rider);
	if (rider >= 0)
		close(rider);
	if (r > 0 && message.type == CHANNEL_READY) {
		on_ready(m);
	} else if (r != 0) {
		stop_source(&m->io);
		close(m->channel);
		m->channel = -1;
		arm(m->pool->o.event, &m->timer, POOL_GRACE_MS, on_mute, m);
	}
	return 0;
}

/* ---- heartbeats ------------------------------------------------------------------------- */

static int on_still_hung(sd_event_source *s, uint64_t now, void *data)
{
	(void)s;
	(void)now;
	kill_member(data, "hung");
	return 0;
}

/* SIGABRT first, so that whoever allows cores finds one; a stopped process has to be woken to hear
 * it. */
static void abort_member(struct pool_member *m)
{
	log_error("worker %d (pid %d, generation %u) hangs with %u connections: no heartbeat for "
		  "%lld ms; it is aborted",
		m->slot, (int)m->pid, m->pool->o.inherit.generation,
		board_get(m->pool->o.slots->board->slot[m->slot].live),
		(long long)m->heart.silent_ms);
	m->sentence = "hung";
	kill(m->pid, SIGABRT);
	kill(m->pid, SIGCONT);
	arm(m->pool->o.event, &m->timer, POOL_GRACE_MS, on_still_hung, m);
}

bool pool_look_after(const struct pool *p, int64_t elapsed_ms, int64_t limit_ms)
{
	bool all_well = true;

	for (unsigned i = 0; p->state == POOL_SERVING && i < p->o.n; i++) {
		struct pool_member *m = &p->members[i];
		int64_t beat;

		if (m->state != MEMBER_SERVING)
			continue;
		beat = board_get(p->o.slots->board->slot[m->slot].beat_ms);
		if (heart_listen(&m->heart, beat, elapsed_ms) < limit_ms)
			continue;
		all_well = false;
		if (!m->sentence)
			abort_member(m);
	}
	return all_well;
}

/* ---- fork ------------------------------------------------------------------------------- */

__attribute__((noreturn)) static void run_worker(const struct pool_member *m, int channel)
{
	const struct pool_options *o = &m->pool->o;
	struct inherit in = o->inherit;

	in.board = o->slots->board;
	in.pokes = o->slots->pokes;
	in.slot = (unsigned)m->slot;
	in.channel = channel;
	/* Not exit(): the master's handlers and unwritten output are the master's. */
	_exit(o->worker(&in));
}

static int watch_member(struct pool_member *m, struct err *e)
{
	sd_event *event = m->pool->o.event;
	int r;

	r = sd_event_add_child(event, &m->child, m->pid, WEXITED, on_child, m);
	if (r >= 0)
		r = sd_event_add_io(event, &m->io, m->channel, EPOLLIN, on_channel, m);
	/* What it said before it died is heard before its death. */
	if (r >= 0)
		r = sd_event_source_set_priority(m->io, SD_EVENT_PRIORITY_IMPORTANT);
	if (r < 0)
		return err_errno(e, ERR_SYSTEM, -r, "cannot watch a worker");
	arm(event, &m->timer, m->pool->o.ready_ms, on_late, m);
	return 0;
}

static int member_fork(struct pool_member *m, struct err *e)
{
	int ends[2];

	if (channel_open(ends, e) < 0)
		return -1;
	m->pid = fork();
	if (m->pid == 0)
		run_worker(m, ends[1]);
	close(ends[1]);
	m->channel = ends[0];
	m->sentence = NULL;
	m->heart = (struct heart){ 0 };
	m->born_us = clock_us_now();
	if (m->pid < 0) {
		err_errno(e, ERR_SYSTEM, errno, "cannot fork a worker");
		m->pid = 0;
		bury(m);
		return -1;
	}
	m->pool->alive++;
	board_set(m->pool->o.slots->board->slot[m->slot].pid, (int32_t)m->pid);
	if (watch_member(m, e) == 0)
		return 0;
	stop_source(&m->child);
	kill(m->pid, SIGKILL);
	waitpid(m->pid, NULL, 0);
	bury(m);
	return -1;
}

int pool_start(struct pool *p, const struct pool_options *o, struct err *e)
{
	assert(o->n > 0);
	*p = (struct pool){ .o = *o, .state = POOL_STARTING };
	p->members = calloc(o->n, sizeof(*p->members));
	if (!p->members)
		return err_set(e, ERR_SYSTEM, "out of memory");
	for (unsigned i = 0; i < o->n; i++)
		p->members[i] = (struct pool_member){ .pool = p, .slot = -1, .channel = -1 };
	for (unsigned i = 0; i < o->n; i++) {
		p->members[i].slot = slots_take(o->slots, o->inherit.generation, e);
		if (p->members[i].slot < 0)
			return -1;
	}
	for (unsigned i = 0; i < o->n; i++) {
		p->members[i].state = MEMBER_STARTING;
		if (member_fork(&p->members[i], e) < 0)
			return -1;
	}
	return 0;
}

/* ---- the end ---------------------------------------------------------------------------- */

bool pool_is_empty(const struct pool *p)
{
	return p->alive == 0 && p->down == 0;
}

bool pool_has(const struct pool *p, pid_t pid)
{
	for (unsigned i = 0; p->members && i < p->o.n; i++)
		if (p->members[i].pid > 0 && p->members[i].pid == pid)
			return true;
	return false;
}

static int on_deadline(sd_event_source *s, uint64_t now, void *data)
{
	struct pool *p = data;

	(void)s;
	(void)now;
	for (unsigned i = 0; i < p->o.n; i++) {
		struct pool_member *m = &p->members[i];

		if (m->pid <= 0)
			continue;
		log_warning("worker %d (pid %d, generation %u) is killed with %u connections: its "
			    "time is up",
			m->slot, (int)m->pid, p->o.inherit.generation,
			board_get(p->o.slots->board->slot[m->slot].live));
		kill_member(m, "outlived its time");
	}
	return 0;
}

static void tell_to_end(struct pool *p, enum channel_type type, uint32_t value, int64_t limit_ms)
{
	int64_t deadline_us = clock_us_now() + limit_ms * 1000;

	p->state = POOL_ENDING;
	for (unsigned i = 0; i < p->o.n; i++) {
		struct pool_member *m = &p->members[i];

		if (m->state == MEMBER_DOWN)
			remove_member(m);
		/* Whoever does not hear it meets the deadline. */
		if (m->channel >= 0)
			channel_send(m->channel, type, value, -1);
	}
	if (pool_is_empty(p) || (p->deadline && p->deadline_us <= deadline_us))
		return;
	p->deadline_us = deadline_us;
	arm(p->o.event, &p->deadline, limit_ms, on_deadline, p);
}

void pool_drain(struct pool *p, unsigned idle_ms, int64_t limit_ms)
{
	tell_to_end(p, CHANNEL_DRAIN, idle_ms, limit_ms);
}

void pool_stop(struct pool *p)
{
	tell_to_end(p, CHANNEL_STOP, 0, POOL_GRACE_MS);
}

void pool_kill(struct pool *p)
{
	p->state = POOL_ENDING;
	stop_source(&p->deadline);
	for (unsigned i = 0; i < p->o.n; i++) {
		if (p->members[i].state == MEMBER_DOWN)
			remove_member(&p->members[i]);
		kill_member(&p->members[i], "was not wanted any more");
	}
}

void pool_reopen_log(struct pool *p, unsigned index, int fd)
{
	for (unsigned i = 0; i < p->o.n; i++)
		if (p->members[i].channel >= 0 &&
			channel_send(p->members[i].channel, CHANNEL_REOPEN, index, fd) < 0)
			log_warning(
				"worker %d does not take a reopened log: %m", p->members[i].slot);
}

void pool_done(struct pool *p)
{
	if (!p)
		return;
	stop_source(&p->deadline);
	for (unsigned i = 0; p->members && i < p->o.n; i++) {
		struct pool_member *m = &p->members[i];
		pid_t pid = m->pid;

		stop_source(&m->child);
		if (pid > 0) {
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
		}
		remove_member(m);
	}
	free(p->members);
	*p = (struct pool){ 0 };
}
