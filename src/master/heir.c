/* The first moments after the exec. Refuses to end: as long as workers of the image before serve,
 * whatever fails here is said, and tried again. */
#include "master/heir.h"

#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "master/delay.h"
#include "master/events.h"

int heir_take_over(struct heir *h, const struct succession *s, struct reload *r, struct answers *a,
	struct upgrade *u, struct err *e)
{
	*h = (struct heir){ .is_new = true, .before = s->before };
	if (handover_read(s->fd, &h->taken, e) < 0)
		return -1;
	if (h->taken.master != getpid())
		return err_set(e, ERR_INTERNAL, "what is handed over is not this process's");
	if (handover_verify(&h->taken, e) < 0 || upgrade_set_binary(u, h->taken.binary, e) < 0 ||
		succession_take_shared(r, &h->taken, e) < 0 ||
		answers_take_over(a, &h->taken, e) < 0 ||
		succession_take_workers(r, &h->taken, e) < 0)
		return -1;
	close(s->fd);
	h->is_returned = s->before < 0;
	/* One that is run by its descriptor is called like that. */
	prctl(PR_SET_NAME, strrchr(h->taken.binary, '/') + 1);
	generation_use_log(r->serving);
	if (h->is_returned)
		log_error("the program that was upgraded to gave up: latchd %s is back",
			LATCH_VERSION);
	else
		log_notice("latchd %s takes over from %s, with %u workers", LATCH_VERSION,
			h->taken.version, r->serving->pool.alive);
	return 0;
}

static void settle(struct heir *h)
{
	if (h->before >= 0)
		close(h->before);
	h->before = -1;
	handover_done(&h->taken);
	h->is_new = false;
}

/* It is there again, and serves. */
static enum err_code tell_return(const struct heir *h, const struct reload *r, struct buf *lines)
{
	char text[400];

	snprintf(text, sizeof(text), "the upgrade failed; latchd " LATCH_VERSION " serves on: %s",
		r->last.text);
	buf_appendf(lines, "%s%s\n", h->taken.refused, text);
	upgrade_log_failure((enum err_code)h->taken.refused_code, text);
	return h->taken.refused_code ? (enum err_code)h->taken.refused_code : ERR_INTERNAL;
}

static void tell_success(const struct heir *h, const struct reload *r, struct buf *lines)
{
	const struct log_field fields[] = {
		{ "VERSION", STR(LATCH_VERSION) },
		{ "FROM", str_of(h->taken.version) },
	};

	log_event(LOG_LEVEL_NOTICE, EVENT_UPGRADED, fields, 2,
		"latchd " LATCH_VERSION " took over from %s", h->taken.version);
	buf_appendf(lines, "latchd " LATCH_VERSION " took over from %s\n%s\n", h->taken.version,
		r->last.text);
}

void heir_committed(struct heir *h, struct reload *r, struct answers *a)
{
	enum err_code code = ERR_NONE;
	struct buf lines;

	delay_stop(&h->retry);
	if (!h->is_new)
		return;
	buf_init(&lines, 0);
	if (h->is_returned)
		code = tell_return(h, r, &lines);
	else
		tell_success(h, r, &lines);
	answers_upgraded(a, code, buf_str(&lines));
	buf_done(&lines);
	settle(h);
}

static int on_retry(sd_event_source *s, uint64_t now, void *data)
{
	(void)s;
	(void)now;
	log_notice("no worker can be replaced; trying the configuration again");
	reload_begin(data);
	return 0;
}

static void say_why(const struct reload *r, struct buf *lines)
{
	char line[1024];

	for (size_t i = 0; i < r->last.findings.n; i++)
		if (r->last.findings.v[i].is_error)
			buf_appendf(lines, "%s\n",
				err_format(&r->last.findings.v[i].err, line, sizeof(line)));
}

/* There is no way back, or it is barred. */
static void tell_degraded(const struct reload *r, struct buf *lines)
{
	char text[200];

	snprintf(text, sizeof(text),
		"the upgrade failed; the workers of generation %u serve on, but none of them can "
		"be replaced until a reload succeeds",
		r->serving->number);
	buf_appendf(lines, "%s\n", text);
	upgrade_log_failure(r->last.code, text);
}

void heir_rejected(struct heir *h, struct reload *r, struct answers *a, struct upgrade *u)
{
	struct buf lines;
	struct err e;

	if (!r->serving || !generation_is_inherited(r->serving))
		return;
	delay_set(r->shared.event, &h->retry, HEIR_RETRY_MS, on_retry, r);
	if (!h->is_new)
		return;
	buf_init(&lines, 0);
	say_why(r, &lines);
	reload_drop_rejected(r);
	if (h->before >= 0 &&
		upgrade_return(u, &h->taken, h->before, r->last.code, buf_str(&lines), &e) < 0)
		log_err(LOG_LEVEL_ERROR, &e);
	tell_degraded(r, &lines);
	answers_upgraded(a, r->last.code, buf_str(&lines));
	buf_done(&lines);
	settle(h);
}

void heir_done(struct heir *h)
{
	delay_stop(&h->retry);
	settle(h);
}
