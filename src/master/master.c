/* The event loop of the parent: signals become calls, news becomes words to the service manager.
 * Refuses to do the work itself: generations are reload's, processes pool's. */
#include "master/master.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "master/answers.h"
#include "master/events.h"
#include "master/heir.h"
#include "master/history.h"
#include "master/notify.h"
#include "master/reload.h"
#include "master/rotation.h"
#include "master/renewal.h"
#include "master/report.h"
#include "master/succession.h"
#include "master/upgrade.h"
#include "master/watchdog.h"
#include "net/sock.h"

enum { MARGIN_MS = 5000 }; /* what a start or a stop may take beside waiting for workers */

enum master_state {
	MASTER_STARTING,
	MASTER_RUNNING,
	MASTER_DRAINING,
	MASTER_STOPPING,
	MASTER_GONE,
};

struct master {
	const struct master_options *o;
	sd_event *event;
	struct reload reload;
	struct answers answers;
	struct upgrade upgrade;
	struct heir heir;
	struct watchdog watchdog;
	struct renewal renewal;
	struct history history;
	enum master_state state;
	struct rotation rotation;
	char status[160]; /* as last told */
	int code;
};

static struct master *master_of(struct reload *r)
{
	return (struct master *)(void *)((char *)r - offsetof(struct master, reload));
}

/* ---- news ------------------------------------------------------------------------------- */

/* The words for a person who typed `latchd --serve DIR`. */
static void announce(const struct master *m)
{
	const struct generation *g = m->reload.serving;
	unsigned port = g->listener_fds ? sock_local_port(g->listener_fds[0]) : 0;

	printf("Serving %s at https://localhost:%u/\n", m->o->serve_dir, port);
	if (g->config->serve_ca_path)
		printf("curl --cacert %s https://localhost:%u/\n", g->config->serve_ca_path, port);
	fflush(stdout);
}

static const char *new_status(struct master *m)
{
	return report_line(&m->reload, m->status, sizeof(m->status));
}

static void tell_status(struct master *m)
{
	char before[sizeof(m->status)];

	memcpy(before, m->status, sizeof(before));
	if (strcmp(new_status(m), before))
		notify_status(m->status);
}

static void on_committed(struct master *m)
{
	rotation_follow(&m->rotation, m->reload.serving->config);
	answers_listen(&m->answers);
	notify_ready(new_status(m));
	answers_verdict(&m->answers);
	renewal_committed(&m->renewal);
	heir_committed(&m->heir, &m->reload, &m->answers);
	upgrade_consider(&m->upgrade);
	if (m->state != MASTER_STARTING)
		return;
	m->state = MASTER_RUNNING;
	if (m->o->serve_dir)
		announce(m);
}

static void on_rejected(struct master *m)
{
	if (m->state == MASTER_RUNNING && !reload_is_empty(&m->reload)) {
		heir_rejected(&m->heir, &m->reload, &m->answers, &m->upgrade);
		notify_ready(new_status(m));
		answers_verdict(&m->answers);
		renewal_go_on(&m->renewal);
		upgrade_consider(&m->upgrade);
		return;
	}
	m->code = m->reload.last.code;
	m->state = MASTER_GONE;
}

/* The workers of an image before are gone, and no others could be made. */
static void on_last_gone(struct master *m)
{
	log_error("no worker is left");
	m->code = m->reload.last.code ? m->reload.last.code : ERR_INTERNAL;
	m->state = MASTER_GONE;
}

static void on_upgrade(void *data, enum upgrade_news news)
{
	struct master *m = data;

	if (news == UPGRADE_BEGUN) {
		rotation_pause(&m->rotation); /* a child would be that of another program */
		notify_reloading("upgrading");
		return;
	}
	if (news == UPGRADE_REJECTED) {
		rotation_resume(&m->rotation);
		notify_ready(new_status(m));
	}
	answers_upgraded(&m->answers, m->upgrade.code, buf_str(&m->upgrade.said));
}

static void on_news(struct reload *r, enum reload_news news)
{
	struct master *m = master_of(r);

	switch (news) {
	case RELOAD_UNFIT:
		renewal_unfit(&m->renewal);
		upgrade_consider(&m->upgrade);
		break;
	case RELOAD_NEEDLESS:
		renewal_needless(&m->renewal);
		upgrade_consider(&m->upgrade);
		break;
	case RELOAD_BEGUN:
		notify_reloading("reloading the configuration");
		break;
	case RELOAD_COMMITTED:
		on_committed(m);
		break;
	case RELOAD_REJECTED:
		on_rejected(m);
		break;
	case RELOAD_CHANGED:
		if (m->state >= MASTER_DRAINING && reload_is_empty(r))
			m->state = MASTER_GONE;
		else if (m->state == MASTER_RUNNING && reload_is_empty(r))
			on_last_gone(m);
		else if (m->state != MASTER_STARTING)
			tell_status(m);
		if (m->state == MASTER_RUNNING)
			renewal_go_on(&m->renewal);
		break;
	}
}

/* ---- signals ---------------------------------------------------------------------------- */

static void stop(struct master *m, bool at_once)
{
	if (m->state == MASTER_DRAINING)
		at_once = true;
	log_event(LOG_LEVEL_NOTICE, EVENT_STOPPING, NULL, 0,
		at_once ? "stopping" : "stopping, after what runs");
	m->state = at_once ? MASTER_STOPPING : MASTER_DRAINING;
	rotation_stop(&m->rotation);
	renewal_stop(&m->renewal);
	upgrade_stop(&m->upgrade);
	if (at_once)
		reload_stop(&m->reload);
	else
		reload_drain(&m->reload);
	answers_stopping(&m->answers);
	notify_stopping(new_status(m));
	notify_extend(reload_ends_within_ms(&m->reload) + MARGIN_MS);
	if (reload_is_empty(&m->reload))
		m->state = MASTER_GONE;
}

