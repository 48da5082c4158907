/* Asks the store, in a child that may hang or be taken over by what it reads: it has the address
 * and the password for itself alone, no rights, no descriptor but the way back, neither board nor
 * ticket keys, and is believed only in a message of exactly one size. Refuses to forget what it
 * knows because nobody answers. */
#include "master/fleet.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/ids.h"
#include "master/death.h"
#include "master/delay.h"
#include "tls/secret.h"
#include "tls/vault.h"

enum { CHECK_MS = 60000, RETRY_MS = 1000, RETRY_MAX_MS = 8000, SEEN_SURE = 3 };

/* What the child sends: all of it in one write, which a pipe takes whole. */
struct message {
	struct err err; /* code 0: there is an answer */
	struct store_answer answer;
};

static_assert(sizeof(struct message) <= 4096, "more than a pipe takes at once");

static void ask(struct fleet *f);

/* ---- the child --------------------------------------------------------------------------- */

/* What the master shares with workers, and is written to by it alone. */
static void unmap_shared(const struct fleet *f)
{
	board_free(f->board);
	ticket_ring_free(f->ring);
}

/* The kernel forgets both where ids change. */
static void tie_down(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_DUMPABLE, 0);
}

/* No capability, and none to be had from a program's file. The filter of latchd.service refuses the
 * first: there it keeps the one that workers keep, too. */
static void drop_capabilities(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	const struct __user_cap_data_struct no_caps[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
		(syscall(SYS_capset, &header, no_caps) && errno != EPERM))
		_exit(ERR_PERMISSION);
}

static void drop_ids(const struct config *c)
{
	unsigned uid, gid;

	if (config_ids(c, &uid, &gid, NULL) < 0 || setgroups(0, NULL) || setresgid(gid, gid, gid) ||
		setresuid(uid, uid, uid))
		_exit(ERR_PERMISSION);
	tie_down();
	drop_capabilities();
}

/* No other process from now on; the resolver needed a thread. */
static void stay_alone(void *data)
{
	const struct rlimit none = { 0, 0 };

	(void)data;
	if (setrlimit(RLIMIT_NPROC, &none))
		_exit(ERR_PERMISSION);
}

static void drop_ids_and_stay_alone(void *data)
{
	drop_ids(data);
	stay_alone(NULL);
}

__attribute__((noreturn)) static void run_child(
	const struct fleet *f, const struct store_url *url, int out, pid_t master)
{
	const struct rlimit none = { 0, 0 };
	struct message m = { 0 };
	struct store_query q = {
		.url = url,
		.rotate_ms = f->rotate_ms,
		.slice = clock_wall_ms_now() / f->rotate_ms,
		.keep = f->keep,
		.timeout_ms = FLEET_LIMIT_MS,
		.connected = stay_alone,
		.data = (void *)(uintptr_t)f->config,
	};

	tie_down();
	unmap_shared(f);
	setrlimit(RLIMIT_CORE, &none);
	if (getppid() != master || dup2(out, STDERR_FILENO + 1) < 0)
		_exit(ERR_SYSTEM);
	syscall(SYS_close_range, STDERR_FILENO + 2u, ~0u, 0);
	/* Only who may enter its folder reaches a unix socket; a network asks for no rights. */
	if (geteuid() != 0)
		drop_capabilities();
	else if (url->way == STORE_URL_UNIX)
		q.connected = drop_ids_and_stay_alone;
	else
		drop_ids(f->config);
	if (store_ask(&q, &m.answer, &m.err) == 0)
		m.err.code = ERR_NONE;
	_exit(write(STDERR_FILENO + 1, &m, sizeof(m)) == (ssize_t)sizeof(m) ? 0 : ERR_SYSTEM);
}

/* ---- the master's side ------------------------------------------------------------------- */

static void end_question(struct fleet *f, siginfo_t *ret_how)
{
	siginfo_t how = { 0 };

	f->io = sd_event_source_disable_unref(f->io);
	f->deadline = sd_event_source_disable_unref(f->deadline);
	if (f->pid > 0) {
		kill(f->pid, SIGKILL);
		while (waitid(P_PID, (id_t)f->pid, &how, WEXITED) < 0 && errno == EINTR)
			;
	}
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
	f->pid = 0;
	if (ret_how)
		*ret_how = how;
}

static void forget(struct fleet *f)
{
	for (size_t i = 0; i < f->n; i++)
		tls_secret_free(f->eras[i].secret);
	f->n = 0;
}

