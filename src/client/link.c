/* Waiting with a deadline around a non-blocking session: the client has one connection at a time,
 * so poll(2) on its one descriptor is the whole event loop.
 *
 * Knows no HTTP, prints nothing, and gives no verdict on how a connection ended. */
#include "client/link.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/tunnel.h"
#include "tls/client.h"
#include "tls/identity.h"
#include "tls/resume.h"

enum { TICK_MS = 100, DROP_SIZE = 16 * 1024 };

static int64_t deadline_in(int ms)
{
	return clock_us_now() + (int64_t)ms * 1000;
}

/* False: the deadline passed. Errors of the socket are told by the read or write that follows. */
static bool wait_until(struct link *l, short events, int64_t deadline_us)
{
	for (;;) {
		struct pollfd p = { .fd = l->fd, .events = events };
		int64_t left_ms = (deadline_us - clock_us_now() + 999) / 1000;
		int wait_ms = left_ms > INT_MAX ? INT_MAX : (int)left_ms;
		int n;

		if (left_ms <= 0)
			return false;
		if (l->tick && wait_ms > TICK_MS)
			wait_ms = TICK_MS;
		n = poll(&p, 1, wait_ms);
		if (n > 0 || (n < 0 && errno != EINTR))
			return true;
		if (l->tick)
			l->tick(l->tick_arg);
	}
}

/* Sends what the session gathered. IO_WANT_READ: the deadline passed. */
static enum io_status flush_until(struct link *l, int64_t deadline_us)
{
	enum io_status status;

	while ((status = session_flush(&l->session)) == IO_WANT_WRITE)
		if (!wait_until(l, POLLOUT, deadline_us))
			return IO_WANT_READ;
	return status;
}

/* Remembers how the connection ended; a deadline that passed is no end. */
static enum io_status end(struct link *l, enum io_status status)
{
	if (status == IO_FAIL && l->ended == IO_OK)
		tls_reason_take(l->session.ssl, &l->reason);
	if (status != IO_WANT_READ && l->ended == IO_OK)
		l->ended = status;
	return status;
}

/* After `status` WANT_*: waits for what the session wants. IO_OK: try again. */
static enum io_status wait_for(struct link *l, enum io_status status, int64_t deadline_us)
{
	enum io_status flushed = flush_until(l, deadline_us);

	if (flushed != IO_OK)
		return flushed;
	if (status != IO_WANT_READ)
		return IO_OK;
	if (session_has_input(&l->session)) /* even a peer that floods us has only this long */
		return clock_us_now() < deadline_us ? IO_OK : IO_WANT_READ;
	return wait_until(l, POLLIN, deadline_us) ? IO_OK : IO_WANT_READ;
}

static enum outcome connect_to(struct link *l, const struct link_options *o, struct err *e)
{
	struct sockaddr_storage peer = { 0 };
	socklen_t len = sizeof(peer);
	const struct dial_target target = {
		.host = o->proxy ? o->proxy->host : o->connect_host,
		.port = o->proxy ? o->proxy->port : o->port,
		.family = o->family,
		.timeout_ms = o->timeout_ms,
	};
	enum dial_result r;

	r = dial(&target, &l->fd, e);
	switch (r) {
	case DIAL_CONNECTED:
		break;
	case DIAL_NO_NAME:
		return outcome_set(e, OUTCOME_NO_NAME, "%s; check the name%s", e->text,
			o->proxy ? " of the proxy" : ", or --connect to an address");
	case DIAL_REFUSED:
		return outcome_set(e, OUTCOME_NO_CONNECTION, "%s; check that a %s listens there",
			e->text, o->proxy ? "proxy" : "server");
	case DIAL_TIMED_OUT:
		return outcome_set(
			e, OUTCOME_TIMED_OUT, "%s; --timeout sets how long to wait", e->text);
	}
	if (getpeername(l->fd, (struct sockaddr *)&peer, &len) == 0)
		sock_format_address(&peer, len, l->address, sizeof(l->address));
	return OUTCOME_OK;
}

static enum outcome chain_failed(const struct tls_reason *r, struct err *e)
{
	return outcome_set(e, OUTCOME_CHAIN,
		"%s; name the authority to trust with --ca FILE, or go on unverified with -k",
		r->sentence);
}

