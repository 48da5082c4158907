/* Content codings by Accept-Encoding (RFC 9110 section 12.5.3). A sibling that is older than its
 * file is as if it were not there: it was made of another content. */
#include "handler/select.h"

#include "handler/compress.h"

static const char *const suffixes[CODING_COUNT] = {
	[CODING_GZIP] = ".gz",
	[CODING_ZSTD] = ".zst",
	[CODING_BR] = ".br",
};

static bool is_older(const struct file_id *a, const struct file_id *b)
{
	return a->mtime_s < b->mtime_s || (a->mtime_s == b->mtime_s && a->mtime_ns < b->mtime_ns);
}

/* "\"x\"" -> "\"x-gzip\"": other bytes than those of the file under its name. */
static struct str etag_of(struct stream *s, struct str etag, enum coding coding)
{
	struct str name = negotiate_coding_name(coding);
	char *copy = arena_alloc(&s->arena, etag.n + name.n + 1);

	if (!copy)
		return (struct str){ NULL, 0 };
	memcpy(copy, etag.p, etag.n - 1);
	copy[etag.n - 1] = '-';
	memcpy(copy + etag.n, name.p, name.n);
	copy[etag.n + name.n] = '"';
	return (struct str){ copy, etag.n + name.n + 1 };
}

static bool take_sibling(struct stream *s, const struct files_options *o,
	const struct lookup_result *found, enum coding coding, struct representation *ret)
{
	struct file *sibling;

	if (found->is_listing || found->file->absent & 1u << coding)
		return false;
	sibling = lookup_beside(s, o, found->path, suffixes[coding]);
	if (!sibling) {
		found->file->absent |= 1u << coding;
		return false;
	}
	ret->etag = etag_of(s, str_of(sibling->etag), coding);
	if (is_older(&sibling->id, &found->file->id) || !ret->etag.p) {
		filecache_release(s->files, sibling);
		return false;
	}
	ret->file = sibling;
	return true;
}

static enum selection select_coding(struct stream *s, const struct files_options *o,
	const struct lookup_result *found, enum coding coding, bool must,
	struct representation *ret)
{
	if (coding == CODING_IDENTITY) {
		ret->file = filecache_hold(found->file);
		ret->etag = str_of(ret->file->etag);
		return SELECT_DONE;
	}
	if (o->precompressed && take_sibling(s, o, found, coding, ret))
		return SELECT_DONE;
	if (!o->compress || !compress_has(coding) || !compress_is_worth(found->file))
		return SELECT_NONE;
	switch (compress_get(s->files, found->file, coding, must, &ret->file)) {
	case COMPRESSED:
		ret->etag = str_of(ret->file->etag);
		return SELECT_DONE;
	case COMPRESS_LATER:
		return SELECT_LATER;
	case COMPRESS_USELESS:
	default:
		return SELECT_NONE;
	}
}

enum selection select_representation(struct stream *s, const struct files_options *o,
	const struct lookup_result *found, struct representation *ret)
{
	enum coding order[CODING_COUNT] = { CODING_IDENTITY };
	enum selection selection = SELECT_NONE;
	unsigned n = 1;
	bool must = true; /* be coded */

	*ret = (struct representation){
		.media = found->file->media,
		.is_listing = found->is_listing,
	};
	ret->varies = (o->precompressed && !found->is_listing) ||
		      (o->compress && compress_is_worth(found->file));
	if (ret->varies)
		n = negotiate_codings(&s->request.fields, order);
	for (unsigned i = 0; i < n; i++)
		must = must && order[i] != CODING_IDENTITY;
	for (unsigned i = 0; i < n && selection == SELECT_NONE; i++) {
		ret->coding = order[i];
		selection = select_coding(s, o, found, order[i], must, ret);
	}
	filecache_release(s->files, found->file);
	return selection;
}
