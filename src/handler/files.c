/* Static files. A path is opened below the root by openat2(RESOLVE_BENEATH), never composed as
 * text, so no name and no link leads out; names that begin with a dot do not exist here. What was
 * found is remembered by filecache. Neighbours: http/precond decides conditions and ranges. */
#include "handler/files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "handler/beneath.h"
#include "handler/filecache.h"
#include "http/precond.h"

/* Content of a held file, or the hold alone for content in memory. */
struct file_source {
	struct source source; /* first */
	struct filecache *cache;
	struct file *file;
	uint64_t offset;
};

static ssize_t source_read(struct source *source, void *p, size_t n)
{
	struct file_source *s = (struct file_source *)source;
	ssize_t got;

	do
		got = pread(s->file->fd, p, n, (off_t)s->offset);
	while (got < 0 && errno == EINTR);
	if (got > 0)
		s->offset += (uint64_t)got;
	return got;
}

static void source_close(struct source *source)
{
	struct file_source *s = (struct file_source *)source;

	filecache_release(s->cache, s->file);
}

/* ---- finding ---------------------------------------------------------------- */

static int open_below(int root, const char *path, uint64_t resolve)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
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
	int fd = open_below(root, path, RESOLVE_NO_SYMLINKS);

	*ret_links = fd < 0 && errno == ELOOP;
	return *ret_links ? open_below(root, path, 0) : fd;
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

/* What a path leads to, when it is not a file to serve. */
enum found { FOUND_FILE, FOUND_DIRECTORY, FOUND_ERROR };

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

static enum found take_open(struct stream *s, const struct files_options *o, int fd,
	const char *name, bool links, struct file **ret, int *ret_status)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st)) {
		*ret_status = status_of_errno(errno);
		if (*ret_status >= 500)
			log_error(
				"cannot open \"%s\" below %s: %s", name, o->root, strerror(errno));
		if (fd >= 0)
			close(fd);
		return FOUND_ERROR;
	}
	if (S_ISDIR(st.st_mode)) {
		close(fd);
		return FOUND_DIRECTORY;
	}
	if (!S_ISREG(st.st_mode)) {
		close(fd);
		*ret_status = 403;
		return FOUND_ERROR;
	}
	*ret = filecache_add(s->files, o, s->path, fd, name, !links);
	if (*ret)
		return FOUND_FILE;
	*ret_status = status_of_errno(errno);
	return FOUND_ERROR;
}

static enum found find_index(
	struct stream *s, const struct files_options *o, struct file **ret, int *ret_status)
{
	*ret_status = 403; /* a directory without an index: there is no listing */
	for (size_t i = 0; i < o->nindex; i++) {
		struct str index = str_of(o->index[i]);
		char *name = arena_alloc(&s->arena, s->path.n + index.n + 1);
		enum found found;
		bool links;
		int fd;

		if (!name) {
			*ret_status = 500;
			return FOUND_ERROR;
		}
		memcpy(name, s->path.p, s->path.n);
		memcpy(name + s->path.n, index.p, index.n + 1);
		fd = open_file(s, o, name + 1, &links);
		if (fd < 0 && errno == ENOENT)
			continue;
		found = take_open(s, o, fd, name + 1, links, ret, ret_status);
		if (found != FOUND_DIRECTORY)
			return found;
	}
	return FOUND_ERROR;
}

static enum found find(
	struct stream *s, const struct files_options *o, struct file **ret, int *ret_status)
{
	const char *name = s->path.p + 1;
	enum found found;
	bool links;
	int fd;

	*ret = filecache_find(s->files, o, s->path);
	if (*ret)
		return FOUND_FILE;
	*ret_status = 404;
	if (has_dotfile(s->path) || memchr(s->path.p, 0, s->path.n))
		return FOUND_ERROR;
	while (*name == '/') /* "//x" is x below the root, never an absolute path */
		name++;
	fd = open_file(s, o, name, &links);
	if (s->path.p[s->path.n - 1] != '/')
		return take_open(s, o, fd, name, links, ret, ret_status);
	found = take_open(s, o, fd, name, true, ret, ret_status);
	if (found == FOUND_DIRECTORY)
		return find_index(s, o, ret, ret_status);
	if (found == FOUND_FILE) { /* "file/" is not file */
		filecache_release(s->files, *ret);
		*ret_status = 404;
	}
	return FOUND_ERROR;
}

/* ---- answering -------------------------------------------------------------- */

/* To the same path with a slash, so that relative links work. One leading slash, whatever came, or
 * "//host/" would lead elsewhere. */
