/* epoll, and the only room that calls it.
 *
 * On the hot path of every request: one system call and one reading of the clock a turn, no
 * allocation. Refuses edge triggering: whoever leaves bytes behind is called again. */
#include "net/loop.h"

#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"

int loop_init(struct loop *l, struct err *e)
{
	*l = (struct loop){ .fd = epoll_create1(EPOLL_CLOEXEC) };
	if (l->fd < 0)
		return err_errno(e, ERR_SYSTEM, errno, "cannot make an epoll descriptor");
	clock_update();
	timer_wheel_init(&l->timers);
	return 0;
}

void loop_done(struct loop *l)
{
	if (!l || l->fd < 0)
		return;
	if (l->fd > 0) /* 0: zeroed and never initialised */
		close(l->fd);
	l->fd = -1;
}

static uint32_t to_epoll(unsigned events)
{
	return (events & LOOP_READ ? EPOLLIN : 0u) | (events & LOOP_WRITE ? EPOLLOUT : 0u) |
	       (events & LOOP_EXCLUSIVE ? EPOLLEXCLUSIVE : 0u);
}

static unsigned from_epoll(uint32_t events)
{
	return (events & EPOLLIN ? LOOP_READ : 0u) | (events & EPOLLOUT ? LOOP_WRITE : 0u) |
	       (events & (EPOLLERR | EPOLLHUP) ? LOOP_BROKEN : 0u);
}

static void take_out(struct loop *l, struct watch *w)
{
	epoll_ctl(l->fd, EPOLL_CTL_DEL, w->fd, NULL);
	w->added = false;
	w->events = 0;
}

bool loop_watch(struct loop *l, struct watch *w, unsigned events)
{
	struct epoll_event ev = { .events = to_epoll(events), .data.ptr = w };

	assert(!(events & LOOP_BROKEN));
	if (w->added && w->events == events)
		return true;
	/* The kernel refuses to modify an exclusive watch, or to make one exclusive. */
	if (w->added && (events | w->events) & LOOP_EXCLUSIVE)
		take_out(l, w);
	if (epoll_ctl(l->fd, w->added ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, w->fd, &ev) < 0)
		return false;
	w->added = true;
	w->events = events;
	return true;
}

void loop_unwatch(struct loop *l, struct watch *w)
{
	if (w->added)
		take_out(l, w);
	loop_forget(l, w);
}

void loop_forget(struct loop *l, struct watch *w)
{
	w->added = false;
	w->events = 0;
	for (int i = 0; i < l->batch_n; i++)
		if (l->batch[i] == w)
			l->batch[i] = NULL;
}

void loop_turn(struct loop *l)
{
	struct epoll_event events[LOOP_BATCH];
	int n = epoll_wait(l->fd, events, LOOP_BATCH, timer_wheel_wait(&l->timers));

	clock_update();
	l->turns++;
	if (n < 0) {
		assert(errno == EINTR);
		n = 0;
	}
	for (int i = 0; i < n; i++)
		l->batch[i] = events[i].data.ptr;
	l->batch_n = n;
	for (int i = 0; i < n; i++) {
		struct watch *w = l->batch[i];

		if (!w)
			continue;
		l->batch[i] = NULL;
		w->fn(w, from_epoll(events[i].events));
	}
	l->batch_n = 0;
	timer_wheel_run(&l->timers);
}