static enum outcome handshake_failed(const struct link *l, enum io_status status, struct err *e)
{
	const struct tls_reason *r = &l->reason;

	switch (status) {
	case IO_WANT_READ:
		return outcome_set(e, OUTCOME_TIMED_OUT,
			"the TLS handshake did not end in time; "
			"--timeout sets how long to wait");
	case IO_FAIL:
		break;
	case IO_RESET:
		return outcome_set(e, OUTCOME_HANDSHAKE,
			"the server reset the connection during the TLS handshake; "
			"check that this port speaks TLS");
	default:
		return outcome_set(e, OUTCOME_HANDSHAKE,
			"the server closed the connection during the TLS handshake; "
			"check that this port speaks TLS");
	}
	if (r->is_chain)
		return chain_failed(r, e);
	if (strcmp(r->word, "wrong_version_number") == 0)
		return outcome_set(e, OUTCOME_HANDSHAKE,
			"TLS handshake failed: %s; if this port speaks plain HTTP, use http://",
			r->sentence);
	return outcome_set(e, OUTCOME_HANDSHAKE, "TLS handshake failed: %s", r->sentence);
}

static enum outcome shake_hands(struct link *l, const struct link_options *o, struct err *e)
{
	int64_t deadline_us = deadline_in(o->timeout_ms);
	enum io_status status;

	if (tls_identity_expect(l->session.ssl, o->host, o->sni, e) < 0)
		return outcome_set(e, OUTCOME_OTHER, "%s", e->text);
	if (o->prepare && o->prepare(l->session.ssl, o->prepare_arg, e) < 0)
		return outcome_set(e, OUTCOME_OTHER, "%s", e->text);
	if (o->resume_key)
		resume_offer(l->session.ssl, o->resume_key);
	for (;;) {
		status = session_handshake(&l->session);
		if (status == IO_OK)
			status = flush_until(l, deadline_us);
		else if (status == IO_WANT_READ || status == IO_WANT_WRITE)
			status = wait_for(l, status, deadline_us);
		if (status != IO_OK)
			return handshake_failed(l, end(l, status), e);
		if (l->session.handshaken)
			return OUTCOME_OK;
	}
}

/* What the handshake itself did not judge. */
static enum outcome verify(struct link *l, const struct link_options *o, struct err *e)
{
	if (o->verify == LINK_VERIFY_NONE)
		return OUTCOME_OK;
	if (o->verify == LINK_VERIFY_AFTER && tls_client_verdict(l->session.ssl, &l->reason) < 0)
		return chain_failed(&l->reason, e);
	if (tls_identity_check(l->session.ssl, o->host, o->allow_cn, e) < 0)
		return outcome_set(e, OUTCOME_IDENTITY,
			"%s; use a name that the certificate has (--connect can still say where "
			"to connect), or go on unverified with -k",
			e->text);
	return OUTCOME_OK;
}

static enum outcome open_session(struct link *l, struct ssl_ctx_st *ctx, struct err *e)
{
	if (session_open(&l->session, &l->env, l->fd, ctx, false) < 0)
		return outcome_set(e, OUTCOME_OTHER, "out of memory");
	l->is_open = true;
	return OUTCOME_OK;
}

/* The way through the proxy is plain; TLS begins behind it. */
static enum outcome pass_proxy(struct link *l, const struct link_options *o, struct err *e)
{
	enum outcome r = open_session(l, NULL, e);

	if (r == OUTCOME_OK)
		r = tunnel_open(l, o, e);
	session_close(&l->session, false);
	l->is_open = false;
	return r;
}

enum outcome link_open(struct link *l, const struct link_options *o, struct err *e)
{
	enum outcome r;

	memset(l, 0, sizeof(*l));
	l->fd = -1;
	l->timeout_ms = o->timeout_ms;
	session_env_init(&l->env, true);
	r = connect_to(l, o, e);
	if (r == OUTCOME_OK && o->proxy && o->tunnel)
		r = pass_proxy(l, o, e);
	if (r == OUTCOME_OK)
		r = open_session(l, o->ctx, e);
	if (r != OUTCOME_OK || !o->ctx)
		return r;
	r = shake_hands(l, o, e);
	return r == OUTCOME_OK ? verify(l, o, e) : r;
}

