/* The process of one worker, by the drawing in the header. Refuses to believe it: READY is the only
 * word it takes, and every promise has a deadline with SIGKILL behind it. */
#include "master/member.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "ipc/board.h"
#include "ipc/channel.h"
#include "master/delay.h"
#include "master/events.h"
#include "master/handover.h"

/* ---- deadlines -------------------------------------------------------------------------- */

void member_kill(struct member *m, const char *sentence)
{
	if (m->pid <= 0)
		return;
	m->sentence = sentence;
	kill(m->pid, SIGKILL);
}

static int on_late(sd_event_source *s, uint64_t now, void *data)
{
	struct member *m = data;

	(void)s;
	(void)now;
	log_error("worker %d (pid %d) was not ready within %lld ms and is killed", m->slot,
		(int)m->pid, (long long)m->o->ready_ms);
	member_kill(m, "was not ready in time");
	return 0;
}

static int on_mute(sd_event_source *s, uint64_t now, void *data)
{
	struct member *m = data;

	(void)s;
	(void)now;
	log_error("worker %d (pid %d) closed its channel but lives on; it is killed", m->slot,
		(int)m->pid);
	member_kill(m, "closed its channel");
	return 0;
}

static int on_still_hung(sd_event_source *s, uint64_t now, void *data)
{
	(void)s;
	(void)now;
	member_kill(data, "hung");
	return 0;
}

static void log_hung(const struct member *m)
{
	unsigned live = board_get(m->o->slots->board->slot[m->slot].live);
	char digits[5][LOG_NUMBER_SIZE];
	const struct log_field fields[] = {
		log_number("WORKER", m->slot, digits[0]),
		log_number("PID", m->pid, digits[1]),
		log_number("GENERATION", m->o->inherit.generation, digits[2]),
		log_number("CONNECTIONS", live, digits[3]),
		log_number("SILENT_MS", m->heart.silent_ms, digits[4]),
	};

	log_event(LOG_LEVEL_ERROR, EVENT_WORKER_HUNG, fields, sizeof(fields) / sizeof(fields[0]),
		"worker %d (pid %d, generation %u) hangs with %u connections: no heartbeat for "
		"%lld ms; it is aborted",
		m->slot, (int)m->pid, m->o->inherit.generation, live,
		(long long)m->heart.silent_ms);
}

/* SIGABRT first, so that whoever allows cores finds one; a stopped process has to be woken to hear
 * it. */
void member_abort(struct member *m)
{
	if (m->sentence || m->pid <= 0)
		return;
	log_hung(m);
	m->sentence = "hung";
	kill(m->pid, SIGABRT);
	kill(m->pid, SIGCONT);
	delay_set(m->o->event, &m->timer, MEMBER_GRACE_MS, on_still_hung, m);
}

/* ---- what it says ----------------------------------------------------------------------- */

/* After READY it has no more to say, and what it says all the same is not read: descriptors could
 * ride on it that block whoever closes them. That it closed its end wakes us without being asked
 * for. */
static void watch_channel(struct member *m)
{
	uint32_t events = m->state == MEMBER_STARTING ? EPOLLIN : 0;

	if (m->log_next < m->nlogs)
		events |= EPOLLOUT;
	if (m->io)
		sd_event_source_set_io_events(m->io, events);
}

/* As many of the logs as its channel takes. */
static void tell_logs(struct member *m)
{
	for (; m->log_next < m->nlogs; m->log_next++)
		if (channel_send(m->channel, CHANNEL_REOPEN, m->log_next, m->logs[m->log_next].fd) <
			0)
			break;
	if (m->log_next < m->nlogs && errno != EAGAIN) {
		if (errno != EPIPE && errno != ECONNRESET) /* else it is dead, and will be reaped */
			log_warning("worker %u is not told of its new log files and goes on with "
				    "those of before: %s",
				m->slot, strerror(errno));
		m->nlogs = 0;
	}
	watch_channel(m);
}

void member_reopen_logs(struct member *m, const struct log_file *logs, unsigned n)
{
	if (m->channel < 0)
		return;
	m->logs = logs;
	m->nlogs = n;
	m->log_next = 0;
	tell_logs(m);
}

static void on_ready(struct member *m)
{
	delay_stop(&m->timer);
	m->state = MEMBER_SERVING;
	watch_channel(m);
	m->o->ready(m);
}

/* One message a turn: ready() may free us, and level-triggered readiness brings the rest. */
static int on_channel(sd_event_source *s, int fd, uint32_t events, void *data)
{
	struct member *m = data;
	struct channel_message message;
	int rider = -1, r = -1;

	(void)s;
	if (events & EPOLLOUT)
		tell_logs(m);
	if (!(events & ~(uint32_t)EPOLLOUT))
		return 0;
	if (m->state == MEMBER_STARTING)
		r = channel_receive(fd, &message, &rider);
	if (rider >= 0)
		close(rider);
	if (r > 0 && message.type == CHANNEL_READY) {
		on_ready(m);
	} else if (r != 0) {
		delay_stop(&m->io);
		close(m->channel);
		m->channel = -1;
		delay_set(m->o->event, &m->timer, MEMBER_GRACE_MS, on_mute, m);
	}
	return 0;
}

static int on_child(sd_event_source *s, const siginfo_t *si, void *data)
{
	struct member *m = data;

	(void)s;
	m->o->died(m, si);
	return 0;
}

