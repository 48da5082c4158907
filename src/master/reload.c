/* The life of generations, as drawn in the header. A configuration that was refused leaves nothing
 * behind but its lines in the log. Refuses to run two transactions at once. */
#include "master/reload.h"

#include <assert.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "tls/ticket.h"

static pool_news_fn on_pool_news;

/* The first transaction: of a start, or of a program that was rehearsed before it took over. */
static bool is_start(const struct reload *r)
{
	return r->turn == 1;
}

/* ---- commit and rollback ---------------------------------------------------------------- */

/* What may come back: `old`, unless it was no good itself. */
static void keep_previous(struct reload *r, struct generation *old)
{
	if (r->last.quarantined || generation_is_inherited(old))
		retired_forget(&r->retired);
	else if (old->pool.is_crashing)
		retired_keep_on(&r->retired, r->shared.event, POOL_PROBATION_MS);
	else
		retired_keep(&r->retired, old, r->shared.event, POOL_PROBATION_MS);
}

/* A start is no reload, nor is an upgrade. */
static void count_commit(const struct reload *r)
{
	if (is_start(r))
		return;
	if (r->last.quarantined)
		board_add(r->board->reloads_quarantined, 1u);
	else
		board_add(r->board->reloads_ok, 1u);
	board_set(r->board->last_reload_ok, r->last.quarantined ? 0u : 1u);
}

static void commit(struct reload *r)
{
	struct generation *g = r->candidate, *old = r->serving;
	size_t closed = 0;

	r->serving = g;
	r->candidate = NULL;
	r->last.code = r->last.quarantined ? ERR_INTERNAL : ERR_NONE;
	r->unfit.code = ERR_NONE;
	sockets_apply_backlogs(g->config, g->listener_fds);
	sockets_store(&r->sockets, ticket_ring_fd(r->ring));
	generation_use_log(g);
	/* Before the number of the generation: whoever sees that has the other figures, too. From
	 * then on workers of the one before take no connection, even if they have not yet read that
	 * they shall drain. */
	count_commit(r);
	board_set(r->board->generation, g->number);
	/* At once: nobody accepts in between. Not before: who takes a connection must not be rolled
	 * back. */
	pool_serve(&g->pool);
	if (old) {
		generation_drain(old, RELOAD_IDLE_MS);
		closed = generation_release_sockets(old);
	}
	verdict_log_commit(&r->last, g, old, closed);
	generation_log_ktls(g, old);
	if (old) {
		keep_previous(r, old);
		retired_add(&r->retired, old);
	}
	r->last.ended = time(NULL);
	r->news(r, RELOAD_COMMITTED);
}

static void reject(struct reload *r, enum err_code code)
{
	r->last.code = code;
	r->last.ended = time(NULL);
	if (is_start(r) && r->serving) {
		log_error("this program (" LATCH_VERSION
			  ") is not ready; generation %u serves on, unchanged",
			r->serving->number);
	} else if (r->serving) {
		board_add(r->board->reloads_failed, 1u);
		board_set(r->board->last_reload_ok, 0u);
		verdict_log_rejection(&r->last, r->serving);
	}
	/* It would be tried in vain again and again. */
	if (r->last.quarantined)
		retired_forget(&r->retired);
	r->news(r, RELOAD_REJECTED);
}

/* The candidate goes. */
static void rollback(struct reload *r)
{
	struct generation *g = r->candidate;

	r->candidate = NULL;
	pool_kill(&g->pool);
	generation_release_sockets(g);
	retired_add(&r->retired, g);
}

/* What serves, if its configuration is in memory. */
static const struct generation *known(const struct reload *r)
{
	return r->serving && !generation_is_inherited(r->serving) ? r->serving : NULL;
}

/* There is a candidate, or findings that tell why not. */
static void prepared(struct reload *r)
{
	enum err_code code = (enum err_code)findings_code(&r->last.findings);

	verdict_log_findings(&r->last.findings);
	if (!r->candidate) {
		reject(r, code ? code : ERR_INTERNAL);
		return;
	}
	r->candidate->owner = r;
	r->number++;
}

