/* Files of TLS, whole and bounded. It refuses what is not a regular file, for reading that may wait
 * for ever, and leaves no second copy of a secret in memory. */
#include "tls/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>

enum {
	READ_STEP = 4096,
	FRESH_S = 2, /* times of files are coarse: within this a second change may bear the same */
};

static int say(struct err *e, const char *path, const char *sentence)
{
	return err_at(e, ERR_CONFIG, path, 0, "%s", sentence);
}

static int cannot_read(struct err *e, const char *path, int errnum)
{
	return err_at(e, ERR_CONFIG, path, 0, "cannot be read: %s%s", strerror(errnum),
		errnum == EACCES ? "; give the user that starts latchd the right to" : "");
}

static int64_t nanoseconds(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static struct digest_stamp stamp_of(const struct stat *st)
{
	time_t now = time(NULL);
	bool fresh = st->st_mtim.tv_sec + FRESH_S >= now || st->st_ctim.tv_sec + FRESH_S >= now;

	if (fresh || !S_ISREG(st->st_mode))
		return (struct digest_stamp){ 0 };
	return (struct digest_stamp){
		.device = st->st_dev,
		.inode = st->st_ino,
		.size = st->st_size,
		.modified_ns = nanoseconds(st->st_mtim),
		.changed_ns = nanoseconds(st->st_ctim),
	};
}

struct digest_stamp file_stamp(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return (struct digest_stamp){ 0 };
	return stamp_of(&st);
}

bool file_has_stamp(const char *path, const struct digest_stamp *stamp)
{
	struct digest_stamp now = file_stamp(path);

	return now.modified_ns && now.device == stamp->device && now.inode == stamp->inode &&
	       now.size == stamp->size && now.modified_ns == stamp->modified_ns &&
	       now.changed_ns == stamp->changed_ns;
}

static int read_all(int fd, const char *path, struct buf *b, struct err *e)
{
	ssize_t n = 1;

	while (n != 0) {
		char *p = buf_reserve(b, READ_STEP);

		if (!p)
			return say(e, path, "is larger than 1 MiB");
		n = read(fd, p, READ_STEP);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cannot_read(e, path, errno);
		buf_commit(b, (size_t)n);
	}
	return 0;
}

/* A descriptor, or -1 with `e`. */
static int open_regular(const char *path, struct stat *st, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), problem = 0;

	if (fd < 0 || fstat(fd, st) < 0)
		problem = errno;
	else if (S_ISDIR(st->st_mode))
		problem = EISDIR;
	if (!problem && S_ISREG(st->st_mode))
		return fd;
	if (fd >= 0)
		close(fd);
	if (problem)
		cannot_read(e, path, problem);
	else
		say(e, path, "is not a regular file");
	return -1;
}

int file_read(const char *path, struct digest_list *digests, struct buf *b, struct err *e)
{
	struct stat st;
	struct str content;
	size_t size;
	int fd, rc;

	buf_init(b, FILE_SIZE_MAX);
	fd = open_regular(path, &st, e);
	if (fd < 0)
		return -1;
	/* One piece, which does not move: no second copy of a secret. */
	size = st.st_size < FILE_SIZE_MAX - 2 * READ_STEP ? (size_t)st.st_size
							  : FILE_SIZE_MAX - 2 * READ_STEP;
	rc = buf_reserve(b, size + 2 * READ_STEP) ? read_all(fd, path, b, e)
						  : say(e, path, "out of memory");
	close(fd);
	content = buf_str(b);
	if (rc == 0 && digests && digest_list_add(digests, path, content.p, content.n) < 0)
		return say(e, path, "out of memory");
	if (rc == 0 && digests) {
		digests->v[digests->n - 1].is_tls = true;
		digests->v[digests->n - 1].stamp = stamp_of(&st);
	}
	return rc;
}

void file_forget(struct buf *b)
{
	if (b->data)
		OPENSSL_cleanse(b->data, b->end);
	buf_done(b);
}
