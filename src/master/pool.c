/* Keeps workers at their number, and says how it stands with all of them. Refuses to wait for one:
 * what a single worker does and has to do is master/member's. */
#include "master/pool.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "ipc/channel.h"
#include "master/death.h"
#include "master/delay.h"
#include "master/events.h"
#include "master/handover.h"
#include "master/heart.h"

static void count(struct pool *p)
{
	p->ready = p->alive = p->down = 0;
	for (unsigned i = 0; i < p->o.n; i++) {
		p->ready += p->members[i].state == MEMBER_SERVING;
		p->alive += p->members[i].pid > 0;
		p->down += p->members[i].state == MEMBER_DOWN;
	}
}

/* The last thing before the event loop. */
static void tell(struct pool *p, enum pool_news news)
{
	count(p);
	p->o.news(p, news);
}

/* ---- deaths ----------------------------------------------------------------------------- */

/* The back-off that a death earns: nothing after a life of a second, else doubling. */
static int64_t next_backoff(const struct member *m, bool is_policy)
{
	int64_t next;

	if (is_policy || clock_us_now() - m->born_us >= POOL_SHORT_LIFE_MS * 1000)
		return 0;
	next = m->backoff_ms ? 2 * m->backoff_ms : POOL_BACKOFF_FIRST_MS;
	return next < POOL_BACKOFF_MAX_MS ? next : POOL_BACKOFF_MAX_MS;
}

/* A worker of a serving pool died: its slot stays its own, for the next holder. */
static void replace(struct member *m, bool is_policy)
{
	struct pool *p = m->owner;

	m->backoff_ms = next_backoff(m, is_policy);
	if (m->backoff_ms > POOL_BACKOFF_FIRST_MS)
		log_error("worker %d dies at once, again and again; the next one comes in %lld ms",
			m->slot, (long long)m->backoff_ms);
	board_add(p->o.member.slots->board->respawns, 1u);
	member_rest(m, m->backoff_ms);
}

static void on_rested(struct member *m)
{
	struct err e;

	if (member_fork(m, &e) < 0) {
		log_err(LOG_LEVEL_ERROR, &e);
		member_rest(m, POOL_SHORT_LIFE_MS);
	}
	tell(m->owner, POOL_CHANGED);
}

static void log_death(const struct member *m, const siginfo_t *si, bool is_policy)
{
	const struct pool *p = m->owner;
	bool is_end = si->si_code == CLD_EXITED && si->si_status == 0;
	enum log_level level = is_policy ? LOG_LEVEL_NOTICE : LOG_LEVEL_ERROR;
	char digits[3][LOG_NUMBER_SIZE], text[DEATH_TEXT_SIZE], words[CRUMB_WORDS_SIZE];
	char circumstances[DEATH_CRUMB_SIZE] = "";
	struct crumb crumb;
	struct log_field fields[] = {
		log_number("WORKER", m->slot, digits[0]),
		log_number("PID", m->pid, digits[1]),
		log_number("GENERATION", m->o->inherit.generation, digits[2]),
		{ "DEATH", str_of(death_describe(si, text, sizeof(text))) },
		{ "DOING", STR("") },
		{ "REQUEST", STR("") },
	};

	if (p->state == POOL_ENDING && (is_end || m->sentence))
		level = LOG_LEVEL_DEBUG;
	crumb_read(&m->o->slots->board->slot[m->slot].crumb, &crumb);
	if (!is_end && !is_policy) {
		death_circumstances(&crumb, circumstances, sizeof(circumstances));
		fields[4].value = str_of(circumstances + (*circumstances == ' '));
		fields[5].value = str_of(crumb.phase ? crumb_words(&crumb, words) : "");
	}
	log_event(level, EVENT_WORKER_DIED, fields, sizeof(fields) / sizeof(fields[0]),
		"worker %d (pid %d, generation %u) %s%s%s", m->slot, (int)m->pid,
		m->o->inherit.generation, text, circumstances,
		is_policy ? ", as sigpipe = \"default\" wants it" : "");
}

/* Does this death speak against the configuration? SIGKILL that is not ours was somebody's will, or
 * the kernel's need of memory. */
