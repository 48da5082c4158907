/* Judges how fast a client is. What counts of a response is what the peer's kernel has
 * acknowledged: ours would take megabytes at once. That is asked only when a deadline comes up, so
 * that it costs fast clients nothing. */
#include "protocol/rate.h"

#include "base/clock.h"
#include "net/sock.h"
#include "protocol/conn.h"

/* What is under way; CONN_IDLE: nothing that has a rate. */
static enum conn_state state_of(const struct conn *c)
{
	if (buf_len(&c->session.pending) > 0 || (c->streams && c->protocol->has_many_streams))
		return CONN_RESPONSE;
	return c->state == CONN_BODY || c->state == CONN_RESPONSE ? c->state : CONN_IDLE;
}

int64_t rate_deadline(struct conn *c, int64_t due_ms)
{
	enum conn_state state = state_of(c);
	struct rate *r = &c->rate;

	r->due_ms = due_ms;
	if (c->env->limits->min_rate == 0 || state == CONN_IDLE)
		return due_ms;
	if (r->state != (int)state) {
		r->state = (int)state;
		r->bytes = c->session.bytes_in + c->session.bytes_out;
		r->since_ms = clock_ms();
		r->until_ms = r->since_ms + RATE_GRACE_MS;
	}
	return r->until_ms < due_ms ? r->until_ms : due_ms;
}

void rate_begin(struct conn *c)
{
	c->rate.state = CONN_IDLE;
}

enum rate_verdict rate_judge(struct conn *c)
{
	struct rate *r = &c->rate;
	uint64_t bytes;

	if (clock_ms() >= r->due_ms || state_of(c) == CONN_IDLE)
		return RATE_DUE;
	if (!sock_acknowledged(c->watch.fd, &bytes))
		bytes = c->session.bytes_out;
	bytes += c->session.bytes_in;
	bytes = bytes > r->bytes ? bytes - r->bytes : 0;
	r->until_ms = r->since_ms + RATE_GRACE_MS +
		      (int64_t)((double)bytes * 1000 / (double)c->env->limits->min_rate);
	return r->until_ms > clock_ms() ? RATE_LATER : RATE_SLOW;
}
