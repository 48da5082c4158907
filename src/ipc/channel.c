/* Messages between the master and one worker. Takes nothing on trust: a datagram of the wrong size
 * or type, or with more descriptors than one, ends the conversation, and what rode along is closed.
 * Refuses to block, and to raise SIGPIPE. */
#include "ipc/channel.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int channel_open(int ret_fds[2], struct err *e)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret_fds) < 0)
		return err_errno(e, ERR_SYSTEM, errno, "cannot make a channel to a worker");
	return 0;
}

int channel_send(int channel, enum channel_type type, uint32_t value, int fd)
{
	struct channel_message m = { type, value };
	struct iovec iov = { &m, sizeof(m) };
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	assert(type < CHANNEL_TYPES);
	if (fd >= 0) {
		struct cmsghdr *c;

		h.msg_control = control.space;
		h.msg_controllen = sizeof(control.space);
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	do
		n = sendmsg(channel, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -1 : 0;
}

/* Takes the descriptors out; the first is returned (or -1), *ret_n says how many there were. Those
 * behind the first are closed here. */
static int take_fds(struct msghdr *h, size_t *ret_n)
{
	int first = -1;

	*ret_n = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if ((*ret_n)++ == 0)
				first = fd;
			else
				close(fd);
		}
	}
	return first;
}

int channel_receive(int channel, struct channel_message *ret, int *ret_fd)
{
	struct channel_message m;
	struct iovec iov = { &m, sizeof(m) };
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(4 * sizeof(int))];
	} control = { 0 };
	struct msghdr h = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space) };
	size_t nfds;
	ssize_t n;
	int fd;

	*ret_fd = -1;
	do
		n = recvmsg(channel, &h, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
	fd = take_fds(&h, &nfds);
	if (n != (ssize_t)sizeof(m) || (h.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || nfds > 1 ||
		m.type >= CHANNEL_TYPES) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	*ret = m;
	*ret_fd = fd;
	return 1;
}
