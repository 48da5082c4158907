/* When ticket keys change. Those of secrets follow the wall clock, whatever happens to it; others
 * are counted from the last change, over reloads too. It refuses to leave the keys of a secret in
 * use after the configuration has dropped it. */
#include "master/rotation.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "master/delay.h"
#include "tls/ticket.h"

static void arm(struct rotation *r);

static bool is_by_clock(const struct rotation *r)
{
	return r->config->tickets_secret || r->fleet.n > 0;
}

static int derive(struct rotation *r, struct err *e)
{
	const struct config *c = r->config;
	const struct ticket_era always = { INT64_MIN, c->tickets_secret, true };

	return ticket_ring_derive(r->ring, c->tickets_secret ? &always : r->fleet.eras,
		c->tickets_secret ? 1 : r->fleet.n, clock_wall_ms_now(), c->tls.tickets_rotate_ms,
		c->tls.tickets_keep, e);
}

static void renew(struct rotation *r)
{
	struct err e;
	int rc = is_by_clock(r) ? derive(r, &e)
				: ticket_ring_rotate(r->ring, r->config->tls.tickets_keep, &e);

	if (rc < 0)
		log_err(LOG_LEVEL_ERROR, &e);
	r->rotated_ms = clock_ms();
}

static int on_time(sd_event_source *s, uint64_t now, void *data)
{
	struct rotation *r = data;

	(void)s, (void)now;
	renew(r);
	log_info("the session tickets have a new key");
	arm(r);
	return 0;
}

/* At the next slice, on a clock that may be set. */
static void arm_wall(struct rotation *r)
{
	int64_t span = r->config->tls.tickets_rotate_ms;
	int64_t next_ms = (clock_wall_ms_now() / span + 1) * span;
	int rc = sd_event_add_time(
		r->event, &r->timer, CLOCK_REALTIME, (uint64_t)next_ms * 1000, 1, on_time, r);

	if (rc < 0)
		log_error("no timer for the next ticket key: %s", strerror(-rc));
}

static void arm(struct rotation *r)
{
	delay_stop(&r->timer);
	if (!r->config->tls.tickets_enabled)
		return;
	if (is_by_clock(r))
		arm_wall(r);
	else
		delay_set(r->event, &r->timer,
			r->rotated_ms + r->config->tls.tickets_rotate_ms - clock_ms(), on_time, r);
}

/* The store gave secrets; they may be those that it gave before. */
static void on_answered(void *data)
{
	struct rotation *r = data;

	renew(r);
	arm(r);
}

void rotation_init(
	struct rotation *r, sd_event *event, struct ticket_ring *ring, struct board *board)
{
	*r = (struct rotation){
		.event = event, .ring = ring, .rotated_ms = ticket_ring_rotated_ms(ring)
	};
	fleet_init(&r->fleet, event, board, ring, on_answered, r);
}

void rotation_await(struct rotation *r, const struct config *c)
{
	r->config = c;
	fleet_follow(&r->fleet, c);
	fleet_await(&r->fleet);
}

void rotation_follow(struct rotation *r, const struct config *c)
{
	r->config = c;
	fleet_follow(&r->fleet, c);
	/* Until a store has answered, keys stay what they are. */
	if (is_by_clock(r) || (ticket_ring_is_derived(r->ring) && !r->fleet.url))
		renew(r);
	arm(r);
}

void rotation_pause(struct rotation *r)
{
	fleet_pause(&r->fleet);
}

void rotation_resume(struct rotation *r)
{
	if (r->config)
		fleet_follow(&r->fleet, r->config);
}

void rotation_stop(struct rotation *r)
{
	delay_stop(&r->timer);
	fleet_done(&r->fleet);
}

bool rotation_has_child(const struct rotation *r, pid_t pid)
{
	return pid > 0 && r->fleet.asker == pid;
}

enum rotation_source rotation_source(const struct rotation *r)
{
	if (r->config && !r->config->tls.tickets_enabled)
		return ROTATION_OFF;
	if (r->config && r->config->tickets_secret)
		return ROTATION_SECRET;
	if (r->fleet.n > 0)
		return ROTATION_STORE;
	return ticket_ring_is_derived(r->ring) ? ROTATION_INHERITED : ROTATION_RANDOM;
}

/* ---- the status -------------------------------------------------------------------------- */

bool rotation_table(const struct rotation *r, struct buf *out)
{
	static const char *const words[] = {
		[ROTATION_OFF] = "none: tickets are not enabled",
		[ROTATION_RANDOM] = "of this machine alone",
		[ROTATION_SECRET] = "of tls.tickets.secret_file",
		[ROTATION_STORE] = "of the store",
		[ROTATION_INHERITED] = "of the master before",
	};
	const struct fleet *f = &r->fleet;
	char place[STORE_URL_TEXT_SIZE], when[30] = "";
	bool ok = buf_appendf(out, "ticket keys   %s\n", words[rotation_source(r)]);

	if (!f->url || !ok)
		return ok;
	if (f->asked)
		clock_format_http_date(f->asked, when);
	return buf_appendf(out, "ticket store  %s %s%s%s\n", store_url_format(f->url, place),
		       f->answers ? "answered"
		       : f->asked ? "did not answer"
				  : "was not asked yet",
		       *when ? ", " : "", when) &&
	       (!f->error[0] || buf_appendf(out, "              %s\n", f->error));
}

void rotation_json(const struct rotation *r, struct json *j)
{
	static const char *const words[] = {
		[ROTATION_OFF] = "off",
		[ROTATION_RANDOM] = "random",
		[ROTATION_SECRET] = "secret",
		[ROTATION_STORE] = "store",
		[ROTATION_INHERITED] = "inherited",
	};
	const struct fleet *f = &r->fleet;
	char place[STORE_URL_TEXT_SIZE] = "";

	json_object_open(j, "tickets");
	json_str(j, "source", str_of(words[rotation_source(r)]));
	json_str(j, "store", str_of(f->url ? store_url_format(f->url, place) : place));
	json_bool(j, "store_answers", f->answers);
	json_int(j, "store_asked_seconds", f->asked);
	json_str(j, "store_error", str_of(f->error));
	json_object_close(j);
}
