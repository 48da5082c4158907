/* The channel: messages, riders, and everything malformed that the other end could send. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/channel.h"

static int ends[2];

static void setup(void)
{
	struct err e;

	cr_assert_eq(channel_open(ends, &e), 0, "%s", e.text);
}

TestSuite(channel, .init = setup);

/* Sends `n` bytes and `nfds` copies of `fd` as they are. */
static void send_raw(int to, const void *p, size_t n, int fd, size_t nfds)
{
	struct iovec iov = { (void *)(uintptr_t)p, n };
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(16 * sizeof(int))];
	} control = { 0 };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (nfds) {
		struct cmsghdr *c;

		h.msg_control = control.space;
		h.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		for (size_t i = 0; i < nfds; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int), &fd, sizeof(int));
	}
	cr_assert_eq(sendmsg(to, &h, 0), (ssize_t)n);
}

static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Masters and workers of two versions understand each other: no number ever changes its meaning. */
Test(channel, numbers_stay)
{
	cr_expect_eq(CHANNEL_READY, 0);
	cr_expect_eq(CHANNEL_DRAIN, 1);
	cr_expect_eq(CHANNEL_STOP, 2);
	cr_expect_eq(CHANNEL_REOPEN, 3);
	cr_expect_eq(CHANNEL_SERVE, 4);
	cr_expect_eq(sizeof(struct channel_message), 8);
}

Test(channel, is_non_blocking_and_closed_on_exec)
{
	for (int i = 0; i < 2; i++) {
		cr_expect(fcntl(ends[i], F_GETFL) & O_NONBLOCK);
		cr_expect(fcntl(ends[i], F_GETFD) & FD_CLOEXEC);
	}
}

Test(channel, nothing_is_zero)
{
	struct channel_message m;
	int fd = 5;

	cr_expect_eq(channel_receive(ends[0], &m, &fd), 0);
	cr_expect_eq(fd, -1);
}

Test(channel, carries_messages_both_ways_in_order)
{
	struct channel_message m;
	int fd;

	cr_assert_eq(channel_send(ends[0], CHANNEL_DRAIN, 5000, -1), 0);
	cr_assert_eq(channel_send(ends[0], CHANNEL_STOP, 0, -1), 0);
	cr_assert_eq(channel_send(ends[1], CHANNEL_READY, 0, -1), 0);
	cr_assert_eq(channel_receive(ends[1], &m, &fd), 1);
	cr_expect_eq(m.type, CHANNEL_DRAIN);
	cr_expect_eq(m.value, 5000);
	cr_expect_eq(fd, -1);
	cr_assert_eq(channel_receive(ends[1], &m, &fd), 1);
	cr_expect_eq(m.type, CHANNEL_STOP);
	cr_expect_eq(channel_receive(ends[1], &m, &fd), 0);
	cr_assert_eq(channel_receive(ends[0], &m, &fd), 1);
	cr_expect_eq(m.type, CHANNEL_READY);
}

Test(channel, a_descriptor_rides_along)
{
	struct channel_message m;
	int pipe_fds[2], fd;
	struct stat sent, got;

	cr_assert_eq(pipe(pipe_fds), 0);
	cr_assert_eq(channel_send(ends[0], CHANNEL_REOPEN, 3, pipe_fds[1]), 0);
	cr_assert_eq(channel_receive(ends[1], &m, &fd), 1);
	cr_expect_eq(m.type, CHANNEL_REOPEN);
	cr_expect_eq(m.value, 3);
	cr_assert_geq(fd, 0);
	cr_assert_neq(fd, pipe_fds[1]);
	cr_assert_eq(fstat(pipe_fds[1], &sent), 0);
	cr_assert_eq(fstat(fd, &got), 0);
	cr_expect_eq(got.st_ino, sent.st_ino);
	cr_expect(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

Test(channel, end_of_file_after_what_was_said)
{
	struct channel_message m;
	int fd;

	cr_assert_eq(channel_send(ends[1], CHANNEL_READY, 0, -1), 0);
	close(ends[1]);
	cr_expect_eq(channel_receive(ends[0], &m, &fd), 1);
	cr_expect_eq(channel_receive(ends[0], &m, &fd), -1);
	cr_expect_eq(channel_receive(ends[0], &m, &fd), -1);
}

Test(channel, sending_to_the_dead_is_an_error_and_no_signal)
{
	close(ends[1]);
	cr_expect_eq(channel_send(ends[0], CHANNEL_STOP, 0, -1), -1);
	cr_expect_eq(errno, EPIPE);
}

Test(channel, a_full_channel_does_not_block)
{
	int sent = 0;

	while (sent < 1000000 && channel_send(ends[0], CHANNEL_STOP, 0, -1) == 0)
		sent++;
	cr_expect_gt(sent, 0);
	cr_expect_eq(errno, EAGAIN);
}

Test(channel, refuses_a_short_message)
{
	struct channel_message m = { CHANNEL_READY, 0 };
	int fd;

	send_raw(ends[1], &m, sizeof(m) - 1, -1, 0);
	cr_expect_eq(channel_receive(ends[0], &m, &fd), -1);
}

Test(channel, refuses_a_long_message)
{
	struct channel_message m[2] = { { CHANNEL_READY, 0 }, { CHANNEL_READY, 0 } };
	int fd;

	send_raw(ends[1], m, sizeof(m[0]) + 1, -1, 0);
	cr_expect_eq(channel_receive(ends[0], &m[0], &fd), -1);
}

Test(channel, refuses_an_unknown_type_and_closes_what_rode_along)
{
	struct channel_message m = { CHANNEL_TYPES, 0 };
	int fd, before = open_fds();

	send_raw(ends[1], &m, sizeof(m), ends[1], 1);
	cr_expect_eq(channel_receive(ends[0], &m, &fd), -1);
	cr_expect_eq(fd, -1);
	cr_expect_eq(open_fds(), before);
}

Test(channel, refuses_several_descriptors_and_closes_them)
{
	struct channel_message m = { CHANNEL_REOPEN, 0 };
	static const size_t counts[] = { 2, 4, 5, 16 };
	int before = open_fds();

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		int fd;

		send_raw(ends[1], &m, sizeof(m), ends[1], counts[i]);
		cr_expect_eq(channel_receive(ends[0], &m, &fd), -1, "%zu", counts[i]);
		cr_expect_eq(fd, -1);
		cr_expect_eq(open_fds(), before, "%zu", counts[i]);
	}
}