static void on_stop_asked(void *data)
{
	stop(data, false);
}

static void on_upgrade_asked(void *data)
{
	upgrade_begin(&((struct master *)data)->upgrade);
}

static int on_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *data)
{
	struct master *m = data;
	int signal_number = (int)si->ssi_signo;

	(void)s;
	if (m->state >= MASTER_STOPPING)
		return 0;
	if (signal_number == SIGHUP && m->o->serve_dir)
		signal_number = SIGTERM;
	switch (signal_number) {
	case SIGHUP:
		if (m->state == MASTER_DRAINING)
			log_notice("no reload any more: stopping");
		else
			reload_begin(&m->reload);
		break;
	case SIGUSR1:
		reload_reopen_logs(&m->reload);
		break;
	case SIGUSR2:
		upgrade_begin(&m->upgrade);
		break;
	case SIGINT:
		stop(m, true);
		break;
	default:
		stop(m, false);
		break;
	}
	return 0;
}

static const int handled[] = { SIGHUP, SIGTERM, SIGQUIT, SIGINT, SIGUSR1, SIGUSR2 };

/* SIGCHLD is blocked for the loop's sake. */
static int watch_signals(struct master *m)
{
	sigset_t mask;
	int r = 0;

	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	for (size_t i = 0; i < sizeof(handled) / sizeof(handled[0]); i++)
		sigaddset(&mask, handled[i]);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	for (size_t i = 0; i < sizeof(handled) / sizeof(handled[0]) && r >= 0; i++)
		r = sd_event_add_signal(m->event, NULL, handled[i], on_signal, m);
	return r;
}

/* ---- life ------------------------------------------------------------------------------- */

static void prepare_process(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct rlimit files;

	/* What we write to may go away. */
	sigaction(SIGPIPE, &ignore, NULL);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

static int turn(struct master *m)
{
	int r = sd_event_prepare(m->event);

	if (r == 0)
		r = sd_event_wait(m->event, UINT64_MAX);
	if (r <= 0)
		return r;
	clock_update();
	return sd_event_dispatch(m->event);
}

static int loop(struct master *m)
{
	int r = 0;

	reload_begin(&m->reload);
	if (m->reload.candidate) {
		notify_extend(m->reload.candidate->config->reload_ready_ms + MARGIN_MS);
		if (m->state == MASTER_STARTING)
			rotation_await(&m->rotation, m->reload.candidate->config);
	}
	while (m->state != MASTER_GONE && r >= 0)
		r = turn(m);
	if (r >= 0)
		return m->code;
	errno = -r;
	log_error("the event loop failed: %m");
	return ERR_SYSTEM;
}

/* A start, or what the image before has left. */
static int set_up(struct master *m, struct err *e)
{
	struct answers_options ao = { .event = m->event,
		.reload = &m->reload,
		.rotation = &m->rotation,
		.stop = on_stop_asked,
		.upgrade = on_upgrade_asked,
		.data = m };
	struct upgrade_options uo = { .event = m->event,
		.master = m->o,
		.reload = &m->reload,
		.control = &m->answers.control,
		.news = on_upgrade,
		.data = m };
	struct succession s;

	answers_init(&m->answers, &ao);
	succession_find(&s);
	if (upgrade_init(&m->upgrade, &uo, e) < 0)
		return -1;
	if (s.fd < 0)
		return reload_init(&m->reload, m->event, m->o, on_news, e);
	if (notify_watchdog_ms() > 0)
		notify_watchdog();
	reload_init_bare(&m->reload, m->event, m->o, on_news);
	m->state = MASTER_RUNNING;
	if (heir_take_over(&m->heir, &s, &m->reload, &m->answers, &m->upgrade, e) == 0)
		return 0;
	log_err(LOG_LEVEL_ERROR, e);
	if (s.before >= 0)
		upgrade_return_at_once(&s, m->o, e);
	/* The workers notice the end of this process, and finish what they have. */
	log_err(LOG_LEVEL_ERROR, e);
	_exit((int)e->code);
}

int master_run(const struct master_options *o)
{
	struct master m = { .o = o, .heir.before = -1 };
	struct err e;
	int r;

	clock_update();
	log_set(LOG_TARGET_AUTO, -1, LOG_LEVEL_INFO);
	log_set_role("master");
	prepare_process();
	r = sd_event_new(&m.event);
	if (r >= 0)
		r = watch_signals(&m);
	if (r < 0) {
		errno = -r;
		log_error("cannot set up the event loop: %m");
		m.code = ERR_SYSTEM;
		goto out;
	}
	if (set_up(&m, &e) < 0 || watchdog_start(&m.watchdog, m.event, &m.reload, &e) < 0) {
		log_err(LOG_LEVEL_ERROR, &e);
		m.code = e.code;
		goto out;
	}
	history_start(&m.history, m.event, m.reload.board);
	renewal_init(&m.renewal, m.event, &m.reload, RENEWAL_PERIOD_MS);
	rotation_init(&m.rotation, m.event, m.reload.ring, m.reload.board);
	m.code = loop(&m);
	upgrade_stop(&m.upgrade);
	answers_done(&m.answers, m.code);
	if (m.code == 0)
		log_notice("stopped");
out:
	watchdog_stop(&m.watchdog);
	history_stop(&m.history);
	rotation_stop(&m.rotation);
	renewal_stop(&m.renewal);
	upgrade_done(&m.upgrade);
	heir_done(&m.heir);
	reload_done(&m.reload);
	sd_event_unref(m.event);
	return m.code;
}