static bool is_young_death(const struct member *m, const siginfo_t *si, bool is_policy)
{
	bool is_outside = death_is_by_signal(si, SIGKILL) && !m->sentence;

	return !is_policy && !is_outside &&
	       clock_us_now() - m->born_us < (int64_t)POOL_YOUNG_MS * 1000;
}

/* True: from now on it is crashing. */
static bool count_young_death(struct pool *p)
{
	if (clock_us_now() - p->serving_since_us >= (int64_t)POOL_PROBATION_MS * 1000)
		return false;
	p->young_deaths++;
	if (p->is_crashing || p->young_deaths <= 2 * p->o.n)
		return false;
	p->is_crashing = true;
	return true;
}

/* It has not become what was hoped for. */
static void fail(struct member *m, const siginfo_t *si)
{
	struct pool *p = m->owner;
	char text[DEATH_TEXT_SIZE];

	p->state = POOL_ENDING;
	err_set(&p->failure, death_code(si), "worker %d %s%s", m->slot,
		m->sentence ? m->sentence : death_describe(si, text, sizeof(text)),
		m->sentence ? "" : " before it was ready");
	member_remove(m);
	tell(p, POOL_FAILED);
}

static void on_died(struct member *m, const siginfo_t *si)
{
	struct pool *p = m->owner;
	bool is_policy = p->o.sigpipe_is_policy && death_is_by_signal(si, SIGPIPE);
	bool is_young = is_young_death(m, si, is_policy);

	log_death(m, si, is_policy);
	switch (p->state) {
	case POOL_SERVING:
		if (!m->o->worker) { /* what it was forked with is not there any more */
			member_remove(m);
			count(p);
			tell(p, pool_is_empty(p) ? POOL_EMPTY : POOL_CHANGED);
			break;
		}
		replace(m, is_policy);
		if (m->state == MEMBER_DOWN)
			tell(p, POOL_CHANGED);
		if (is_young && count_young_death(p))
			tell(p, POOL_CRASHING);
		break;
	case POOL_STARTING:
		fail(m, si);
		break;
	default:
		member_remove(m);
		count(p);
		tell(p, pool_is_empty(p) ? POOL_EMPTY : POOL_CHANGED);
		break;
	}
}

/* Who is dead does not hear it, and will be reaped; who reads nothing would never serve. */
static void let_serve(struct member *m)
{
	if (m->state == MEMBER_SERVING && m->channel >= 0 &&
		channel_send(m->channel, CHANNEL_SERVE, 0, -1) < 0 && errno == EAGAIN)
		member_kill(m, "did not read what it was told");
}

static void on_ready(struct member *m)
{
	struct pool *p = m->owner;

	count(p);
	if (p->state == POOL_SERVING)
		let_serve(m);
	if (p->state != POOL_STARTING || p->ready < p->o.n) {
		tell(p, POOL_CHANGED);
		return;
	}
	p->state = POOL_SERVING;
	p->serving_since_us = clock_us_now();
	tell(p, POOL_READY);
}

void pool_serve(struct pool *p)
{
	for (unsigned i = 0; p->state == POOL_SERVING && i < p->o.n; i++)
		let_serve(&p->members[i]);
}

/* ---- heartbeats ------------------------------------------------------------------------- */

bool pool_look_after(const struct pool *p, int64_t elapsed_ms, int64_t limit_ms)
{
	bool all_well = true;

	if (p->o.member.slots && p->o.member.slots->foreign)
		return true; /* their hearts beat where we cannot hear them */
	for (unsigned i = 0; p->state == POOL_SERVING && i < p->o.n; i++) {
		struct member *m = &p->members[i];
		int64_t beat;

		if (m->state != MEMBER_SERVING)
			continue;
		beat = board_get(p->o.member.slots->board->slot[m->slot].beat_ms);
		if (heart_listen(&m->heart, beat, elapsed_ms) < limit_ms)
			continue;
		all_well = false;
		member_abort(m);
	}
	return all_well;
}

/* ---- the beginning ---------------------------------------------------------------------- */

static void set_calls(struct pool *p)
{
	p->o.member.ready = on_ready;
	p->o.member.died = on_died;
	p->o.member.rested = on_rested;
}

