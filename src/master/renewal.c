/* Decides when certificates are renewed, by digests alone: it reads files, but understands none of
 * them; whether they fit together is for the rehearsal of the renewal to say, in its own process.
 * Refuses to fail: where the kernel watches no directory, the looks of each period remain. */
#include "master/renewal.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "master/delay.h"
#include "master/events.h"
#include "master/reload.h"
#include "tls/file.h"

void renewal_init(struct renewal *w, sd_event *event, struct reload *reload, int64_t period_ms)
{
	*w = (struct renewal){ .event = event, .reload = reload, .period_ms = period_ms };
}

/* ---- what is on disk -------------------------------------------------------------------- */

/* Reads the file if its stamp does not say that it is the same. Whether another file is there. */
static bool look_at(struct digest *d)
{
	uint64_t device = d->stamp.device, inode = d->stamp.inode;
	struct digest_list now = { 0 };
	struct buf content;
	struct err e;

	if (file_has_stamp(d->path, &d->stamp))
		return false;
	if (file_read(d->path, &now, &content, &e) == 0) {
		memcpy(d->hash, now.v[0].hash, sizeof(d->hash));
		d->stamp = now.v[0].stamp;
	} else {
		memset(d->hash, 0, sizeof(d->hash));
		d->stamp = (struct digest_stamp){ 0 };
	}
	file_forget(&content);
	digest_list_done(&now);
	return d->stamp.device != device || d->stamp.inode != inode;
}

static void watch(struct renewal *w, const char *path, int *problem)
{
	if (w->lookout.io && lookout_add(&w->lookout, path) < 0)
		*problem = errno;
}

/* Links may lead elsewhere by now, and there things may happen too. */
static void look_at_all(struct renewal *w)
{
	int problem = 0;

	for (size_t i = 0; i < w->seen.n; i++)
		if (look_at(&w->seen.v[i]))
			watch(w, w->seen.v[i].path, &problem);
}

static bool is_as_served(const struct renewal *w)
{
	return !digest_list_differs(&w->seen, &w->reload->serving->config->digests);
}

static bool was_tried(const struct renewal *w)
{
	return w->tried.n == w->seen.n && !digest_list_differs(&w->seen, &w->tried);
}

static void remember_tried(struct renewal *w)
{
	digest_list_done(&w->tried);
	for (size_t i = 0; i < w->seen.n; i++)
		digest_list_add_hash(&w->tried, w->seen.v[i].path, w->seen.v[i].hash);
	w->tried_ms = clock_ms();
}

/* ---- what to do about it ---------------------------------------------------------------- */

static void begin(struct renewal *w)
{
	struct reload *r = w->reload;
	time_t until;

	if (!w->due || r->wanted || reload_is_busy(r) || reload_is_capped(r, &until))
		return;
	w->due = false;
	remember_tried(w);
	log_info("certificate files changed: trying them");
	reload_renew(r);
}

static void look(struct renewal *w)
{
	struct reload *r = w->reload;
	bool as_served, again;

	delay_stop(&w->settle);
	w->settle_by_ms = 0;
	look_at_all(w);
	as_served = is_as_served(w);
	again = (r->unfit.code || (r->renews && r->last.code)) &&
		clock_ms() - w->tried_ms >= RENEWAL_RETRY_MS;
	w->due = !as_served && (!was_tried(w) || again);
	if (as_served && r->unfit.code) {
		log_notice("the certificate files are again what is served");
		r->unfit.code = ERR_NONE;
		w->warning[0] = '\0';
		digest_list_done(&w->tried);
	}
	begin(w);
}

static int on_settled(sd_event_source *s, uint64_t now, void *data)
{
	(void)s;
	(void)now;
	look(data);
	return 0;
}

static int on_period(sd_event_source *s, uint64_t now, void *data)
{
	struct renewal *w = data;

	(void)s;
	(void)now;
	delay_set(w->event, &w->period, w->period_ms, on_period, w);
	look(w);
	return 0;
}

static void on_happened(void *data)
{
	struct renewal *w = data;
	int64_t now = clock_ms(), wait;

	if (!w->settle_by_ms)
		w->settle_by_ms = now + RENEWAL_SETTLE_MAX_MS;
	wait = w->settle_by_ms - now;
	if (wait > RENEWAL_SETTLE_MS)
		wait = RENEWAL_SETTLE_MS;
	delay_set(w->event, &w->settle, wait > 0 ? wait : 0, on_settled, w);
}

