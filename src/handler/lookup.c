/* From a request path to an open file. A path is opened below the root by openat2(RESOLVE_BENEATH),
 * never composed as text with the root's, so no name and no link leads out; names that begin with a
 * dot do not exist here. What was found is remembered by filecache. */
#include "handler/lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "handler/beneath.h"

/* A FIFO or a device must not hold us up. */
enum { READING = O_RDONLY | O_NONBLOCK | O_NOCTTY };

static int open_below(int root, const char *path, uint64_t flags, uint64_t resolve)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | resolve,
	};
	int fd, tries = 8;

	do /* EAGAIN: something was renamed meanwhile, the kernel cannot be sure */
		fd = (int)syscall(SYS_openat2, root, path[0] ? path : ".", &how, sizeof how);
	while (fd < 0 && (errno == EINTR || (errno == EAGAIN && --tries > 0)));
	if (fd < 0 && errno == ENOSYS)
		fd = beneath_open(root, path, (int)how.flags, !(resolve & RESOLVE_NO_SYMLINKS));
	return fd;
}

/* `links`: is a symbolic link on the way? Then its file may change without our seeing it. */
static int open_path(int root, const char *path, bool *ret_links)
{
	int fd = open_below(root, path, READING, RESOLVE_NO_SYMLINKS);

	*ret_links = fd < 0 && errno == ELOOP;
	return *ret_links ? open_below(root, path, READING, 0) : fd;
}

/* The same; descriptors that are only remembered give way to one that is asked for. */
static int open_file(
	struct stream *s, const struct files_options *o, const char *name, bool *ret_links)
{
	int fd = open_path(o->root_fd, name, ret_links);

	if (fd >= 0 || (errno != EMFILE && errno != ENFILE))
		return fd;
	filecache_clear(s->files);
	return open_path(o->root_fd, name, ret_links);
}

/* "/.well-known/" at the top is for everybody by definition (RFC 8615). */
static bool has_dotfile(struct str path)
{
	size_t from = str_has_prefix(path, STR("/.well-known/")) ? 1 : 0;

	for (size_t i = from; i + 1 < path.n; i++)
		if (path.p[i] == '/' && path.p[i + 1] == '.')
			return true;
	return false;
}

static int status_of_errno(int errnum)
{
	switch (errnum) {
	case ENOENT:
	case ENOTDIR:
	case ELOOP:
	case EXDEV: /* leads out of the root */
	case ENAMETOOLONG:
		return 404;
	case EACCES:
	case EPERM:
	case ENXIO: /* a socket, or a device that is not there */
	case ENODEV:
		return 403;
	case EMFILE:
	case ENFILE:
	case ENOMEM:
		return 503;
	default:
		return 500;
	}
}

static enum lookup fail(struct lookup_result *r, int status)
{
	r->status = status;
	return LOOKUP_ERROR;
}

/* What the descriptor is; it is taken in any case. */
static enum lookup take_open(struct stream *s, const struct files_options *o, struct str path,
	int fd, bool links, struct lookup_result *r)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st)) {
		int status = status_of_errno(errno);

		if (status >= 500)
			log_error("cannot open \"" STR_FMT "\" below %s: %s", STR_ARG(path),
				o->root, strerror(errno));
		if (fd >= 0)
			close(fd);
		return fail(r, status);
	}
	if (!S_ISREG(st.st_mode)) {
		close(fd);
		r->id = filecache_id(&st);
		return S_ISDIR(st.st_mode) ? LOOKUP_DIRECTORY : fail(r, 403);
	}
	r->file = filecache_add(s->files, o, path, fd, !links);
	return r->file ? LOOKUP_FILE : fail(r, status_of_errno(errno));
}

/* `path` is terminated. "//x" is x below the root, never an absolute path. */
static const char *below(struct str path)
{
	return path.p + strspn(path.p, "/");
}

/* A file of a path that does not end in a slash. */
static enum lookup find_file(
	struct stream *s, const struct files_options *o, struct str path, struct lookup_result *r)
{
	bool links;
	int fd;

	r->path = path;
	r->file = filecache_find(s->files, o, path);
	if (r->file)
		return LOOKUP_FILE;
	fd = open_file(s, o, below(path), &links);
	return take_open(s, o, path, fd, links, r);
}

