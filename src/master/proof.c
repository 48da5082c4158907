/* A start without the outside: the sockets are the master's, so that the one worker listens on
 * private ones instead, in the abstract namespace, where only the handshake below looks for it.
 * Refuses to touch what was handed over: workers are not watched, sockets not closed, the service
 * manager hears nothing. */
#include "master/proof.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/handshakes.h"
#include "ipc/board.h"
#include "master/generation.h"
#include "master/handover.h"
#include "master/reload.h"
#include "master/succession.h"
#include "tls/trial.h"

enum proof_state { PROOF_WAITS, PROOF_READY, PROOF_FAILED };

struct proof {
	struct reload reload; /* only what all generations share */
	struct generation_options options;
	struct generation *generation;
	enum proof_state state;
};

static int say(const struct err *e)
{
	char line[1024];

	fprintf(stderr, "%s\n", err_format(e, line, sizeof(line)));
	return (int)e->code;
}

static int say_findings(const struct findings *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->v[i].is_error)
			say(&f->v[i].err);
	return findings_code(f);
}

/* ---- the worker's sockets ----------------------------------------------------------------- */

/* The kernel chooses the name. */
static int open_private(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0 && bind(fd, (const void *)&a, sizeof(a.sun_family)) == 0 && listen(fd, 16) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static int *open_stand_ins(const struct config *c, struct err *e)
{
	int *fds = calloc(c->nlisteners + 1, sizeof(*fds));

	for (size_t i = 0; fds && i < c->nlisteners; i++) {
		fds[i] = open_private();
		if (fds[i] >= 0)
			continue;
		free(fds);
		fds = NULL;
	}
	if (!fds)
		err_errno(e, ERR_SYSTEM, errno, "no sockets for a trial");
	return fds;
}

/* A blocking connection to the one that is bound to `listener`; -1 with errno. */
static int connect_to(int listener, int64_t patience_ms)
{
	struct timeval patience = { .tv_sec = (time_t)(patience_ms / 1000 + 1) };
	struct sockaddr_un a;
	socklen_t n = sizeof(a);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && getsockname(listener, (void *)&a, &n) == 0 &&
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0 &&
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0 &&
		connect(fd, (const void *)&a, n) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* ---- the handshake ------------------------------------------------------------------------ */

/* Some site with a certificate on that listener; NULL: none. */
static const struct config_site *find_site(const struct config *c, const struct config_listener *l)
{
	for (size_t i = 0; i < c->nsites; i++)
		if (c->sites[i].context && config_site_is_on(&c->sites[i], l))
			return &c->sites[i];
	return NULL;
}

static int shake_hands(const struct generation *g, struct err *e)
{
	const struct config *c = g->config;
	const int *fds = g->pool.o.member.inherit.listener_fds;

	for (size_t i = 0; i < c->nlisteners; i++) {
		const struct config_site *site = find_site(c, &c->listeners[i]);
		char name[HANDSHAKES_NAME_SIZE];
		int fd, rc;

		if (!c->listeners[i].tls || !site)
			continue;
		handshakes_name(site, name);
		fd = connect_to(fds[i], c->reload_ready_ms);
		if (fd < 0)
			return err_errno(e, ERR_SYSTEM, errno, "cannot reach the worker on trial");
		rc = trial_client(fd, site->context, name, e);
		close(fd);
		if (rc < 0)
			return err_wrap(e, "the worker on trial does not shake hands");
	}
	return 0;
}

/* ---- the run ------------------------------------------------------------------------------ */

static void on_news(struct pool *p, enum pool_news news)
{
	struct proof *proof = generation_of(p)->owner;

	if (news == POOL_READY) {
		proof->state = PROOF_READY;
		pool_serve(p);
	}
	if (news == POOL_FAILED || news == POOL_EMPTY)
		proof->state = PROOF_FAILED;
}

static int take(struct proof *p, const struct master_options *o, sd_event *event, struct err *e)
{
	struct handover h;
	struct succession s;
	int board = -1;

	succession_find(&s);
	if (s.fd < 0)
		return err_set(e, ERR_USAGE, "--rehearse belongs to an upgrade; see latchd(8)");
	if (handover_read(s.fd, &h, e) < 0)
		return -1;
	handover_close_on_exec(&h, true);
	if (h.master != getppid())
		return err_set(e, ERR_USAGE, "what is handed over is not our master's");
	if (handover_verify(&h, e) < 0)
		return -1;
	reload_init_bare(&p->reload, event, o, NULL);
	if (succession_take_shared(&p->reload, &h, e) < 0)
		return -1;
	/* The board is good; what is tried now must not show on it. */
	p->reload.slots.board = board_open(&board, e);
	slots_init(&p->reload.slots, p->reload.slots.board, board);
	p->options = p->reload.shared;
	p->options.stand_in = open_stand_ins;
	handover_done(&h);
	return p->reload.slots.board ? 0 : -1;
}

static int make_generation(struct proof *p)
{
	struct findings f = { 0 };
	int code;

	p->generation = generation_new(&p->options, p->reload.number + 1, NULL, NULL, on_news, &f);
	code = say_findings(&f);
	findings_done(&f);
	if (p->generation)
		p->generation->owner = p;
	return p->generation ? 0 : code;
}

static int run(struct proof *p, const struct master_options *o)
{
	sd_event *event;
	struct err e = { 0 };
	int code, r = sd_event_default(&event);

	if (r < 0 || take(p, o, event, &e) < 0)
		return r < 0 ? ERR_SYSTEM : say(&e);
	code = make_generation(p);
	if (code)
		return code;
	while (r >= 0 && p->state == PROOF_WAITS) {
		clock_update();
		r = sd_event_run(event, UINT64_MAX);
	}
	if (p->state == PROOF_FAILED)
		return say(&p->generation->pool.failure);
	code = r < 0 ? ERR_SYSTEM : shake_hands(p->generation, &e) < 0 ? say(&e) : 0;
	pool_done(&p->generation->pool);
	/* Only what is new is closed. */
	generation_release_sockets(p->generation);
	return code;
}

int proof_run(const struct master_options *o)
{
	struct proof p = { 0 };
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t mask;

	sigaction(SIGPIPE, &ignore, NULL);
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	unsetenv("NOTIFY_SOCKET");
	clock_update();
	log_set(LOG_TARGET_OFF, -1, LOG_LEVEL_ERROR);
	_exit(run(&p, o));
}
