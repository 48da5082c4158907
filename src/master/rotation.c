/* When ticket keys change. A secret's follow the wall clock, whatever happens to it; others are
 * counted from the last change, over reloads too. It refuses to leave the keys of a secret in use
 * after the configuration has dropped it. */
#include "master/rotation.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "master/delay.h"
#include "tls/ticket.h"

static void arm(struct rotation *r);

static void renew(struct rotation *r)
{
	const struct config *c = r->config;
	const struct ticket_era always = { INT64_MIN, c->tickets_secret };
	struct err e;
	int rc;

	if (c->tickets_secret)
		rc = ticket_ring_derive(r->ring, &always, 1, clock_wall_ms_now(),
			c->tls.tickets_rotate_ms, c->tls.tickets_keep, &e);
	else
		rc = ticket_ring_rotate(r->ring, c->tls.tickets_keep, &e);
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
	if (r->config->tickets_secret)
		arm_wall(r);
	else
		delay_set(r->event, &r->timer,
			r->rotated_ms + r->config->tls.tickets_rotate_ms - clock_ms(), on_time, r);
}

void rotation_init(struct rotation *r, sd_event *event, struct ticket_ring *ring)
{
	*r = (struct rotation){
		.event = event, .ring = ring, .rotated_ms = ticket_ring_rotated_ms(ring)
	};
}

void rotation_follow(struct rotation *r, const struct config *c)
{
	r->config = c;
	if (c->tickets_secret || ticket_ring_is_derived(r->ring))
		renew(r);
	arm(r);
}

void rotation_stop(struct rotation *r)
{
	delay_stop(&r->timer);
}