static void quarantine(struct reload *r)
{
	const struct generation *bad = r->serving, *good = r->retired.previous;

	verdict_begin(&r->last);
	r->last.quarantined = bad->number;
	r->renews = false;
	findings_error(&r->last.findings, ERR_INTERNAL, NULL, 0,
		"generation %u: %u of its workers died soon after their start; the configuration "
		"of generation %u comes back",
		bad->number, bad->pool.young_deaths, good->number);
	r->shared.before = known(r);
	r->candidate = generation_restore(good, r->number + 1, on_pool_news, &r->last.findings);
	prepared(r);
}

/* What has had to wait for the end of a transaction. */
static void run_next(struct reload *r)
{
	if (r->ending || reload_is_busy(r))
		return;
	if (r->serving && r->serving->pool.is_crashing && r->retired.previous)
		quarantine(r);
	if (!r->wanted || reload_is_busy(r) || retired_count(&r->retired) >= RELOAD_DRAINING_MAX)
		return;
	r->wanted = false;
	reload_begin(r);
}

static void on_pool_news(struct pool *p, enum pool_news news)
{
	struct generation *g = generation_of(p);
	struct reload *r = g->owner;
	enum err_code code;

	switch (news) {
	case POOL_READY:
		assert(g == r->candidate);
		commit(r);
		break;
	case POOL_FAILED:
		assert(g == r->candidate);
		log_err(LOG_LEVEL_ERROR, &p->failure);
		code = p->failure.code;
		findings_error(&r->last.findings, code, NULL, 0, "%s", p->failure.text);
		rollback(r);
		reject(r, code);
		break;
	case POOL_EMPTY:
		log_info("generation %u is gone", g->number);
		/* The last one stays until the end: the log may be its file. */
		if (g != r->serving)
			retired_empty(&r->retired, g);
		r->news(r, RELOAD_CHANGED);
		break;
	case POOL_CRASHING:
		if (g == r->serving && !r->retired.previous)
			log_error("generation %u: its workers die again and again, and there is "
				  "none before it that could come back",
				g->number);
		break;
	case POOL_CHANGED:
		r->news(r, RELOAD_CHANGED);
		break;
	}
	run_next(r);
}

/* ---- the face --------------------------------------------------------------------------- */

/* The keys of the master before, else new ones. */
static struct ticket_ring *take_ring(struct reload *r, struct err *e)
{
	int fd = sockets_take_ring(&r->sockets);
	struct ticket_ring *ring = NULL;

	if (fd >= 0) {
		ring = ticket_ring_adopt(fd, e);
		if (ring)
			return ring;
		err_wrap(e, "the ticket keys that the service manager kept");
		log_err(LOG_LEVEL_WARNING, e);
		sockets_drop_ring(&r->sockets);
	}
	return ticket_ring_new(e);
}

void reload_init_bare(struct reload *r, sd_event *event, const struct master_options *o,
	void (*news)(struct reload *r, enum reload_news news))
{
	*r = (struct reload){ .news = news, .board_fd = -1, .foreign_fd = -1 };
	verdict_init(&r->last);
	r->shared = (struct generation_options){
		.master = o, .event = event, .slots = &r->slots, .sockets = &r->sockets
	};
}

int reload_init(struct reload *r, sd_event *event, const struct master_options *o,
	void (*news)(struct reload *r, enum reload_news news), struct err *e)
{
	reload_init_bare(r, event, o, news);
	r->board = board_open(&r->board_fd, e);
	if (!r->board)
		return -1;
	slots_init(&r->slots, r->board, r->board_fd);
	if (sockets_adopt(&r->sockets, e) < 0)
		return -1;
	r->ring = r->shared.ring = take_ring(r, e);
	return r->ring ? 0 : -1;
}

int reload_take_over(struct reload *r, const struct generation_options *o,
	const struct handover_generation *from, struct err *e)
{
	struct generation *g = generation_take_over(o, from, on_pool_news, e);

	if (!g)
		return -1;
	g->owner = r;
	if (from->serves)
		r->serving = g;
	else
		retired_add(&r->retired, g);
	return 0;
}

