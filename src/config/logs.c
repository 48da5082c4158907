/* Opens log files, which a worker's user may own in a directory that it may write: so a link or
 * anything but a file (or a character device) at the last step of the path is refused, for root
 * also a file of several names and links on the way that another user may change; and only what was
 * made here is given away. */
#include "config/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/open.h"

static struct log_file *add(struct config *c, const char *path, struct findings *f)
{
	struct log_file *file;

	for (size_t i = 0; i < c->nlog_files; i++)
		if (!strcmp(c->log_files[i].path, path))
			return &c->log_files[i];
	file = &c->log_files[c->nlog_files];
	*file = (struct log_file){ .path = strdup(path), .fd = -1 };
	if (!file->path) {
		findings_error(f, ERR_SYSTEM, NULL, 0, "out of memory");
		return NULL;
	}
	c->nlog_files++;
	return file;
}

static void point(struct config *c, struct access_log *log, struct findings *f)
{
	struct config_place p = config_place_of(c, &log->target, NULL);

	if (log->target != LOG_TARGET_FILE || !log->path)
		return;
	log->file = add(c, log->path, f);
	if (log->file && !c->log_places[log->file - c->log_files].line)
		c->log_places[log->file - c->log_files] = p;
}

void logs_collect(struct config *c, struct findings *f)
{
	c->log_files = calloc(c->nsites + 2, sizeof(*c->log_files));
	c->log_places = calloc(c->nsites + 2, sizeof(*c->log_places));
	if (!c->log_files || !c->log_places) {
		findings_error(f, ERR_SYSTEM, NULL, 0, "out of memory");
		return;
	}
	if (c->log_target == LOG_TARGET_FILE && c->log_path && add(c, c->log_path, f))
		c->log_places[0] = config_place_of(c, &c->log_target, NULL);
	for (size_t i = 0; i < c->nsites; i++)
		point(c, &c->sites[i].access, f);
	point(c, &c->access, f); /* also for what ends before it has a site */
}

/* From a directory, which is closed, to the one of that name in it. A link is followed only where
 * nobody but root and ourselves may have put it: else root would create files wherever the worker's
 * user likes. */
static int step(int dir, const char *name)
{
	enum { FLAGS = O_PATH | O_CLOEXEC };
	struct stat link, at;
	int fd = openat(dir, name, FLAGS | O_NOFOLLOW), saved;

	if (fd >= 0 && !fstat(fd, &link) && !fstat(dir, &at) && S_ISLNK(link.st_mode)) {
		bool safe = geteuid() != 0 || (link.st_uid == 0 && at.st_uid == 0);

		close(fd);
		fd = safe ? openat(dir, name, FLAGS | O_DIRECTORY) : -1;
		errno = safe ? errno : EXDEV;
	}
	saved = errno;
	close(dir);
	errno = saved;
	return fd;
}

/* The directory of `path`, and the name that is left. */
static int open_parent(const char *path, const char **ret_name)
{
	int fd = open(path[0] == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char name[NAME_MAX + 1];
	const char *slash;

	for (; fd >= 0 && (slash = strchr(path, '/')); path = slash + 1) {
		size_t n = (size_t)(slash - path);

		if (n == 0)
			continue;
		if (n >= sizeof(name)) {
			close(fd);
			errno = ENAMETOOLONG;
			return -1;
		}
		memcpy(name, path, n);
		name[n] = '\0';
		fd = step(fd, name);
	}
	*ret_name = path;
	return fd;
}

/* A descriptor, or -1 with errno. */
static int open_in(int dir, const char *name, unsigned uid, unsigned gid)
{
	enum { FLAGS = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK };
	bool made = true;
	struct stat st;
	int fd = openat(dir, name, FLAGS | O_CREAT | O_EXCL, 0640);

	if (fd < 0 && errno == EEXIST) {
		made = false;
		fd = openat(dir, name, FLAGS);
	}
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) || (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode))) {
		close(fd);
		errno = EINVAL;
		return -1;
	}
	if (!made && geteuid() == 0 && S_ISREG(st.st_mode) && st.st_nlink > 1) {
		close(fd);
		errno = EMLINK;
		return -1;
	}
	if (made && geteuid() == 0 && fchown(fd, uid, gid)) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static int open_log(const char *path, unsigned uid, unsigned gid)
{
	const char *name;
	int dir = open_parent(path, &name), fd, saved;

	if (dir < 0)
		return -1;
	fd = open_in(dir, name, uid, gid);
	saved = errno;
	close(dir);
	errno = saved;
	return fd;
}

static const char *reason(int errnum)
{
	return errnum == ELOOP    ? "it is a symbolic link"
	       : errnum == EXDEV  ? "a directory above is a symbolic link that is not root's"
	       : errnum == EMLINK ? "the file has more names than this one"
	       : errnum == EINVAL || errnum == EISDIR ? "it is not a regular file"
						      : strerror(errnum);
}

void logs_open(struct config *c, unsigned uid, unsigned gid, struct findings *f)
{
	for (size_t i = 0; i < c->nlog_files; i++) {
		struct config_place p = c->log_places[i];

		c->log_files[i].fd = open_log(c->log_files[i].path, uid, gid);
		if (c->log_files[i].fd < 0)
			findings_error(f, ERR_CONFIG, p.file, p.line, "cannot open the log %s: %s",
				c->log_files[i].path, reason(errno));
	}
}

void config_reopen_logs(const struct config *c, int *ret_fds, struct findings *f)
{
	unsigned uid = 0, gid = 0;
	bool known = config_ids(c, &uid, &gid, NULL) == 0;

	for (size_t i = 0; i < c->nlog_files; i++) {
		/* What a program before this one has handed over names no places. */
		struct config_place p = { 0 };

		if (c->log_places)
			p = c->log_places[i];
		ret_fds[i] = known ? open_log(c->log_files[i].path, uid, gid) : -1;
		if (ret_fds[i] < 0)
			findings_warning(f, p.file, p.line,
				"cannot open the log %s anew: %s; the old file stays in use",
				c->log_files[i].path, known ? reason(errno) : "the user is gone");
	}
}
