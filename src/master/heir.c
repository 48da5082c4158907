/* The first moments after the exec. Refuses to end: as long as workers of the image before serve,
 * whatever fails here is said, and tried again. */
#include "master/heir.h"

#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "master/delay.h"

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

void heir_committed(struct heir *h, struct reload *r, struct answers *a)
{
	enum err_code code = ERR_NONE;
	struct buf lines;

	delay_stop(&h->retry);
	if (!h->is_new)
		return;
	buf_init(&lines, 0);
	if (h->is_returned) {
		code = (enum err_code)h->taken.refused_code;
		code = code ? code : ERR_INTERNAL;
		buf_append_str(&lines, str_of(h->taken.refused));
		buf_appendf(&lines, "the upgrade failed; latchd %s serves on: %s\n", LATCH_VERSION,
			r->verdict);
	} else {
		buf_appendf(&lines, "latchd %s took over from %s\n%s\n", LATCH_VERSION,
			h->taken.version, r->verdict);
	}
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

	for (size_t i = 0; i < r->findings.n; i++)
		if (r->findings.v[i].is_error)
			buf_appendf(lines, "%s\n",
				err_format(&r->findings.v[i].err, line, sizeof(line)));
}

void heir_rejected(struct heir *h, struct reload *r, struct answers *a, struct upgrade *u)
{
	struct buf lines;
	struct err e;

	if (!r->serving || !generation_is_inherited(r->serving))
		return;
	if (h->is_new) {
		buf_init(&lines, 0);
		say_why(r, &lines);
		reload_drop_rejected(r);
		if (h->before >= 0 &&
			upgrade_return(u, &h->taken, h->before, r->code, buf_str(&lines), &e) < 0)
			log_err(LOG_LEVEL_ERROR, &e);
		buf_appendf(&lines,
			"the upgrade failed; the workers of generation %u serve on, but none of "
			"them can be replaced until a reload succeeds\n",
			r->serving->number);
		answers_upgraded(a, r->code, buf_str(&lines));
		buf_done(&lines);
		settle(h);
	}
	delay_set(r->shared.event, &h->retry, HEIR_RETRY_MS, on_retry, r);
}

void heir_done(struct heir *h)
{
	delay_stop(&h->retry);
	settle(h);
}