/* ---- news ------------------------------------------------------------------------------- */

/* As they were when they were loaded: what changed since will show. */
static void collect(struct renewal *w)
{
	const struct config *c = w->reload->serving->config;

	digest_list_done(&w->seen);
	for (size_t i = 0; i < c->digests.n; i++) {
		const struct digest *d = &c->digests.v[i];

		if (!d->is_tls || digest_list_add_hash(&w->seen, d->path, d->hash))
			continue;
		w->seen.v[w->seen.n - 1].stamp = d->stamp;
	}
}

/* A fresh set, so that what nobody uses any more is not watched. */
static void watch_all(struct renewal *w)
{
	struct err e;
	int problem = 0;

	lookout_close(&w->lookout);
	if (!w->seen.n)
		return;
	if (lookout_open(&w->lookout, w->event, on_happened, w, &e) < 0) {
		err_wrap(&e, "new certificates are seen later, within %lld s",
			(long long)w->period_ms / 1000);
		log_err(LOG_LEVEL_WARNING, &e);
		return;
	}
	for (size_t i = 0; i < w->seen.n; i++)
		watch(w, w->seen.v[i].path, &problem);
	if (!problem)
		return;
	errno = problem;
	log_info("some directories of certificates cannot be watched (%m): what changes there is "
		 "seen within %lld s",
		(long long)w->period_ms / 1000);
}

static void log_changes(const struct reload *r)
{
	struct str changes = buf_str(&r->last.changes);
	char number[LOG_NUMBER_SIZE];
	struct log_field fields[2] = {
		log_number("GENERATION", r->serving->number, number),
		{ "CHANGE", { "", 0 } },
	};

	while (changes.n) {
		size_t n = str_find(changes, '\n', 0);

		fields[1].value = (struct str){ changes.p, n };
		log_event(LOG_LEVEL_NOTICE, EVENT_RENEWED, fields, 2, "renewed: " STR_FMT, (int)n,
			changes.p);
		n += n < changes.n;
		changes = (struct str){ changes.p + n, changes.n - n };
	}
}

void renewal_committed(struct renewal *w)
{
	if (w->reload->renews)
		log_changes(w->reload);
	w->warning[0] = '\0';
	w->reload->abandoned = false;
	w->due = false; /* the look below says anew */
	collect(w);
	watch_all(w);
	delay_stop(&w->period);
	if (!w->seen.n)
		return;
	delay_set(w->event, &w->period, w->period_ms, on_period, w);
	/* What happened since they were loaded. */
	on_happened(w);
}

void renewal_go_on(struct renewal *w)
{
	/* What was not tried to the end has not been tried. */
	if (w->reload->abandoned && !reload_is_busy(w->reload)) {
		w->reload->abandoned = false;
		digest_list_done(&w->tried);
		on_happened(w);
	}
	begin(w);
}

void renewal_unfit(struct renewal *w)
{
	const struct reload *r = w->reload;
	char text[sizeof(w->warning)], number[LOG_NUMBER_SIZE];
	struct log_field fields[2] = {
		log_number("GENERATION", r->serving->number, number),
		{ "REASON", { text, 0 } },
	};

	err_format(&r->unfit, text, sizeof(text));
	fields[1].value = str_of(text);
	if (strcmp(text, w->warning))
		log_event(LOG_LEVEL_WARNING, EVENT_UNFIT, fields, 2,
			"certificate files changed, and cannot be served as they are now; "
			"generation %u serves on with the last good ones: %s",
			r->serving->number, text);
	memcpy(w->warning, text, sizeof(text));
}

void renewal_needless(struct renewal *w)
{
	/* They were away for a moment. If they go again, that is to be tried again. */
	digest_list_done(&w->tried);
	on_happened(w);
}

void renewal_stop(struct renewal *w)
{
	delay_stop(&w->settle);
	delay_stop(&w->period);
	lookout_close(&w->lookout);
	digest_list_done(&w->seen);
	digest_list_done(&w->tried);
	w->due = false;
}