static enum lookup find_index(
	struct stream *s, const struct files_options *o, struct str path, struct lookup_result *r)
{
	for (size_t i = 0; i < o->nindex; i++) {
		struct str index = str_of(o->index[i]);
		char *name = arena_alloc(&s->arena, path.n + index.n + 1);
		enum lookup found;

		if (!name)
			return fail(r, 500);
		memcpy(name, path.p, path.n);
		memcpy(name + path.n, index.p, index.n + 1);
		found = find_file(s, o, (struct str){ name, path.n + index.n }, r);
		if (found == LOOKUP_FILE || (found == LOOKUP_ERROR && r->status != 404))
			return found;
	}
	return LOOKUP_BARE;
}

static enum lookup find_directory(
	struct stream *s, const struct files_options *o, struct str path, struct lookup_result *r)
{
	enum lookup found;
	bool links;
	int fd;

	found = find_index(s, o, path, r);
	if (found != LOOKUP_BARE)
		return found;
	fd = open_file(s, o, below(path), &links);
	r->path = path;
	found = take_open(s, o, path, fd, true, r);
	if (found == LOOKUP_DIRECTORY)
		return LOOKUP_BARE;
	if (found == LOOKUP_FILE) { /* "file/" is not file */
		filecache_release(s->files, r->file);
		return fail(r, 404);
	}
	return found;
}

static enum lookup find_path(
	struct stream *s, const struct files_options *o, struct str path, struct lookup_result *r)
{
	if (has_dotfile(path) || memchr(path.p, 0, path.n))
		return fail(r, 404);
	return path.p[path.n - 1] == '/' ? find_directory(s, o, path, r) : find_file(s, o, path, r);
}

/* `text` with the path of the request for $path, terminated; p NULL: no room. */
static struct str expand(struct stream *s, const char *text)
{
	static const struct str variable = STR("$path");
	struct str rest = str_of(text), path = STR("");
	char *copy;

	if (str_has_prefix(rest, variable)) {
		path = s->path;
		rest = (struct str){ rest.p + variable.n, rest.n - variable.n };
	}
	copy = arena_alloc(&s->arena, path.n + rest.n + 1);
	if (!copy)
		return (struct str){ NULL, 0 };
	if (path.n > 0)
		memcpy(copy, path.p, path.n);
	memcpy(copy + path.n, rest.p, rest.n + 1);
	return (struct str){ copy, path.n + rest.n };
}

/* Is that an answer? Otherwise the next one is tried. */
static bool is_answer(enum lookup found, const struct files_options *o, struct str tried,
	struct str path, int status)
{
	switch (found) {
	case LOOKUP_FILE:
		return true;
	case LOOKUP_DIRECTORY: /* redirected to, which only the path of the request can be */
		return str_eq(tried, path);
	case LOOKUP_BARE:
		return o->listing && str_eq(tried, path);
	case LOOKUP_ERROR:
	default:
		return status != 404;
	}
}

enum lookup lookup_find(struct stream *s, const struct files_options *o, struct lookup_result *ret)
{
	struct str path;
	enum lookup found;

	ret->is_listing = false;
	if (o->ntry == 0)
		return find_path(s, o, s->path, ret);
	for (size_t i = 0; i < o->ntry; i++) {
		path = expand(s, o->try[i]);
		if (!path.p)
			return fail(ret, 500);
		found = find_path(s, o, path, ret);
		if (is_answer(found, o, path, s->path, ret->status))
			return found;
	}
	return fail(ret, 404);
}

struct file *lookup_beside(
	struct stream *s, const struct files_options *o, struct str path, const char *suffix)
{
	struct lookup_result found;
	size_t n = strlen(suffix);
	char *name = arena_alloc(&s->arena, path.n + n + 1);

	if (!name)
		return NULL;
	memcpy(name, path.p, path.n);
	memcpy(name + path.n, suffix, n + 1);
	return find_file(s, o, (struct str){ name, path.n + n }, &found) == LOOKUP_FILE ? found.file
											: NULL;
}

int lookup_open_directory(struct stream *s, const struct files_options *o, struct str path)
{
	bool links;

	return open_file(s, o, below(path), &links);
}

int lookup_stat(const struct files_options *o, struct str path, struct stat *ret)
{
	int fd = open_below(o->root_fd, below(path), O_PATH, 0), result;

	if (fd < 0)
		return -1;
	result = fstat(fd, ret);
	close(fd);
	return result;
}
