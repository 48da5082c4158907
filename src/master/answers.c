/* Questions become calls of reload, news becomes answers. Refuses to make anybody wait for nothing:
 * at the cap of draining generations, and during a stop, a reload by hand is refused at once. */
#include "master/answers.h"

#include "base/clock.h"
#include "base/log.h"
#include "master/report.h"
#include "net/control.h"

static void say_findings(struct control_client *client, const struct findings *f)
{
	char line[1024];

	for (size_t i = 0; i < f->n; i++) {
		struct err e = f->v[i].err;

		if (!f->v[i].is_error)
			err_wrap(&e, "warning");
		control_say(client, CONTROL_ERROR, "%s", err_format(&e, line, sizeof(line)));
	}
}

static void say_verdict(struct control_client *client, const struct reload *r)
{
	say_findings(client, &r->last.findings);
	if (r->last.code) {
		control_say(client, CONTROL_ERROR,
			"the reload failed; generation %u serves on, unchanged",
			r->serving ? r->serving->number : 0);
	} else {
		control_say(client, CONTROL_OUTPUT, "%s", r->last.text);
		control_say_lines(client, CONTROL_OUTPUT, buf_str(&r->last.changes));
		if (!buf_len(&r->last.changes))
			control_say(client, CONTROL_OUTPUT, "no directive has another value");
	}
	control_finish(client, (int)r->last.code);
}

/* `then`: what comes of it. */
static void refuse_capped(struct control_client *client, time_t until, const char *then)
{
	char when[30];

	clock_format_http_date(until, when);
	control_say(client, CONTROL_ERROR,
		"not now: %d generations are still draining, the next one ends by %s; %s",
		RELOAD_DRAINING_MAX, when, then);
	control_finish(client, ERR_TEMPORARY);
}

static void refuse_stopping(struct control_client *client)
{
	control_say(client, CONTROL_ERROR, "not any more: latchd is stopping");
	control_finish(client, ERR_TEMPORARY);
}

/* One who asks during a transaction waits for the one after it. */
static void ask_reload(struct answers *a, struct control_client *client)
{
	struct reload *r = a->o.reload;
	time_t until;

	if (r->ending) {
		refuse_stopping(client);
	} else if (!reload_is_busy(r) && reload_is_capped(r, &until)) {
		refuse_capped(client, until, "try again then");
	} else {
		log_notice("a reload is asked for on the control socket");
		control_mark(client, r->turn + 1);
		reload_begin(r);
	}
}

static void tell_status(struct answers *a, struct control_client *client, bool json)
{
	struct buf text;
	bool ok;

	buf_init(&text, CONTROL_REPLY_MAX - 4096);
	ok = json ? report_json(a->o.reload, a->o.rotation, &text)
		  : report_table(a->o.reload, a->o.rotation, &text);
	if (ok)
		control_say_lines(client, CONTROL_OUTPUT, buf_str(&text));
	else
		control_say(client, CONTROL_ERROR, "the status is too long");
	control_finish(client, ok ? 0 : ERR_INTERNAL);
	buf_done(&text);
}

static void on_asked(void *data, struct control_client *client, enum control_word word)
{
	struct answers *a = data;

	switch (word) {
	case CONTROL_RELOAD:
		ask_reload(a, client);
		break;
	case CONTROL_STATUS:
	case CONTROL_STATUS_JSON:
		tell_status(a, client, word == CONTROL_STATUS_JSON);
		break;
	case CONTROL_STOP:
		log_notice("a stop is asked for on the control socket");
		if (!a->o.reload->ending)
			a->o.stop(a->o.data);
		break;
	case CONTROL_UPGRADE:
		if (a->o.reload->ending) {
			refuse_stopping(client);
			break;
		}
		log_notice("an upgrade is asked for on the control socket");
		a->o.upgrade(a->o.data);
		break;
	case CONTROL_REOPEN_LOGS:
		reload_reopen_logs(a->o.reload);
		control_finish(client, 0);
		break;
	}
}

static bool is_barred(void *data, pid_t pid)
{
	const struct answers *a = data;

	return reload_has_worker(a->o.reload, pid) || rotation_has_child(a->o.rotation, pid);
}

void answers_init(struct answers *a, const struct answers_options *o)
{
	struct control_options co = {
		.event = o->event, .is_barred = is_barred, .asked = on_asked, .data = a
	};

	a->o = *o;
	control_init(&a->control, &co);
}

void answers_listen(struct answers *a)
{
	const struct config *c = a->o.reload->serving->config;
	struct config_place p = config_place_of(c, &c->control, NULL);
	struct err e = { 0 };

	if (control_listen(&a->control, c->control ? c->control : "", &e) == 0)
		return;
	err_wrap(&e, "no control socket, latchd ctl cannot be used");
	if (p.line)
		log_warning("%s:%d: %s", p.file, p.line, e.text);
	else
		log_warning("%s", e.text);
}

void answers_verdict(struct answers *a)
{
	struct reload *r = a->o.reload;
	struct control_client *client;
	time_t until;

	while ((client = control_waiting(&a->control, CONTROL_RELOAD, r->turn)))
		say_verdict(client, r);
	if (!reload_is_capped(r, &until))
		return;
	while ((client = control_waiting(&a->control, CONTROL_RELOAD, r->turn + 1)))
		refuse_capped(client, until, "the reload comes by itself then");
}

void answers_upgraded(struct answers *a, enum err_code code, struct str lines)
{
	struct control_client *client;

	while ((client = control_waiting(&a->control, CONTROL_UPGRADE, 0))) {
		control_say_lines(client, code ? CONTROL_ERROR : CONTROL_OUTPUT, lines);
		control_finish(client, (int)code);
	}
}

int answers_take_over(struct answers *a, const struct handover *h, struct err *e)
{
	struct control_client *client;

	if (control_take_over(&a->control, h, e) < 0)
		return -1;
	/* The first transaction is the start, theirs comes after it. */
	while ((client = control_waiting(&a->control, CONTROL_RELOAD, 0)))
		control_mark(client, a->o.reload->turn + 2);
	return 0;
}

void answers_stopping(struct answers *a)
{
	struct control_client *client;

	while ((client = control_waiting(&a->control, CONTROL_UPGRADE, 0)))
		refuse_stopping(client);
	for (uint64_t turn = a->o.reload->turn; turn <= a->o.reload->turn + 1; turn++)
		while ((client = control_waiting(&a->control, CONTROL_RELOAD, turn)))
			refuse_stopping(client);
}

void answers_done(struct answers *a, int code)
{
	struct control_client *client;

	while ((client = control_waiting(&a->control, CONTROL_STOP, 0))) {
		control_say(client, code ? CONTROL_ERROR : CONTROL_OUTPUT, "stopped");
		control_finish(client, code);
	}
	control_done(&a->control);
}
