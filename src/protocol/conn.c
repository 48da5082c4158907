/* The life of one connection: handshake, deadlines, the way out, and the accounts. What is said on
 * the connection is the protocol driver's business (h1, h2), how it ends is tls/closing's.
 * Neighbours: net/loop wakes us, tls/session carries the bytes, the worker is told when one is
 * gone. */
#include "protocol/conn.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "ipc/board.h"
#include "protocol/admit.h"
#include "protocol/exchange.h"
#include "protocol/h1.h"
#include "protocol/rate.h"
#include "protocol/h2.h"
#include "protocol/mistaken.h"
#include "protocol/report.h"
#include "tls/reason.h"

int conn_env_init(struct conn_env *env, bool nosignal)
{
	session_env_init(&env->io, nosignal);
	env->peer_trouble.burst = env->handshake_trouble.burst = 20;
	env->input = malloc(SESSION_READ_MAX);
	env->output = malloc(CONN_OUTPUT_MAX);
	return env->input && env->output ? 0 : -1;
}

void conn_env_done(struct conn_env *env)
{
	assert(!env->all);
	exchange_env_done(env);
	free(env->input);
	free(env->output);
	env->input = env->output = NULL;
	session_env_done(&env->io);
}

/* ---- the end ---------------------------------------------------------------- */

/* What was being served is lost. */
static void end_protocol(struct conn *c)
{
	while (c->streams)
		exchange_close(c->streams);
	c->protocol->done(c);
}

static int64_t linger_of(const struct conn *c)
{
	int64_t ms = c->listener->policy->linger_ms;

	return c->is_idle_end && c->env->idle_linger_ms < ms ? c->env->idle_linger_ms : ms;
}

bool conn_is_breach(const struct conn *c, enum closure how)
{
	const struct closing_policy *p = c->listener->policy;

	if (p->mode != CLOSING_STRICT)
		return false;
	return how == CLOSURE_TRUNCATED ||
	       (how == CLOSURE_TIMEOUT && c->closing.state == CLOSING_DONE &&
		       c->session.sent_close && buf_len(&c->session.pending) == 0 &&
		       !c->closing.early_timeout && linger_of(c) == p->linger_ms);
}

static void conn_finish(struct conn *c, enum closure how)
{
	struct conn_env *env = c->env;
	bool forget = conn_is_breach(c, how);

	end_protocol(c);
	report_close(c, how);
	admit_uncount(c);
	board_add(env->counters->closures[how], 1);
	exchange_count_bytes(c);
	timer_stop(&c->timer);
	session_close(&c->session, forget);
	loop_forget(env->loop, &c->watch);
	close(c->watch.fd);
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	env->live--;
	board_set(env->counters->live, env->live);
	free(c);
	env->on_gone(env);
}

/* The peer does not read: what the kernel still holds must not stay for minutes, and the peer must
 * not take the part for the whole. */
static void conn_cut(struct conn *c)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(c->watch.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	conn_finish(c, CLOSURE_TIMEOUT);
}

static void wait_for_closing(struct conn *c, enum closing_wait wait)
{
	switch (wait) {
	case CLOSING_WAIT_WRITE:
		conn_enter(c, CONN_CLOSING, "closing, sending the rest", LOOP_WRITE);
		timer_set(
			&c->env->loop->timers, &c->timer, clock_ms() + c->env->timeouts->write_ms);
		break;
	case CLOSING_WAIT_READ:
		/* linger is one span from our FIN on: what the peer still sends does not extend it
		 */
		if (c->state != CONN_CLOSING || !(c->watch.events & LOOP_READ))
			timer_set(&c->env->loop->timers, &c->timer, clock_ms() + linger_of(c));
		conn_enter(c, CONN_CLOSING, "closing, waiting for the peer's end", LOOP_READ);
		break;
	case CLOSING_WAIT_NOTHING:
		conn_finish(c, c->closing.closure);
		break;
	}
}

static void begin_closing(struct conn *c, bool by_deadline)
{
	end_protocol(c);
	c->doing = "closing";
	wait_for_closing(c, closing_start(&c->closing, &c->session, by_deadline));
}

void conn_close(struct conn *c)
{
	begin_closing(c, c->timed_out);
}

void conn_abort(struct conn *c, enum io_status status)
{
	if (status == IO_FAIL)
		report_tls(c);
	closing_abort(&c->closing, &c->session, status);
	conn_finish(c, c->closing.closure);
}

/* ---- states ----------------------------------------------------------------- */