/* What is in use is known to all; what comes next, once they have had the time to ask as well. */
static void doubt(struct fleet *f, bool doubts)
{
	int64_t slice = clock_wall_ms_now() / f->rotate_ms;

	for (size_t i = 0; i < f->n; i++)
		if (!doubts || f->eras[i].slice > slice)
			f->eras[i].is_sure = !doubts || f->seen[i] >= SEEN_SURE;
}

static void show(const struct fleet *f)
{
	board_set(f->board->ticket_store, !f->url      ? BOARD_STORE_NONE
					  : f->answers ? BOARD_STORE_UP
						       : BOARD_STORE_DOWN);
}

static int on_next(sd_event_source *s, uint64_t now, void *data)
{
	(void)s;
	(void)now;
	ask(data);
	return 0;
}

static void wait_ms(struct fleet *f, int64_t ms)
{
	delay_set(f->event, &f->next, ms, on_next, f);
}

static int64_t retry_ms(const struct fleet *f)
{
	return f->failures > 3 ? RETRY_MAX_MS : RETRY_MS << (f->failures - 1);
}

/* Said once, until it is another story. */
static void no_answer(struct fleet *f, const char *why)
{
	char place[STORE_URL_TEXT_SIZE];

	f->asked = time(NULL);
	f->failures++;
	if (f->answers)
		doubt(f, true);
	if (f->answers || strcmp(f->error, why) != 0)
		log_warning("the store of ticket keys %s: %s; %s", store_url_format(f->url, place),
			why,
			f->n ? "keys follow from the last secret that it gave"
			     : "until it answers, this machine has keys of its own");
	f->answers = false;
	snprintf(f->error, sizeof(f->error), "%s", why);
	show(f);
	wait_ms(f, retry_ms(f));
}

/* In how many answers before it was the same. */
static unsigned seen_before(const struct fleet *f, const struct ticket_era *era)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->eras[i].slice == era->slice &&
			tls_secret_is_same(f->eras[i].secret, era->secret))
			return f->seen[i];
	return 0;
}

/* The secrets of an answer instead of those that are known; all or nothing. */
static int take_secrets(struct fleet *f, const struct store_answer *a, struct err *e)
{
	struct ticket_era eras[STORE_SLOTS_MAX] = { 0 };
	unsigned seen[STORE_SLOTS_MAX];
	size_t n = 0;

	if (a->n < 1 || a->n > STORE_SLOTS_MAX)
		return err_set(e, ERR_INTERNAL, "its answer is not whole");
	for (; n < a->n; n++) {
		eras[n].slice = a->slot[n].slice;
		eras[n].secret = tls_secret_new(a->slot[n].secret, STORE_SECRET_SIZE, e);
		if (!eras[n].secret || (n && eras[n].slice <= eras[n - 1].slice))
			break;
		seen[n] = seen_before(f, &eras[n]) + 1;
	}
	if (n == a->n) {
		forget(f);
		memcpy(f->eras, eras, n * sizeof(eras[0]));
		memcpy(f->seen, seen, n * sizeof(seen[0]));
		f->n = n;
		doubt(f, false);
		return 0;
	}
	for (size_t i = 0; i <= n; i++)
		tls_secret_free(eras[i].secret);
	return e->code ? err_wrap(e, "a secret that it gave")
		       : err_set(e, ERR_INTERNAL, "its answer is not in order");
}

static void answer(struct fleet *f, const struct store_answer *a)
{
	int64_t check_ms = f->rotate_ms / 4 < CHECK_MS ? f->rotate_ms / 4 : CHECK_MS;
	char place[STORE_URL_TEXT_SIZE];
	struct err e = { 0 };

	if (take_secrets(f, a, &e) < 0) {
		no_answer(f, e.text);
		return;
	}
	if (!f->answers)
		log_notice("the store of ticket keys %s answers", store_url_format(f->url, place));
	f->asked = time(NULL);
	f->answers = true;
	f->failures = 0;
	f->error[0] = '\0';
	show(f);
	wait_ms(f, check_ms);
	f->answered(f->data);
}

/* All that the child has to say is there, or it is gone. */
static void hear(struct fleet *f)
{
	char text[DEATH_TEXT_SIZE], why[DEATH_TEXT_SIZE + 64];
	struct message m;
	siginfo_t how;
	ssize_t n = read(f->fd, &m, sizeof(m));

	end_question(f, &how);
	m.err.text[sizeof(m.err.text) - 1] = '\0';
	if (n != (ssize_t)sizeof(m)) {
		snprintf(why, sizeof(why), "the process that asks it %s",
			death_describe(&how, text, sizeof(text)));
		no_answer(f, why);
	} else if (m.err.code) {
		no_answer(f, m.err.text);
	} else {
		answer(f, &m.answer);
	}
	explicit_bzero(&m, sizeof(m));
}

