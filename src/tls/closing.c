/* The state machine of closing.h, over a session. Reads after our FIN go through TLS as long as it
 * can tell a close_notify, and are dropped; one call reads a bounded amount, so that a peer that
 * goes on sending keeps nobody waiting. It never takes a FIN for a close_notify. */
#include "tls/closing.h"

#include <errno.h>
#include <sys/socket.h>

#include "tls/bio.h"

enum { READS_MAX = 16 /* a call, of a record each */ };

const char *closure_name(enum closure c)
{
	static const char *const names[CLOSURE_COUNT] = {
		[CLOSURE_NONE] = "none",
		[CLOSURE_CLEAN] = "clean",
		[CLOSURE_TRUNCATED] = "truncated",
		[CLOSURE_RESET] = "reset",
		[CLOSURE_TIMEOUT] = "timeout",
		[CLOSURE_LOCAL] = "local",
	};

	return (unsigned)c < CLOSURE_COUNT ? names[c] : "none";
}

static enum closing_wait finish(struct closing *c, enum closure how)
{
	c->state = CLOSING_DONE;
	c->closure = c->early_timeout ? CLOSURE_TIMEOUT : how;
	return CLOSING_WAIT_NOTHING;
}

/* How the peer's side ended, if it has; NONE: it is open. */
static enum closure peer_end(const struct session *s)
{
	if (s->peer_closed)
		return CLOSURE_CLEAN;
	if (s->reset)
		return CLOSURE_RESET;
	if (s->peer_fin && s->failed && !s->handshaken)
		return CLOSURE_LOCAL; /* nobody sends close_notify in a handshake */
	if (s->peer_fin)
		return s->ssl ? CLOSURE_TRUNCATED : CLOSURE_CLEAN;
	return CLOSURE_NONE;
}

/* Reads and drops. IO_OK: there may be more. */
static enum io_status drain(struct session *s)
{
	char dropped[SESSION_READ_MAX];
	enum io_status st = IO_OK;
	size_t n;

	if (s->failed) { /* TLS cannot go on; the bytes still have to leave the socket */
		s->recvs_left = READS_MAX;
		do
			st = bio_recv(s, dropped, sizeof(dropped), &n);
		while (st == IO_OK);
		return st;
	}
	for (int i = 0; i < READS_MAX && st == IO_OK; i++)
		st = session_read(s, dropped, sizeof(dropped), &n);
	/* What is inside already would wake nobody. */
	s->hold = true;
	while (st == IO_OK)
		st = session_read(s, dropped, sizeof(dropped), &n);
	s->hold = false;
	return st;
}

static enum closing_wait linger(struct closing *c, struct session *s)
{
	enum closure end = peer_end(s);

	if (end == CLOSURE_NONE) {
		drain(s);
		session_flush(s); /* an alert or an answer of TLS; a lost one harms nobody */
		end = peer_end(s);
	}
	return end == CLOSURE_NONE ? CLOSING_WAIT_READ : finish(c, end);
}

/* Nothing that we sent is worth waiting for. */
static bool has_said_nothing(const struct session *s)
{
	return s->ssl && !s->handshaken && !s->failed;
}

static enum closing_wait flush(struct closing *c, struct session *s)
{
	enum io_status st = session_send_close(s);
	if (st == IO_OK && !s->sent_close)
		st = session_send_close(s); /* there was no room behind the data */
	if (st == IO_WANT_WRITE)
		return CLOSING_WAIT_WRITE;
	if (st != IO_OK || (shutdown(s->fd, SHUT_WR) < 0 && errno == ENOTCONN)) {
		s->reset = true;
		return finish(c, s->peer_closed ? CLOSURE_CLEAN : CLOSURE_RESET);
	}
	if (has_said_nothing(s)) {
		enum closure end = peer_end(s);
		return finish(c, end == CLOSURE_NONE ? CLOSURE_LOCAL : end);
	}
	c->state = CLOSING_LINGER;
	return linger(c, s);
}

enum closing_wait closing_start(struct closing *c, struct session *s, bool by_deadline)
{
	if (c->state != CLOSING_OPEN)
		return closing_continue(c, s);
	c->early_timeout = by_deadline;
	if (by_deadline && buf_len(&s->pending) > 0 && session_flush(s) == IO_WANT_WRITE)
		return finish(c, CLOSURE_TIMEOUT); /* the peer does not read */
	c->state = CLOSING_FLUSH;
	return flush(c, s);
}

enum closing_wait closing_continue(struct closing *c, struct session *s)
{
	switch (c->state) {
	case CLOSING_FLUSH:
		return flush(c, s);
	case CLOSING_LINGER:
		return linger(c, s);
	default:
		return CLOSING_WAIT_NOTHING;
	}
}

void closing_expire(struct closing *c, const struct session *s, const struct closing_policy *p)
{
	if (c->state == CLOSING_DONE)
		return;
	bool waited = c->state == CLOSING_LINGER && p->mode == CLOSING_STRICT && s->sent_close;
	finish(c, c->state != CLOSING_LINGER || waited ? CLOSURE_TIMEOUT : CLOSURE_LOCAL);
}

void closing_abort(struct closing *c, const struct session *s, enum io_status status)
{
	enum closure end = peer_end(s);

	if (c->state == CLOSING_DONE)
		return;
	if (status == IO_RESET)
		end = CLOSURE_RESET;
	else if (status == IO_TRUNCATED)
		end = CLOSURE_TRUNCATED;
	else if (status == IO_EOF)
		end = CLOSURE_CLEAN;
	finish(c, end == CLOSURE_NONE ? CLOSURE_LOCAL : end);
}
