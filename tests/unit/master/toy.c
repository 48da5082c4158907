#include "toy.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "ipc/channel.h"

struct toy *toy;
static pid_t tester;

static void count_exit(void)
{
	if (getpid() != tester)
		toy->exits++;
}

void toy_setup(void)
{
	sigset_t mask;

	toy = mmap(NULL, sizeof(*toy), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(toy, MAP_FAILED);
	tester = getpid();
	atexit(count_exit);
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	clock_update();
	log_set(LOG_TARGET_OFF, -1, LOG_LEVEL_ERROR);
}

static void obey(const struct inherit *in)
{
	struct pollfd p = { .fd = in->channel, .events = POLLIN };
	struct channel_message m;
	int fd, r;

	/* Siblings hold the master's end as well: a test that was killed closes nothing. */
	while (getppid() == in->master) {
		poll(&p, 1, 100);
		while ((r = channel_receive(in->channel, &m, &fd)) > 0) {
			switch (m.type) {
			case CHANNEL_SERVE:
				__atomic_add_fetch(&toy->serves, 1, __ATOMIC_SEQ_CST);
				break;
			case CHANNEL_DRAIN:
				toy->drains++;
				toy->last_idle_ms = m.value;
				_exit(0);
			case CHANNEL_STOP:
				toy->stops++;
				_exit(0);
			case CHANNEL_REOPEN:
				toy->last_index = m.value;
				toy->reopens += write(fd, "reopened\n", 9) == 9;
				close(fd);
				break;
			}
		}
		if (r < 0)
			_exit(0);
	}
}

/* So that a master that was killed by a failed test leaves none behind. */
static void live_a_while(const struct inherit *in)
{
	for (int i = 0; i < 100 && getppid() == in->master; i++)
		poll(NULL, 0, 100);
	_exit(0);
}

static void look_at_pokes(const struct inherit *in)
{
	for (unsigned i = 0; i < in->board->nslots; i++)
		if (board_get(in->board->slot[i].generation) == in->generation && in->pokes[i] < 0)
			toy->unseen_pokes++;
}

int toy_worker(const struct inherit *in)
{
	enum toy_manner manner = toy->manner;
	unsigned life = __atomic_add_fetch(&toy->births, 1, __ATOMIC_SEQ_CST);

	toy->seen[in->slot] = *in;
	look_at_pokes(in);
	if (toy->lives_until_it_obeys && life > toy->lives_until_it_obeys)
		manner = TOY_OBEY;
	if (toy->generation && in->generation != toy->generation)
		manner = TOY_OBEY;
	if (manner == TOY_EXIT)
		return 71;
	/* The test framework has a handler of its own. */
	signal(SIGABRT, manner == TOY_HANG ? SIG_IGN : SIG_DFL);
	if (manner != TOY_SILENT) {
		channel_send(in->channel, CHANNEL_READY, 0, -1);
		shutdown(in->channel, SHUT_WR);
	}
	switch (manner) {
	case TOY_EXIT_READY:
		return 71;
	case TOY_CRASH:
		while (board_get(in->board->generation) < in->generation)
			poll(NULL, 0, 1);
		signal(SIGSEGV, SIG_DFL);
		raise(SIGSEGV);
		break;
	case TOY_SIGPIPE:
		signal(SIGPIPE, SIG_DFL);
		raise(SIGPIPE);
		break;
	case TOY_MUTE:
		close(in->channel);
		break;
	case TOY_OBEY:
		obey(in);
		break;
	default:
		break;
	}
	live_a_while(in);
	return 0;
}

int64_t toy_now_ms(void)
{
	return clock_us_now() / 1000;
}

bool toy_turn_until(sd_event *event, bool (*done)(void), int64_t ms)
{
	int64_t end = toy_now_ms() + ms;

	while (!done()) {
		int64_t left = end - toy_now_ms();

		if (left <= 0)
			return false;
		cr_assert_geq(sd_event_run(event, (uint64_t)left * 1000), 0);
		clock_update();
	}
	return true;
}

int toy_count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	cr_assert_not_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}