/* It is dead, or was never born: what belonged to the process goes, the slot stays. */
static void bury(struct member *m)
{
	delay_stop(&m->child);
	delay_stop(&m->io);
	delay_stop(&m->timer);
	if (m->channel >= 0)
		close(m->channel);
	m->channel = -1;
	m->pid = 0;
	m->state = MEMBER_GONE;
}

/* ---- birth ------------------------------------------------------------------------------ */

int member_init(struct member *m, const struct member_options *o, void *owner, struct err *e)
{
	*m = (struct member){ .o = o, .owner = owner, .channel = -1 };
	m->slot = slots_take(o->slots, o->inherit.generation, e);
	return m->slot < 0 ? -1 : 0;
}

__attribute__((noreturn)) static void run_worker(const struct member *m, int channel)
{
	struct inherit in = m->o->inherit;

	in.board = m->o->slots->board;
	in.board_fd = m->o->slots->board_fd;
	in.pokes = m->o->slots->pokes;
	in.slot = (unsigned)m->slot;
	in.channel = channel;
	/* Not exit(): the master's handlers and unwritten output are the master's. */
	_exit(m->o->worker(&in));
}

static int watch(struct member *m, struct err *e)
{
	sd_event *event = m->o->event;
	int r;

	r = sd_event_add_child(event, &m->child, m->pid, WEXITED, on_child, m);
	if (r >= 0 && m->channel >= 0)
		r = sd_event_add_io(event, &m->io, m->channel, EPOLLIN, on_channel, m);
	/* What it said before it died is heard before its death. */
	if (r >= 0 && m->io)
		r = sd_event_source_set_priority(m->io, SD_EVENT_PRIORITY_IMPORTANT);
	if (r < 0)
		return err_errno(e, ERR_SYSTEM, -r, "cannot watch a worker");
	delay_set(event, &m->timer, m->o->ready_ms, on_late, m);
	return 0;
}

int member_fork(struct member *m, struct err *e)
{
	int ends[2];

	bury(m);
	if (channel_open(ends, e) < 0)
		return -1;
	m->pid = fork();
	if (m->pid == 0)
		run_worker(m, ends[1]);
	close(ends[1]);
	m->channel = ends[0];
	m->sentence = NULL;
	m->heart = (struct heart){ 0 };
	m->log_next = m->nlogs = 0; /* it is born with those of now */
	m->born_us = clock_us_now();
	if (m->pid < 0) {
		err_errno(e, ERR_SYSTEM, errno, "cannot fork a worker");
		bury(m);
		return -1;
	}
	m->state = MEMBER_STARTING;
	board_set(m->o->slots->board->slot[m->slot].pid, (int32_t)m->pid);
	if (watch(m, e) == 0)
		return 0;
	delay_stop(&m->child);
	kill(m->pid, SIGKILL);
	waitpid(m->pid, NULL, 0);
	bury(m);
	return -1;
}

/* ---- from one image to the next --------------------------------------------------------- */

void member_leave(const struct member *m, struct handover_worker *ret)
{
	*ret = (struct handover_worker){ .pid = m->pid,
		.slot = (unsigned)m->slot,
		.channel = m->channel,
		.poke = m->o->slots->pokes[m->slot],
		.ready = m->state == MEMBER_SERVING };
}

/* Is it a child of ours that was not waited for? */
static bool is_child(pid_t pid)
{
	siginfo_t si;

	return waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG | WNOWAIT) == 0;
}

int member_take_over(struct member *m, const struct member_options *o, void *owner,
	const struct handover_worker *from, struct err *e)
{
	*m = (struct member){ .o = o, .owner = owner, .slot = -1, .channel = from->channel };
	if (slots_take_over(o->slots, from->slot, from->poke) < 0)
		return err_set(e, ERR_INTERNAL, "slot %u is taken twice", from->slot);
	m->slot = (int)from->slot;
	m->born_us = clock_us_now();
	if (!is_child(from->pid)) {
		log_warning("worker %d (pid %d) is gone", m->slot, (int)from->pid);
		member_remove(m);
		return 0;
	}
	m->pid = from->pid;
	m->state = from->ready ? MEMBER_SERVING : MEMBER_STARTING;
	if (watch(m, e) < 0)
		return -1;
	if (from->ready) {
		delay_stop(&m->timer);
		watch_channel(m);
	}
	if (m->channel < 0)
		member_kill(m, "closed its channel");
	return 0;
}

/* ---- the end ---------------------------------------------------------------------------- */

static int on_rested(sd_event_source *s, uint64_t now, void *data)
{
	struct member *m = data;

	(void)s;
	(void)now;
	m->o->rested(m);
	return 0;
}

void member_rest(struct member *m, int64_t ms)
{
	struct board *b = m->o->slots->board;

	bury(m);
	board_release(b, (unsigned)m->slot);
	board_claim(b, (unsigned)m->slot, m->o->inherit.generation);
	m->state = MEMBER_DOWN;
	if (ms > 0)
		delay_set(m->o->event, &m->timer, ms, on_rested, m);
	else
		m->o->rested(m);
}

void member_remove(struct member *m)
{
	bury(m);
	slots_give(m->o->slots, m->slot);
	m->slot = -1;
}

void member_done(struct member *m)
{
	pid_t pid = m->pid;

	if (!m->o)
		return;
	delay_stop(&m->child);
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	member_remove(m);
}
