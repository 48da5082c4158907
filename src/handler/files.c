/* Static files: decides what a file is answered with. Neighbours: lookup finds it, http/precond
 * decides conditions and ranges. */
#include "handler/files.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "handler/lookup.h"
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

static void add_cache_control(struct stream *s, const struct files_options *o)
{
	if (o->cache_control && o->cache_control[0])
		stream_add_field(s, STR("Cache-Control"), str_of(o->cache_control));
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
static bool reply_file(struct stream *s, const struct files_options *o, struct file *f)
{
	struct validators v = { str_of(f->etag), f->mtime };
	uint64_t first = 0, last = 0;
	enum range_result range;

	switch (precond_evaluate(&s->request, &v)) {
	case PRECOND_NOT_MODIFIED:
		add_cache_control(s, o);
		/* f may go before the head is written: its text must not */
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
	if (reply_content(s, f, range == RANGE_PART, first, last)) {
		add_cache_control(s, o);
		return true;
	}
	stream_discard_reply(s);
	stream_reply_error(s, 500);
	return false;
}

void files_handle(struct stream *s, const void *options)
{
	struct lookup_result found;

	if (s->request.method != HTTP_METHOD_GET && s->request.method != HTTP_METHOD_HEAD) {
		stream_add_field(s, STR("Allow"), STR("GET, HEAD"));
		stream_reply_error(s, 405);
		return;
	}
	switch (lookup_find(s, options, &found)) {
	case LOOKUP_FILE:
		if (!reply_file(s, options, found.file))
			filecache_release(s->files, found.file);
		break;
	case LOOKUP_DIRECTORY:
		redirect_to_directory(s);
		break;
	case LOOKUP_BARE:
		stream_reply_error(s, 403);
		break;
	case LOOKUP_ERROR:
		stream_reply_error(s, found.status);
		break;
	}
}