void reload_drop_rejected(struct reload *r)
{
	struct generation **link = &r->retired.draining;

	while (*link) {
		struct generation *g = *link;

		if (generation_is_inherited(g)) {
			link = &g->next;
			continue;
		}
		*link = g->next;
		generation_free(g);
	}
}

void reload_hold(struct reload *r)
{
	r->held = true;
}

void reload_let_go(struct reload *r)
{
	r->held = false;
	run_next(r);
}

/* `rehearsed` NULL: it was not. */
static void prepare(struct reload *r, const struct digest_list *rehearsed)
{
	r->shared.before = known(r);
	r->candidate = generation_new(&r->shared, r->number + 1, rehearsed,
		r->renews ? r->serving : NULL, on_pool_news, &r->last.findings);
	prepared(r);
}

/* What was rehearsed may begin in earnest. */
static void begin(struct reload *r)
{
	verdict_begin(&r->last);
	if (!is_start(r))
		r->news(r, RELOAD_BEGUN);
}

static void on_unfit(struct reload *r, const struct findings *why)
{
	err_set(&r->unfit, (enum err_code)findings_code(why), "out of memory");
	for (size_t i = why->n; i-- > 0;)
		if (why->v[i].is_error)
			r->unfit = why->v[i].err;
	r->news(r, RELOAD_UNFIT);
}

static bool is_as_served(const struct reload *r, const struct digest_list *files)
{
	return !digest_list_differs(files, &r->serving->config->digests);
}

static void on_rehearsed(void *data, struct rehearsal_result *result)
{
	struct reload *r = data;

	r->rehearsal = NULL;
	if (r->renews && result->findings.errors) {
		on_unfit(r, &result->findings);
	} else if (r->renews && is_as_served(r, &result->digests)) {
		r->news(r, RELOAD_NEEDLESS);
	} else if (result->findings.errors) {
		r->last.findings = result->findings;
		result->findings = (struct findings){ 0 };
		verdict_log_findings(&r->last.findings);
		reject(r, (enum err_code)findings_code(&r->last.findings));
	} else {
		if (r->renews)
			begin(r);
		buf_append_str(&r->last.changes, buf_str(&result->changes));
		prepare(r, &result->digests);
	}
	run_next(r);
}

static void rehearse(struct reload *r)
{
	struct rehearsal_options o = {
		.event = r->shared.event,
		.path = r->shared.master->config_path,
		.ring = r->ring,
		.before = known(r) ? known(r)->config : NULL,
		.again = r->renews,
		.limit_ms = r->serving->config->reload_ready_ms,
		.done = on_rehearsed,
		.data = r,
	};
	struct findings f = { 0 };
	struct err e;

	r->rehearsal = rehearsal_start(&o, &e);
	if (r->rehearsal)
		return;
	findings_error(&f, e.code, NULL, 0, "%s", e.text);
	if (r->renews) {
		on_unfit(r, &f);
		findings_done(&f);
		return;
	}
	r->last.findings = f;
	verdict_log_findings(&r->last.findings);
	reject(r, e.code);
}

/* A reload brings in certificates as well, so nobody waits for a renewal's rehearsal. */
static void abandon_renewal(struct reload *r)
{
	if (!r->renews || !r->rehearsal)
		return;
	rehearsal_stop(r->rehearsal);
	r->rehearsal = NULL;
	r->abandoned = true;
}

void reload_begin(struct reload *r)
{
	if (r->ending)
		return;
	abandon_renewal(r);
	if (reload_is_busy(r) || retired_count(&r->retired) >= RELOAD_DRAINING_MAX) {
		r->wanted = true;
		if (r->held)
			log_notice("an upgrade is under way; the reload comes after it");
		else if (reload_is_busy(r))
			log_notice("a reload is under way; the next one comes after it");
		else
			log_notice("%d generations are draining; the reload waits for one to end",
				RELOAD_DRAINING_MAX);
		return;
	}
	r->turn++;
	r->renews = false;
	begin(r);
	if (is_start(r))
		prepare(r, NULL);
	else
		rehearse(r);
}

