/* The output of latch: written in place, with bounded memory.
 *
 * Removes nothing: when a download fails, what arrived stays, and answer.c says so. */
#include "client/output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE_LARGE = 8 * 1024 };

void output_init(struct output *o, const char *path)
{
	*o = (struct output){ .path = path, .fd = -1 };
	buf_init(&o->pending, OUTPUT_BUFFER);
}

const char *output_name(const struct output *o)
{
	return o->path ? o->path : "standard output";
}

bool output_is_file(const struct output *o)
{
	struct stat st;

	if (!o->path)
		return fstat(STDOUT_FILENO, &st) == 0 && S_ISREG(st.st_mode);
	return stat(o->path, &st) < 0 || S_ISREG(st.st_mode);
}

static int failed(const struct output *o, struct err *e)
{
	return err_errno(e, ERR_SYSTEM, errno, "cannot write %s", output_name(o));
}

/* Behind exactly `from` bytes: somebody else may have changed the file meanwhile. */
static int go_to(struct output *o, uint64_t from, struct err *e)
{
	off_t size = lseek(o->fd, 0, SEEK_END);

	if (size < 0)
		return failed(o, e);
	if ((uint64_t)size != from)
		return err_set(e, ERR_SYSTEM, "%s was changed by somebody else", output_name(o));
	return 0;
}

int output_open(struct output *o, uint64_t from, struct err *e)
{
	int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (from > 0 ? 0 : O_TRUNC);

	if (o->fd >= 0)
		return 0;
	o->fd = o->path ? open(o->path, flags, 0666) : STDOUT_FILENO;
	if (o->fd < 0)
		return failed(o, e);
	return from > 0 ? go_to(o, from, e) : 0;
}

/* A descriptor that somebody else made non-blocking is waited for. */
static int write_all(struct output *o, struct str s, struct err *e)
{
	while (s.n > 0) {
		ssize_t n = write(o->fd, s.p, s.n);

		if (n < 0 && errno == EAGAIN)
			poll(&(struct pollfd){ .fd = o->fd, .events = POLLOUT }, 1, -1);
		else if (n < 0 && errno != EINTR)
			return failed(o, e);
		if (n <= 0)
			continue;
		o->written += (uint64_t)n;
		s = (struct str){ s.p + n, s.n - (size_t)n };
	}
	return 0;
}

int output_flush(struct output *o, struct err *e)
{
	struct str s = buf_str(&o->pending);
	int r = s.n > 0 ? write_all(o, s, e) : 0;

	buf_clear(&o->pending);
	return r;
}

int output_write(struct output *o, struct str s, struct err *e)
{
	if (s.n < PIECE_LARGE && buf_append_str(&o->pending, s))
		return 0;
	if (output_flush(o, e) < 0)
		return -1;
	return write_all(o, s, e);
}

int output_close(struct output *o, struct err *e)
{
	int r = 0;

	if (o->fd >= 0) {
		r = output_flush(o, e);
		if (close(o->fd) < 0 && errno != EINTR && r == 0)
			r = failed(o, e);
	}
	o->fd = -1;
	buf_done(&o->pending);
	return r;
}
