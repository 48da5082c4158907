/* Turns of an event loop that never wait: a descriptor that is always ready keeps it awake. */
#ifndef LATCH_TESTS_TURNS_H
#define LATCH_TESTS_TURNS_H

#include <criterion/criterion.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "net/loop.h"

static struct watch turns_ready;

static inline void turns_nothing(struct watch *w, unsigned events)
{
	(void)w, (void)events;
}

static inline void turns_start(struct loop *l)
{
	turns_ready = (struct watch){ .fd = eventfd(1, EFD_CLOEXEC), .fn = turns_nothing };
	cr_assert(loop_watch(l, &turns_ready, LOOP_READ));
}

static inline void turns_run(struct loop *l, int n)
{
	while (n-- > 0)
		loop_turn(l);
}

static inline void turns_stop(void)
{
	close(turns_ready.fd);
}

#endif