static int on_heard(sd_event_source *s, int fd, uint32_t events, void *data)
{
	(void)s;
	(void)fd;
	(void)events;
	hear(data);
	return 0;
}

/* The child has the same deadline for most of what it does; not for resolving names. */
static int on_deadline(sd_event_source *s, uint64_t now, void *data)
{
	struct fleet *f = data;
	char why[80];

	(void)s;
	(void)now;
	end_question(f, NULL);
	snprintf(why, sizeof(why), "it did not answer within %d ms", FLEET_LIMIT_MS);
	no_answer(f, why);
	return 0;
}

static int watch(struct fleet *f)
{
	int r = sd_event_add_io(f->event, &f->io, f->fd, EPOLLIN, on_heard, f);

	if (r >= 0)
		r = sd_event_add_time_relative(f->event, &f->deadline, CLOCK_MONOTONIC,
			(FLEET_LIMIT_MS + 500) * UINT64_C(1000), 1000, on_deadline, f);
	return r;
}

static void ask(struct fleet *f)
{
	struct store_url url = *f->url; /* in the child, the vault is empty */
	pid_t master = getpid();
	int ends[2], r = -1;

	delay_stop(&f->next);
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0) {
		f->fd = ends[0];
		f->pid = f->asker = fork();
		if (f->pid == 0)
			run_child(f, &url, ends[1], master);
		close(ends[1]);
		r = f->pid < 0 ? -1 : watch(f);
	}
	explicit_bzero(&url, sizeof(url));
	if (r >= 0)
		return;
	end_question(f, NULL);
	no_answer(f, "there is no process to ask it");
}

/* ---- the face ---------------------------------------------------------------------------- */

void fleet_init(struct fleet *f, sd_event *event, struct board *board, struct ticket_ring *ring,
	void (*answered)(void *data), void *data)
{
	*f = (struct fleet){ .event = event,
		.board = board,
		.ring = ring,
		.answered = answered,
		.data = data,
		.fd = -1 };
}

static bool is_same(const struct fleet *f, const struct config *c)
{
	return f->url && f->rotate_ms == c->tls.tickets_rotate_ms &&
	       f->keep == c->tls.tickets_keep &&
	       memcmp(f->url, c->tickets_store_url, sizeof(*f->url)) == 0;
}

void fleet_follow(struct fleet *f, const struct config *c)
{
	bool wanted = c->tls.tickets_enabled && c->tickets_store_url;
	struct err e;

	f->config = c;
	if (wanted && is_same(f, c)) {
		if (!f->pid && !f->next)
			ask(f); /* after a pause */
		return;
	}
	fleet_done(f);
	if (!wanted)
		return;
	f->url = vault_new(sizeof(*f->url), &e);
	if (!f->url) {
		log_err(LOG_LEVEL_ERROR, &e);
		return;
	}
	*f->url = *c->tickets_store_url;
	f->rotate_ms = c->tls.tickets_rotate_ms;
	f->keep = c->tls.tickets_keep;
	show(f);
	ask(f);
}

void fleet_await(struct fleet *f)
{
	int64_t deadline_us = clock_us_now() + FLEET_START_MS * INT64_C(1000);

	while (f->pid) {
		struct pollfd p = { .fd = f->fd, .events = POLLIN };
		int64_t left_us = deadline_us - clock_us_now();
		int n = left_us > 0 ? poll(&p, 1, (int)((left_us + 999) / 1000)) : 0;

		if (n > 0) {
			hear(f);
		} else if (n == 0 || errno != EINTR) {
			log_warning("the store of ticket keys has not answered yet; the start goes "
				    "on without, and takes its keys when it does");
			return;
		}
	}
}

void fleet_pause(struct fleet *f)
{
	delay_stop(&f->next);
	end_question(f, NULL);
}

void fleet_done(struct fleet *f)
{
	if (!f->event)
		return;
	fleet_pause(f);
	forget(f);
	vault_free(f->url, sizeof(*f->url));
	f->url = NULL;
	f->answers = false;
	f->failures = 0;
	f->asked = 0;
	f->error[0] = '\0';
	show(f);
}