static void redirect_to_directory(struct stream *s)
{
	struct buf to;
	char *location;
	struct str path = s->path;

	while (path.n > 1 && path.p[1] == '/') {
		path.p++;
		path.n--;
	}
	buf_init(&to, STREAM_ARENA_MAX / 2);
	if (!uri_encode_path(&to, path) || !buf_append_str(&to, STR("/")) ||
		!buf_append_str(&to, s->target.query) ||
		!(location = arena_strdup(&s->arena, buf_str(&to)))) {
		stream_reply_error(s, 500);
	} else {
		stream_add_field(s, STR("Location"), (struct str){ location, buf_len(&to) });
		stream_reply_error(s, 301);
	}
	buf_done(&to);
}

static void add_validators(struct stream *s, const struct file *f)
{
	stream_add_field(s, STR("Last-Modified"), (struct str){ f->last_modified, 29 });
	stream_add_field(s, STR("ETag"), str_of(f->etag));
}

static void reply_unsatisfiable(struct stream *s, uint64_t size)
{
	char *text = arena_alloc(&s->arena, 40);

	if (text) {
		snprintf(text, 40, "bytes */%llu", (unsigned long long)size);
		stream_add_field(s, STR("Content-Range"), str_of(text));
	}
	stream_reply_error(s, 416);
}

/* The file's bytes from `first` on, `length` of them; the hold goes with the source. */
static bool give_content(struct stream *s, struct file *f, uint64_t first, uint64_t length)
{
	struct file_source *source = arena_alloc(&s->arena, sizeof *source);

	if (!source)
		return false;
	*source = (struct file_source){ { source_read, source_close }, s->files, f, first };
	if (f->content)
		s->response.memory = (struct str){ f->content + first, length };
	s->response.source = &source->source;
	s->response.has_length = true;
	s->response.length = length;
	return true;
}

/* 200 or 206. False: out of memory. */
static bool reply_content(
	struct stream *s, struct file *f, bool part, uint64_t first, uint64_t last)
{
	uint64_t length = part ? last - first + 1 : f->size;

	if (part) {
		char *text = arena_alloc(&s->arena, 72);

		if (!text)
			return false;
		snprintf(text, 72, "bytes %llu-%llu/%llu", (unsigned long long)first,
			(unsigned long long)last, (unsigned long long)f->size);
		stream_add_field(s, STR("Content-Range"), str_of(text));
	}
	stream_add_field(s, STR("Content-Type"), f->media);
	add_validators(s, f);
	stream_add_field(s, STR("Accept-Ranges"), STR("bytes"));
	if (!give_content(s, f, part ? first : 0, length))
		return false;
	stream_reply(s, part ? 206 : 200);
	return true;
}

/* Decides what the held file is answered with; true: the response has taken the hold. */
static bool reply_file(struct stream *s, struct file *f)
{
	struct validators v = { str_of(f->etag), f->mtime };
	uint64_t first = 0, last = 0;
	enum range_result range;

	switch (precond_evaluate(&s->request, &v)) {
	case PRECOND_NOT_MODIFIED: /* f may go before the head is written: its text must not */
		v.etag.p = arena_strdup(&s->arena, v.etag);
		if (v.etag.p)
			stream_add_field(s, STR("ETag"), v.etag);
		stream_reply(s, 304);
		return false;
	case PRECOND_FAILED:
		stream_reply_error(s, 412);
		return false;
	case PRECOND_PASS:
		break;
	}
	range = precond_range(&s->request, &v, f->size, &first, &last);
	if (range == RANGE_UNSATISFIABLE) {
		reply_unsatisfiable(s, f->size);
		return false;
	}
	if (reply_content(s, f, range == RANGE_PART, first, last))
		return true;
	stream_discard_reply(s);
	stream_reply_error(s, 500);
	return false;
}

void files_handle(struct stream *s, const void *options)
{
	struct file *f;
	int status;

	if (s->request.method != HTTP_METHOD_GET && s->request.method != HTTP_METHOD_HEAD) {
		stream_add_field(s, STR("Allow"), STR("GET, HEAD"));
		stream_reply_error(s, 405);
		return;
	}
	switch (find(s, options, &f, &status)) {
	case FOUND_FILE:
		if (!reply_file(s, f))
			filecache_release(s->files, f);
		break;
	case FOUND_DIRECTORY:
		redirect_to_directory(s);
		break;
	case FOUND_ERROR:
		stream_reply_error(s, status);
		break;
	}
}
