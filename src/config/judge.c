/* Asks the kernel, which alone knows modes, ACLs, capabilities and mounts together, by being the
 * user for a moment: in a child that leaves by _exit. Refuses to change the ids of the process it
 * is called in. */
#include "config/judge.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

enum { JUDGE_PATIENCE_US = 10 * 1000000 };

static int judge_directory(const char *path, int mode)
{
	struct stat st;

	if (stat(path, &st))
		return errno;
	if (!S_ISDIR(st.st_mode))
		return ENOTDIR;
	return access(path, mode) ? errno : 0;
}

static int judge_log(const char *path)
{
	struct stat st;
	char parent[4096];
	const char *slash = strrchr(path, '/');
	size_t n = slash && slash != path ? (size_t)(slash - path) : 1;

	if (!lstat(path, &st)) {
		if (S_ISDIR(st.st_mode))
			return EISDIR;
		if (S_ISLNK(st.st_mode))
			return ELOOP;
		return access(path, W_OK) ? errno : 0;
	}
	if (errno != ENOENT)
		return errno;
	if (n >= sizeof(parent))
		return ENAMETOOLONG;
	memcpy(parent, path, n);
	parent[n] = '\0';
	return judge_directory(parent, W_OK | X_OK);
}

static void judge_all(struct judge_item *items, size_t n)
{
	for (size_t i = 0; i < n; i++)
		items[i].errnum = items[i].what == JUDGE_LOG ? judge_log(items[i].path)
							     : judge_directory(items[i].path, X_OK);
}

/* In the child. */
__attribute__((noreturn)) static void judge_and_exit(
	struct judge_item *items, size_t n, uid_t uid, gid_t gid, int out)
{
	if (setgroups(1, &gid) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
		_exit(1);
	judge_all(items, n);
	for (size_t i = 0; i < n; i++)
		if (write(out, &items[i].errnum, sizeof(items[i].errnum)) !=
			sizeof(items[i].errnum))
			_exit(1);
	_exit(0);
}

/* The next verdict from the pipe. Not for ever: the user that the child is may stop it. */
static int read_verdict(int fd, int64_t deadline_us, int *ret)
{
	char *p = (char *)ret;
	size_t got = 0;
	ssize_t n;

	while (got < sizeof(*ret)) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		int64_t left_us = deadline_us - clock_us_now();
		int r = left_us > 0 ? poll(&ready, 1, (int)(left_us / 1000) + 1) : 0;

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return -1;
		n = read(fd, p + got, sizeof(*ret) - got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		got += (size_t)n;
	}
	return 0;
}

int judge_items(struct judge_item *items, size_t n, uid_t uid, gid_t gid, struct err *e)
{
	int64_t deadline_us;
	int fds[2], r = 0;
	pid_t pid;

	if (geteuid() != 0 || uid == 0 || !n) {
		judge_all(items, n);
		return 0;
	}
	if (pipe2(fds, O_CLOEXEC))
		return err_errno(e, ERR_SYSTEM, errno, "cannot make a pipe");
	pid = fork();
	if (pid < 0) {
		err_errno(e, ERR_SYSTEM, errno, "cannot make a process");
		close(fds[0]);
		close(fds[1]);
		return -1;
	}
	if (pid == 0)
		judge_and_exit(items, n, uid, gid, fds[1]);
	close(fds[1]);
	deadline_us = clock_us_now() + JUDGE_PATIENCE_US;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = read_verdict(fds[0], deadline_us, &items[i].errnum);
	close(fds[0]);
	if (r)
		kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (r == 0)
		return 0;
	return err_set(e, ERR_SYSTEM,
		"cannot judge files as uid %u, gid %u: the process that tried gave no verdict", uid,
		gid);
}