enum io_status link_read(struct link *l, void *p, size_t n, size_t *ret_n)
{
	int64_t deadline_us = 0; /* asked of the clock only when there is something to wait for */
	size_t got = 0;

	*ret_n = 0;
	while (got < n && l->ended == IO_OK) {
		size_t part = 0;
		enum io_status status = session_read(&l->session, (char *)p + got, n - got, &part);

		if (status == IO_OK) {
			got += part;
			continue;
		}
		if (status != IO_WANT_READ && status != IO_WANT_WRITE) {
			end(l, status);
			break;
		}
		if (got > 0)
			break;
		if (deadline_us == 0)
			deadline_us = deadline_in(l->timeout_ms);
		status = wait_for(l, status, deadline_us);
		if (status != IO_OK)
			return end(l, status);
	}
	*ret_n = got;
	return got > 0 ? IO_OK : l->ended;
}

enum io_status link_write(struct link *l, const void *p, size_t n)
{
	int64_t deadline_us = deadline_in(l->timeout_ms);
	size_t done = 0;

	while (done < n && l->ended == IO_OK) {
		size_t part = 0;
		enum io_status status =
			session_write(&l->session, (const char *)p + done, n - done, &part);

		if (status == IO_OK)
			done += part;
		else if (status == IO_WANT_READ || status == IO_WANT_WRITE)
			status = wait_for(l, status, deadline_us);
		if (status != IO_OK)
			return end(l, status);
	}
	if (l->ended != IO_OK)
		return l->ended;
	return end(l, flush_until(l, deadline_us));
}

/* As much as the session takes at the moment. */
static enum io_status send_some(struct link *l, const char *p, size_t n, size_t *sent)
{
	enum io_status status = IO_OK;

	while (*sent < n && status == IO_OK) {
		size_t part = 0;

		status = session_write(&l->session, p + *sent, n - *sent, &part);
		*sent += part;
		if (status == IO_WANT_WRITE && session_flush(&l->session) == IO_OK)
			status = IO_OK;
	}
	return status == IO_OK ? session_flush(&l->session) : status;
}

enum io_status link_send(struct link *l, const void *p, size_t n, size_t *ret_sent, void *in,
	size_t size, size_t *ret_got)
{
	int64_t deadline_us = deadline_in(l->timeout_ms);
	size_t before;
	enum io_status status;

	*ret_sent = *ret_got = 0;
	while (l->ended == IO_OK) {
		before = *ret_sent;
		status = send_some(l, p, n, ret_sent);
		if (status == IO_OK)
			return IO_OK;
		if (status != IO_WANT_READ && status != IO_WANT_WRITE)
			return end(l, status);
		if (*ret_sent > before)
			deadline_us = deadline_in(l->timeout_ms);
		status = session_read(&l->session, in, size, ret_got);
		if (status == IO_OK)
			return IO_OK;
		if (status != IO_WANT_READ && status != IO_WANT_WRITE)
			return end(l, status);
		if (!wait_until(l, POLLIN | POLLOUT, deadline_us))
			return IO_WANT_READ;
	}
	return l->ended;
}

enum io_status link_finish(struct link *l, int wait_ms, uint64_t *ret_dropped)
{
	int64_t deadline_us = deadline_in(wait_ms);
	char drop[DROP_SIZE];

	*ret_dropped = 0;
	session_send_close(&l->session);
	while (l->ended == IO_OK) {
		size_t n = 0;
		enum io_status status = session_read(&l->session, drop, sizeof(drop), &n);

		*ret_dropped += n;
		if (status == IO_OK && clock_us_now() < deadline_us)
			continue;
		if (status == IO_OK)
			return IO_WANT_READ;
		if (status == IO_WANT_READ || status == IO_WANT_WRITE)
			status = wait_for(l, status, deadline_us);
		if (status == IO_WANT_READ)
			return status;
		if (status != IO_OK)
			end(l, status);
	}
	return l->ended;
}

void link_close(struct link *l)
{
	if (l->is_open) {
		session_send_close(&l->session);
		session_close(&l->session, false);
	}
	l->is_open = false;
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	session_env_done(&l->env);
}