static int64_t deadline_of(const struct conn *c)
{
	const struct conn_timeouts *t = c->env->timeouts;

	if (buf_len(&c->session.pending) > 0)
		return t->write_ms;
	switch (c->state) {
	case CONN_PROXY:
	case CONN_HANDSHAKE:
		return t->handshake_ms;
	case CONN_IDLE:
		return t->idle_ms;
	case CONN_HEADER:
		return t->header_ms;
	case CONN_BODY:
		return t->body_ms;
	case CONN_RESPONSE:
		return t->write_ms;
	case CONN_CLOSING:
		break;
	}
	return -1;
}

void conn_touch(struct conn *c)
{
	int64_t span = deadline_of(c);

	if (span >= 0)
		timer_set(&c->env->loop->timers, &c->timer, rate_deadline(c, clock_ms() + span));
}

static void watch_for(struct conn *c, unsigned events)
{
	if (c->watch.events != events || !c->watch.added)
		loop_watch(c->env->loop, &c->watch,
			events); /* it can only fail to add, see conn_open() */
}

void conn_enter(struct conn *c, enum conn_state state, const char *doing, unsigned events)
{
	/* Waiting for a request and for the rest of its head have one deadline each, which bytes
	 * that are no content yet do not move, and so have the beginnings before the first request;
	 * all others start anew. */
	bool begins = c->state == CONN_PROXY && state == CONN_HANDSHAKE;
	bool waits = state == c->state &&
		     (state == CONN_HEADER || (state == CONN_IDLE && !(events & LOOP_WRITE)));
	bool same_wait = timer_is_set(&c->timer) && (begins || waits);

	c->state = state;
	c->doing = doing;
	if (!same_wait)
		conn_touch(c);
	watch_for(c, events);
}

void conn_await(struct conn *c, enum conn_state state, const char *doing, unsigned events,
	int64_t deadline_ms)
{
	c->state = state;
	c->doing = doing;
	timer_set(&c->env->loop->timers, &c->timer, rate_deadline(c, deadline_ms));
	watch_for(c, events);
}

static void count_handshake(struct conn *c)
{
	struct board_slot *n = c->env->counters;
	bool is_13 = !strcmp(session_version(&c->session), "TLSv1.3");

	if (session_resumed(&c->session)) {
		if (is_13)
			board_add(n->handshakes_resumed_13, 1);
		else
			board_add(n->handshakes_resumed_12, 1);
	} else if (is_13) {
		board_add(n->handshakes_full_13, 1);
	} else {
		board_add(n->handshakes_full_12, 1);
	}
}

/* The peer may still be sending: an alert of ours must not be destroyed by a reset. */
static void handshake_refused(struct conn *c)
{
	struct tls_reason reason;

	tls_reason_take(c->session.ssl, &reason);
	report_handshake(c, &reason);
	mistaken_answer(c, &reason);
	conn_close(c);
}

static void handshake_ended(
	struct conn *c, const char *word, const char *sentence, enum closure how)
{
	struct tls_reason reason = { .alert = -1 };

	snprintf(reason.word, sizeof reason.word, "%s", word);
	snprintf(reason.sentence, sizeof reason.sentence, "%s", sentence);
	report_handshake(c, &reason);
	conn_finish(c, how);
}

/* What the handshake agreed on. False: out of memory. */
static bool choose_protocol(struct conn *c)
{
#ifdef HAVE_NGHTTP2
	size_t n;
	const char *alpn = session_alpn(&c->session, &n);

	return !str_eq((struct str){ alpn, n }, STR("h2")) || h2_start(c);
#else
	(void)c;
	return true;
#endif
}

static void run_handshake(struct conn *c)
{
	switch (session_handshake(&c->session)) {
	case IO_OK:
		if (c->session.ssl)
			count_handshake(c);
		conn_enter(c, CONN_IDLE, "waiting for a request", c->watch.events);
		if (!choose_protocol(c)) {
			conn_finish(c, CLOSURE_LOCAL);
			return;
		}
		c->protocol->run(
			c, false); /* what came with the handshake's last bytes is in the session */
		return;
	case IO_WANT_READ:
		loop_watch(c->env->loop, &c->watch, LOOP_READ);
		return;
	case IO_WANT_WRITE:
		loop_watch(c->env->loop, &c->watch, LOOP_WRITE);
		return;
	case IO_FAIL:
		handshake_refused(c);
		return;
	case IO_RESET:
		handshake_ended(c, "reset", "the peer reset the connection", CLOSURE_RESET);
		return;
	case IO_EOF:
	case IO_TRUNCATED:
		handshake_ended(c, "eof", "the peer closed the connection",
			c->session.peer_closed ? CLOSURE_CLEAN : CLOSURE_TRUNCATED);
		return;
	}
}

