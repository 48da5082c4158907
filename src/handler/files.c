/* Static files: decides what a file is answered with. Neighbours: lookup finds it, http/precond
 * decides conditions and ranges. */
#include "handler/files.h"

#include <stdio.h>

#include "base/buf.h"
#include "handler/content.h"
#include "handler/listing.h"
#include "handler/select.h"
#include "http/precond.h"

static bool has_double_slash(struct str path)
{
	for (size_t i = 1; i < path.n; i++)
		if (path.p[i] == '/' && path.p[i - 1] == '/')
			return true;
	return false;
}

/* "//a///b" -> "/a/b/". */
static bool append_directory(struct buf *to, struct str path)
{
	bool ok = true;
	size_t end;

	for (size_t at = 0; ok && at < path.n; at = end) {
		end = str_find(path, '/', at + 1);
		if (end > at + 1)
			ok = uri_encode_path(to, (struct str){ path.p + at, end - at });
	}
	return ok && buf_append_str(to, STR("/"));
}

/* To the one path of it, which ends in a slash, so that relative links work. One leading slash,
 * whatever came, or "//host/" would lead elsewhere. */
static void redirect_to_directory(struct stream *s)
{
	struct buf to;
	char *location;

	buf_init(&to, STREAM_ARENA_MAX / 2);
	if (!append_directory(&to, s->path) || !buf_append_str(&to, s->target.query) ||
		!(location = arena_strdup(&s->arena, buf_str(&to)))) {
		stream_reply_error(s, 500);
	} else {
		stream_add_field(s, STR("Location"), (struct str){ location, buf_len(&to) });
		stream_reply_error(s, 301);
	}
	buf_done(&to);
}

/* With every response to which a representation was selected, or would have been (RFC 9110 section
 * 12.5.5). */
static void add_vary(struct stream *s, const struct representation *r)
{
	if (r->varies)
		stream_add_field(s, STR("Vary"),
			r->is_listing ? STR("Accept, Accept-Encoding") : STR("Accept-Encoding"));
	else if (r->is_listing)
		stream_add_field(s, STR("Vary"), STR("Accept"));
}

/* With the representation itself, and a 304 that stands for it (RFC 9110 section 15.4.5). */
static void add_selection(
	struct stream *s, const struct files_options *o, const struct representation *r)
{
	if (r->is_listing)
		stream_add_field(s, STR("Cache-Control"), STR("no-cache"));
	else if (o->cache_control && o->cache_control[0])
		stream_add_field(s, STR("Cache-Control"), str_of(o->cache_control));
	add_vary(s, r);
}

static void reply_unsatisfiable(struct stream *s, const struct representation *r)
{
	uint64_t size = r->file->size;

	char *text = arena_alloc(&s->arena, 40);

	if (text) {
		snprintf(text, 40, "bytes */%llu", (unsigned long long)size);
		stream_add_field(s, STR("Content-Range"), str_of(text));
	}
	add_vary(s, r);
	stream_reply_error(s, 416);
}

/* 200 or 206. False: out of memory. */
static bool reply_content(struct stream *s, const struct files_options *o,
	const struct representation *r, const struct range *ranges, unsigned n)
{
	if (!content_give(s, r->file, r->media, ranges, n))
		return false;
	stream_add_field(s, STR("Last-Modified"), (struct str){ r->file->last_modified, 29 });
	stream_add_field(s, STR("ETag"), r->etag);
	stream_add_field(s, STR("Accept-Ranges"), STR("bytes"));
	if (r->coding != CODING_IDENTITY)
		stream_add_field(s, STR("Content-Encoding"), negotiate_coding_name(r->coding));
	add_selection(s, o, r);
	stream_reply(s, n > 0 ? 206 : 200);
	return true;
}

static void reply_not_modified(
	struct stream *s, const struct files_options *o, const struct representation *r)
{
	/* The file may go before the head is written: its text must not. */
	struct str etag = { arena_strdup(&s->arena, r->etag), r->etag.n };

	if (etag.p)
		stream_add_field(s, STR("ETag"), etag);
	add_selection(s, o, r);
	stream_reply(s, 304);
}

/* Decides what the representation is answered with; true: the response has taken the hold. */
static bool reply_selected(
	struct stream *s, const struct files_options *o, const struct representation *r)
{
	struct validators v = { r->etag, r->file->mtime };
	struct range ranges[RANGES_MAX];
	unsigned n;

	switch (precond_evaluate(&s->request, &v)) {
	case PRECOND_NOT_MODIFIED:
		reply_not_modified(s, o, r);
		return false;
	case PRECOND_FAILED:
		add_vary(s, r);
		stream_reply_error(s, 412);
		return false;
	case PRECOND_PASS:
		break;
	}
	if (precond_ranges(&s->request, &v, r->file->size, ranges, &n) == RANGE_UNSATISFIABLE) {
		reply_unsatisfiable(s, r);
		return false;
	}
	if (reply_content(s, o, r, ranges, n))
		return true;
	stream_discard_reply(s);
	stream_reply_error(s, 500);
	return false;
}

static void reply_file(
	struct stream *s, const struct files_options *o, const struct lookup_result *found)
{
	struct representation r;

	switch (select_representation(s, o, found, &r)) {
	case SELECT_DONE:
		if (!reply_selected(s, o, &r))
			filecache_release(s->files, r.file);
		break;
	case SELECT_NONE:
		add_vary(s, &r);
		stream_reply_error(s, 406);
		break;
	case SELECT_LATER: /* we are called again */
		break;
	}
}

static void reply_directory(
	struct stream *s, const struct files_options *o, struct lookup_result *found)
{
	if (!o->listing) {
		stream_reply_error(s, 403);
		return;
	}
	if (has_double_slash(s->path)) { /* the way up from there would be longer */
		redirect_to_directory(s);
		return;
	}
	switch (listing_get(s, o, found)) {
	case LISTED:
		reply_file(s, o, found);
		break;
	case LIST_FAILED:
		stream_reply_error(s, found->status);
		break;
	case LIST_LATER: /* we are called again */
		break;
	}
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
		reply_file(s, options, &found);
		break;
	case LOOKUP_DIRECTORY:
		redirect_to_directory(s);
		break;
	case LOOKUP_BARE:
		reply_directory(s, options, &found);
		break;
	case LOOKUP_ERROR:
		stream_reply_error(s, found.status);
		break;
	}
}
