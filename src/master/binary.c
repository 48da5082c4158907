/* Who may change a program file, by owner and mode of it and of every directory above. Refuses
 * links: the path was resolved when the service started, and what it leads to now would be
 * another's choice. */
#include "master/binary.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SELF "/proc/self/exe"

char *binary_path(struct err *e)
{
	char path[PATH_MAX], *copy = NULL;
	ssize_t n = readlink(SELF, path, sizeof(path) - 1);

	if (n > 0)
		copy = strndup(path, (size_t)n);
	if (!copy)
		err_errno(e, ERR_SYSTEM, errno, "cannot tell which program this is (" SELF ")");
	return copy;
}

int binary_open_self(struct err *e)
{
	int fd = open(SELF, O_PATH | O_CLOEXEC);

	return fd >= 0 ? fd : err_errno(e, ERR_SYSTEM, errno, "cannot hold this program open");
}

struct who {
	uid_t uid;
	gid_t gid;
	bool is_us; /* then our other groups count too */
};

static bool is_member(const struct who *w, gid_t gid)
{
	return gid == w->gid || (w->is_us && group_member(gid));
}

/* May they write the file, or (a directory) replace what is in it? In a sticky one only its owner
 * and that of the file may, and both are asked. */
static bool may_change(const struct who *w, const char *path, const struct stat *st)
{
	bool sticky = S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX);

	if (st->st_uid == w->uid)
		return true;
	if (sticky)
		return false;
	if ((st->st_mode & S_IWOTH) || ((st->st_mode & S_IWGRP) && is_member(w, st->st_gid)))
		return true;
	return w->is_us && faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0;
}

/* One step of the path, all of which is `path`. */
static int judge_step(
	const struct who *w, const char *whole, const char *path, struct stat *st, struct err *e)
{
	if (lstat(path, st) < 0)
		return err_errno(
			e, ERR_UNAVAILABLE, errno, "there is no program to upgrade to: %s", path);
	if (S_ISLNK(st->st_mode))
		return err_set(e, ERR_PERMISSION,
			"%s is not run: %s is a symbolic link now, which it was not at the start",
			whole, path);
	if (w->uid != 0 && may_change(w, path, st))
		return err_set(e, ERR_PERMISSION,
			"%s is not run: the user of the service (uid %u) can change %s", whole,
			(unsigned)w->uid, path);
	return 0;
}

int binary_judge(const char *path, uid_t uid, gid_t gid, struct stat *ret, struct err *e)
{
	struct who w = { .uid = uid, .gid = gid, .is_us = geteuid() != 0 };
	char part[PATH_MAX];
	size_t n = strlen(path), i = 0;

	if (path[0] != '/' || n >= sizeof(part))
		return err_set(e, ERR_UNAVAILABLE, "%s is no path of a program", path);
	do {
		/* "/", "/usr", "/usr/sbin", ... */
		memcpy(part, path, i ? i : 1);
		part[i ? i : 1] = '\0';
		if (judge_step(&w, path, part, ret, e) < 0)
			return -1;
		if (i == n)
			break;
		i = i + 1 + strcspn(path + i + 1, "/");
	} while (i <= n);
	if (!S_ISREG(ret->st_mode) || access(path, X_OK) < 0)
		return err_set(e, ERR_UNAVAILABLE, "%s is not a program that can be run", path);
	return 0;
}

bool binary_is_same(const char *path, const struct stat *judged)
{
	struct stat st;

	return lstat(path, &st) == 0 && st.st_dev == judged->st_dev &&
	       st.st_ino == judged->st_ino && st.st_size == judged->st_size &&
	       st.st_mode == judged->st_mode && st.st_uid == judged->st_uid &&
	       st.st_gid == judged->st_gid && st.st_mtim.tv_sec == judged->st_mtim.tv_sec &&
	       st.st_mtim.tv_nsec == judged->st_mtim.tv_nsec &&
	       st.st_ctim.tv_sec == judged->st_ctim.tv_sec &&
	       st.st_ctim.tv_nsec == judged->st_ctim.tv_nsec;
}
