/* A hashed wheel of deadlines: slot = deadline's tick modulo the number of slots.
 *
 * A timer lies in the slot of the deadline it had when it was linked. It may have moved later
 * since, or be a revolution and more away: when its slot comes up and it is not due, it is linked
 * anew. A bit says that a slot may be in use; it is cleared when the slot comes up empty, never
 * before. */
#include "net/timer.h"

#include <limits.h>

#include "base/clock.h"

void timer_wheel_init(struct timer_wheel *w)
{
	*w = (struct timer_wheel){ .tick = clock_ms() / TIMER_TICK_MS };
}

static void link_in(struct timer **head, struct timer *t)
{
	t->next = *head;
	t->link = head;
	if (t->next)
		t->next->link = &t->next;
	*head = t;
}

static void place(struct timer_wheel *w, struct timer *t)
{
	/* The first tick at which the deadline has passed; one that is to come in any case. */
	int64_t tick = t->deadline_ms / TIMER_TICK_MS + (t->deadline_ms % TIMER_TICK_MS > 0);
	unsigned slot;

	if (tick <= w->tick)
		tick = w->tick + 1;
	slot = (unsigned)((uint64_t)tick % TIMER_SLOTS);
	link_in(&w->slot[slot], t);
	w->used[slot / 64] |= UINT64_C(1) << slot % 64;
}

void timer_stop(struct timer *t)
{
	if (!t->link)
		return;
	*t->link = t->next;
	if (t->next)
		t->next->link = t->link;
	t->next = NULL;
	t->link = NULL;
}

void timer_set(struct timer_wheel *w, struct timer *t, int64_t deadline_ms)
{
	bool later = t->link && deadline_ms >= t->deadline_ms;

	if (!later)
		timer_stop(t);
	t->deadline_ms = deadline_ms;
	if (!later)
		place(w, t);
}

static void run_slot(struct timer_wheel *w, unsigned slot, int64_t now)
{
	struct timer *list = NULL;

	if (!(w->used[slot / 64] >> slot % 64 & 1))
		return;
	w->used[slot / 64] &= ~(UINT64_C(1) << slot % 64);
	/* Taken off first: callbacks may link into this slot again. They may as well stop timers of
	 * this list, so that only its head is known to be there. */
	list = w->slot[slot];
	w->slot[slot] = NULL;
	if (list)
		list->link = &list;
	while (list) {
		struct timer *t = list;

		timer_stop(t);
		if (t->deadline_ms <= now)
			t->fn(t);
		else
			place(w, t);
	}
}

void timer_wheel_run(struct timer_wheel *w)
{
	int64_t now = clock_ms();
	int64_t last = now / TIMER_TICK_MS;

	/* After a long absence every slot comes up once. */
	if (last - w->tick > TIMER_SLOTS)
		w->tick = last - TIMER_SLOTS;
	while (w->tick < last) {
		w->tick++;
		run_slot(w, (unsigned)((uint64_t)w->tick % TIMER_SLOTS), now);
	}
}

/* How many ticks from now the next slot in use comes up, 1 to TIMER_SLOTS; 0: none is in use. */
static int next_used(const struct timer_wheel *w)
{
	unsigned slot = (unsigned)((uint64_t)(w->tick + 1) % TIMER_SLOTS);
	int ahead = 1;

	while (ahead <= TIMER_SLOTS) {
		uint64_t bits = w->used[slot / 64] >> slot % 64;
		int step = bits ? __builtin_ctzll(bits) : 64 - (int)(slot % 64);

		ahead += step;
		slot = (slot + (unsigned)step) % TIMER_SLOTS;
		if (!bits)
			continue;
		if (ahead <= TIMER_SLOTS && w->slot[slot])
			return ahead;
		ahead++; /* a bit whose timers were stopped */
		slot = (slot + 1) % TIMER_SLOTS;
	}
	return 0;
}

int timer_wheel_wait(const struct timer_wheel *w)
{
	int ahead = next_used(w);
	int64_t wait;

	if (!ahead)
		return -1;
	wait = (w->tick + ahead) * TIMER_TICK_MS - clock_ms();
	return wait < 0 ? 0 : wait > INT_MAX ? INT_MAX : (int)wait;
}