int pool_start(struct pool *p, const struct pool_options *o, struct err *e)
{
	assert(o->n > 0);
	*p = (struct pool){ .o = *o, .state = POOL_STARTING };
	set_calls(p);
	p->members = calloc(o->n, sizeof(*p->members));
	if (!p->members)
		return err_set(e, ERR_SYSTEM, "out of memory");
	for (unsigned i = 0; i < o->n; i++)
		if (member_init(&p->members[i], &p->o.member, p, e) < 0)
			return -1;
	for (unsigned i = 0; i < o->n; i++)
		if (member_fork(&p->members[i], e) < 0)
			return -1;
	count(p);
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
		struct member *m = &p->members[i];

		if (m->pid <= 0)
			continue;
		log_warning("worker %d (pid %d, generation %u) is killed with %u connections: its "
			    "time is up",
			m->slot, (int)m->pid, p->o.member.inherit.generation,
			board_get(p->o.member.slots->board->slot[m->slot].live));
		member_kill(m, "outlived its time");
	}
	return 0;
}

static void tell_to_end(struct pool *p, enum channel_type type, uint32_t value, int64_t limit_ms)
{
	int64_t deadline_us = clock_us_now() + limit_ms * 1000;

	p->state = POOL_ENDING;
	for (unsigned i = 0; i < p->o.n; i++) {
		struct member *m = &p->members[i];

		if (m->state == MEMBER_DOWN)
			member_remove(m);
		/* Whoever does not hear it meets the deadline. */
		if (m->channel >= 0)
			channel_send(m->channel, type, value, -1);
	}
	count(p);
	if (pool_is_empty(p) || (p->deadline && p->deadline_us <= deadline_us))
		return;
	p->deadline_us = deadline_us;
	delay_set(p->o.member.event, &p->deadline, limit_ms, on_deadline, p);
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
	delay_stop(&p->deadline);
	for (unsigned i = 0; i < p->o.n; i++) {
		if (p->members[i].state == MEMBER_DOWN)
			member_remove(&p->members[i]);
		member_kill(&p->members[i], "was not wanted any more");
	}
	count(p);
}

void pool_reopen_logs(struct pool *p, const struct log_file *logs, unsigned n)
{
	for (unsigned i = 0; i < p->o.n; i++)
		member_reopen_logs(&p->members[i], logs, n);
}

/* ---- from one image to the next --------------------------------------------------------- */

void pool_leave(const struct pool *p, struct handover_generation *ret)
{
	ret->deadline_us = p->deadline_us;
	for (unsigned i = 0; p->members && i < p->o.n; i++)
		if (p->members[i].pid > 0)
			member_leave(&p->members[i], &ret->workers[ret->nworkers++]);
}

int pool_take_over(struct pool *p, const struct pool_options *o,
	const struct handover_generation *from, struct err *e)
{
	int64_t left_us = from->deadline_us - clock_us_now();

	*p = (struct pool){ .o = *o, .state = from->serves ? POOL_SERVING : POOL_ENDING };
	set_calls(p);
	p->members = calloc(from->nworkers + 1, sizeof(*p->members));
	if (!p->members)
		return err_set(e, ERR_SYSTEM, "out of memory");
	for (; p->o.n < from->nworkers; p->o.n++)
		if (member_take_over(
			    &p->members[p->o.n], &p->o.member, p, &from->workers[p->o.n], e) < 0)
			return -1;
	count(p);
	if (from->serves) {
		pool_serve(p); /* again, that does no harm */
		return 0;
	}
	if (!from->deadline_us) {
		pool_kill(p); /* again, that does no harm */
		return 0;
	}
	p->deadline_us = from->deadline_us;
	delay_set(
		p->o.member.event, &p->deadline, left_us > 0 ? left_us / 1000 : 0, on_deadline, p);
	return 0;
}

/* ---- and nothing is left ---------------------------------------------------------------- */

void pool_done(struct pool *p)
{
	if (!p)
		return;
	delay_stop(&p->deadline);
	for (unsigned i = 0; p->members && i < p->o.n; i++)
		member_done(&p->members[i]);
	free(p->members);
	*p = (struct pool){ 0 };
}