/* ---- the beginning ---------------------------------------------------------- */

static void refuse(struct conn *c, const char *reason)
{
	board_add(c->env->counters->refused, 1);
	report_peer(c, LOG_LEVEL_INFO, reason);
	conn_finish(c, CLOSURE_LOCAL);
}

/* It is known whose the connection is. */
static void begin(struct conn *c)
{
	if (!admit_count(c)) {
		refuse(c, "refused: its address has limits.connections_per_address already");
		return;
	}
	if (c->listener->context)
		conn_enter(c, CONN_HANDSHAKE, "shaking hands", LOOP_READ);
	else
		conn_enter(c, CONN_IDLE, "waiting for a request", LOOP_READ);
	if (c->watch.added)
		return;
	report_peer(c, LOG_LEVEL_ERROR, "the kernel has no room for another watched descriptor");
	conn_finish(c, CLOSURE_LOCAL);
}

static void run_proxy(struct conn *c)
{
	const char *reason = NULL;

	switch (admit_read_header(c, &reason)) {
	case PARSE_DONE:
		begin(c);
		break;
	case PARSE_MORE:
		break;
	case PARSE_BAD:
		refuse(c, reason);
		break;
	}
}

/* For the crash report, should this be the worker's last turn. */
static void leave_crumb(struct conn *c)
{
	struct crumb *crumb = &c->env->counters->crumb;
	const struct request *r = c->streams ? &c->streams->request : NULL;

	if (c->state == CONN_HANDSHAKE) {
		crumb_peer(crumb, CRUMB_HANDSHAKE, &c->peer);
		return;
	}
	crumb_peer(crumb, CRUMB_READING, &c->peer);
	if (r && r->method_text.n)
		crumb_request(crumb, r->method_text, r->target);
}

static void on_event(struct watch *w, unsigned events)
{
	struct conn *c = (struct conn *)w;

	leave_crumb(c);
	if (c->state == CONN_PROXY)
		run_proxy(c);
	else if (c->state == CONN_HANDSHAKE)
		run_handshake(c);
	else if (c->state == CONN_CLOSING)
		wait_for_closing(c, closing_continue(&c->closing, &c->session));
	else
		c->protocol->run(c, events & (LOOP_READ | LOOP_BROKEN));
}

void conn_stuck(struct conn *c)
{
	report_peer(
		c, LOG_LEVEL_INFO, "the peer took nothing within timeouts.write; connection cut");
	conn_cut(c);
}

/* False: its time is not over yet. */
static bool is_over(struct conn *c)
{
	switch (rate_judge(c)) {
	case RATE_DUE:
		return true;
	case RATE_LATER:
		timer_set(&c->env->loop->timers, &c->timer, rate_deadline(c, c->rate.due_ms));
		return false;
	case RATE_SLOW:
		break;
	}
	report_peer(c, LOG_LEVEL_INFO, "the peer is slower than limits.min_rate");
	if (c->state == CONN_BODY)
		return true;
	conn_cut(c);
	return false;
}

static void on_deadline(struct timer *t)
{
	struct conn *c = (struct conn *)((char *)t - offsetof(struct conn, timer));

	if (c->state != CONN_CLOSING && !is_over(c))
		return;
	if (c->state != CONN_CLOSING && buf_len(&c->session.pending) > 0) {
		conn_stuck(c);
		return;
	}
	switch (c->state) {
	case CONN_PROXY:
		report_peer(c, LOG_LEVEL_INFO, "no PROXY header within timeouts.handshake");
		conn_finish(c, CLOSURE_TIMEOUT);
		break;
	case CONN_HANDSHAKE:
		handshake_ended(
			c, "timeout", "not finished within timeouts.handshake", CLOSURE_TIMEOUT);
		break;
	case CONN_IDLE:
	case CONN_HEADER:
	case CONN_BODY:
	case CONN_RESPONSE:
		c->protocol->timeout(c);
		break;
	case CONN_CLOSING:
		closing_expire(&c->closing, &c->session, c->listener->policy);
		if (c->watch.events & LOOP_WRITE)
			conn_cut(c);
		else
			conn_finish(c, c->closing.closure);
		break;
	}
}