void reload_renew(struct reload *r)
{
	assert(r->serving && !reload_is_busy(r) && !r->ending);
	/* Whoever asks for a reload from now on waits for the turn after this one. */
	r->turn++;
	r->renews = true;
	rehearse(r);
}

bool reload_is_busy(const struct reload *r)
{
	return r->rehearsal || r->candidate || r->held;
}

bool reload_is_capped(const struct reload *r, time_t *ret_until)
{
	int64_t soonest_us, left_us;

	if (retired_count(&r->retired) < RELOAD_DRAINING_MAX)
		return false;
	soonest_us = retired_next_end(&r->retired);
	left_us = soonest_us == INT64_MAX ? 0 : soonest_us - clock_us_now();
	*ret_until = time(NULL) + (left_us > 0 ? left_us / 1000000 + 1 : 0);
	return true;
}

bool reload_has_worker(const struct reload *r, pid_t pid)
{
	for (const struct generation *g = r->retired.draining; g; g = g->next)
		if (pool_has(&g->pool, pid))
			return true;
	return (r->serving && pool_has(&r->serving->pool, pid)) ||
	       (r->candidate && pool_has(&r->candidate->pool, pid));
}

static void end_all(struct reload *r, void (*end)(struct generation *g))
{
	struct generation *g, *next;

	r->ending = true;
	sockets_keep_stored(&r->sockets);
	r->wanted = false;
	rehearsal_stop(r->rehearsal);
	r->rehearsal = NULL;
	if (r->candidate)
		rollback(r);
	retired_forget(&r->retired);
	for (g = r->retired.draining; g; g = next) {
		next = g->next;
		end(g);
	}
	g = r->serving;
	if (!g)
		return;
	end(g);
	generation_release_sockets(g);
}

static void end_softly(struct generation *g)
{
	generation_drain(g, RELOAD_STOP_IDLE_MS);
}

static void end_at_once(struct generation *g)
{
	pool_stop(&g->pool);
}

void reload_drain(struct reload *r)
{
	end_all(r, end_softly);
}

void reload_stop(struct reload *r)
{
	end_all(r, end_at_once);
}

int64_t reload_ends_within_ms(const struct reload *r)
{
	int64_t last_us = r->serving ? r->serving->pool.deadline_us : 0, now_us = clock_us_now();

	for (const struct generation *g = r->retired.draining; g; g = g->next)
		if (g->pool.deadline_us > last_us)
			last_us = g->pool.deadline_us;
	return last_us > now_us ? (last_us - now_us) / 1000 : 0;
}

bool reload_is_empty(const struct reload *r)
{
	return !reload_is_busy(r) && !r->retired.draining &&
	       (!r->serving || pool_is_empty(&r->serving->pool));
}

void reload_reopen_logs(struct reload *r)
{
	struct generation *previous = r->retired.previous;
	struct findings f = { 0 };

	if (r->serving)
		generation_reopen_logs(r->serving, r->serving, &f);
	if (r->candidate)
		generation_reopen_logs(r->candidate, r->serving, &f);
	for (struct generation *g = r->retired.draining; g; g = g->next)
		generation_reopen_logs(g, r->serving, &f);
	if (previous && pool_is_empty(&previous->pool))
		generation_reopen_logs(previous, r->serving, &f);
	verdict_log_findings(&f);
	findings_done(&f);
	log_info("log files reopened");
}

void reload_done(struct reload *r)
{
	if (!r)
		return;
	rehearsal_stop(r->rehearsal);
	r->rehearsal = NULL;
	retired_done(&r->retired);
	generation_free(r->candidate);
	log_set(LOG_TARGET_AUTO, -1, LOG_LEVEL_INFO);
	generation_free(r->serving);
	r->candidate = r->serving = NULL;
	verdict_done(&r->last);
	sockets_done(&r->sockets);
	slots_done(&r->slots);
	slots_done(&r->foreign_slots);
	board_free(r->foreign_slots.board);
	ticket_ring_free(r->ring);
	board_free(r->board);
	if (r->board)
		close(r->board_fd);
	if (r->foreign.slots)
		close(r->foreign_fd);
	r->foreign.slots = NULL;
	r->ring = NULL;
	r->board = NULL;
}