bool conn_open(struct conn_env *env, const struct conn_listener *listener, int fd,
	const struct sockaddr_storage *peer)
{
	struct conn *c = calloc(1, sizeof *c);
	const char *reason;

	if (!c || session_open(&c->session, &env->io, fd, listener->context, true)) {
		free(c);
		close(fd);
		return false;
	}
	c->env = env;
	c->listener = listener;
	c->peer = *peer;
	c->watch.fd = fd;
	c->watch.fn = on_event;
	c->timer.fn = on_deadline;
	c->protocol = &h1_protocol;
	h1_init(c);
	c->opened_us = env->timed ? clock_us_now() : 0;
	c->next = env->all;
	c->link = &env->all;
	if (c->next)
		c->next->link = &c->next;
	env->all = c;
	env->live++;
	board_add(env->counters->connections, 1);
	board_add(env->counters->accepted[listener->place], 1);
	board_set(env->counters->live, env->live);
	if (admit_expects_header(c, &reason))
		conn_enter(c, CONN_PROXY, "reading a PROXY header", LOOP_READ);
	else if (reason)
		refuse(c, reason);
	else
		begin(c);
	return true;
}

/* Between requests, with nothing left of the last one, and no turn that is to go on with what is
 * here of the next one? */
static bool is_idle(const struct conn *c)
{
	return c->state == CONN_IDLE && buf_len(&c->session.pending) == 0 &&
	       !(c->watch.events & LOOP_WRITE);
}

static bool kernel_has_input(const struct conn *c)
{
	char byte;

	return recv(c->watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

/* Has nothing of a request come, neither to us nor to the kernel, for this long? */
static bool is_silent(const struct conn *c, int64_t idle_ms)
{
	const struct conn_timeouts *t = c->env->timeouts;

	if (c->state == CONN_PROXY || c->state == CONN_HANDSHAKE)
		return c->session.bytes_in == 0 && buf_len(&c->h1.in) == 0 &&
		       clock_ms() >= c->timer.deadline_ms - t->handshake_ms + idle_ms;
	return is_idle(c) && clock_ms() >= c->timer.deadline_ms - t->idle_ms + idle_ms &&
	       !kernel_has_input(c);
}

void conn_close_idle(struct conn_env *env, int64_t idle_ms)
{
	struct conn *next;

	env->idle_linger_ms = idle_ms / 2;
	for (struct conn *c = env->all; c; c = next) {
		next = c->next;
		bool begun = c->state != CONN_PROXY && c->state != CONN_HANDSHAKE;

		if (!is_silent(c, idle_ms)) {
			if (begun && c->state != CONN_CLOSING)
				c->protocol->drain(c);
		} else if (!begun) {
			conn_finish(c, CLOSURE_LOCAL);
		} else {
			c->is_idle_end = true;
			c->protocol->goodbye(c);
			conn_close(c);
		}
	}
}

/* Longest idle first; a deadline that is sooner has run for longer. */
static void insert_idle(struct conn *idle[CONN_SHED_MAX], unsigned *n, struct conn *c)
{
	unsigned at = *n < CONN_SHED_MAX ? (*n)++ : CONN_SHED_MAX;

	for (; at > 0 && idle[at - 1]->timer.deadline_ms > c->timer.deadline_ms; at--)
		if (at < CONN_SHED_MAX)
			idle[at] = idle[at - 1];
	if (at < CONN_SHED_MAX)
		idle[at] = c;
}

unsigned conn_shed_idle(struct conn_env *env)
{
	struct conn *idle[CONN_SHED_MAX];
	unsigned n = 0, shed = 0;

	for (struct conn *c = env->all; c; c = c->next)
		if (is_idle(c))
			insert_idle(idle, &n, c);
	for (unsigned i = 0; i < n; i++) {
		if (kernel_has_input(idle[i]))
			continue;
		idle[i]->protocol->goodbye(idle[i]);
		session_send_close(&idle[i]->session);
		conn_finish(idle[i], CLOSURE_LOCAL);
		shed++;
	}
	return shed;
}

void conn_close_all(struct conn_env *env)
{
	struct conn *next;

	for (struct conn *c = env->all; c; c = next) {
		next = c->next;
		if (c->state != CONN_CLOSING && c->session.handshaken) {
			c->protocol->goodbye(c);
			end_protocol(c);
			session_send_close(&c->session);
		}
		conn_finish(c, CLOSURE_LOCAL);
	}
}
