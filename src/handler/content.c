/* The source that responses pull a file from: a list of pieces, text of ours or bytes of the file.
 * It gives no byte of a file that has changed since the response began: filecache sees to that. */
#include "handler/content.h"

#include <assert.h>
#include <stdio.h>
#include <sys/random.h>

/* `n` bytes: of the text, or without one of the file from `at` on. */
struct piece {
	const char *text;
	uint64_t at, n;
};

struct content {
	struct source source; /* first */
	struct filecache *cache;
	struct file *file; /* held */
	unsigned pieces, now;
	uint64_t done; /* of the piece */
	struct piece piece[];
};

enum { BOUNDARY_BYTES = 12, HEAD_MAX = 256 };

/* What comes next; NULL: nothing. */
static const struct piece *next_piece(struct content *c)
{
	while (c->now < c->pieces && c->done == c->piece[c->now].n) {
		c->now++;
		c->done = 0;
	}
	return c->now < c->pieces ? &c->piece[c->now] : NULL;
}

static size_t at_most(const struct content *c, const struct piece *piece, size_t n)
{
	return n > piece->n - c->done ? (size_t)(piece->n - c->done) : n;
}

static ssize_t content_read(struct source *source, void *p, size_t n)
{
	struct content *c = (struct content *)source;
	const struct piece *piece = next_piece(c);
	ssize_t got;

	if (!piece)
		return 0;
	n = at_most(c, piece, n);
	if (piece->text) {
		memcpy(p, piece->text + c->done, n);
		got = (ssize_t)n;
	} else {
		got = filecache_read(c->file, piece->at + c->done, p, n);
	}
	if (got > 0)
		c->done += (uint64_t)got;
	return got;
}

static ssize_t content_pass(struct source *source, size_t n, source_pass_fn *fn, void *arg)
{
	struct content *c = (struct content *)source;
	const struct piece *piece = next_piece(c);

	if (!piece || piece->text || c->file->fd < 0)
		return 0;
	n = fn(arg, c->file->fd, piece->at + c->done, at_most(c, piece, n));
	if (n > 0 && !filecache_is_unchanged(c->file))
		return -1;
	c->done += n;
	return (ssize_t)n;
}

static void content_close(struct source *source)
{
	struct content *c = (struct content *)source;

	filecache_release(c->cache, c->file);
}

static struct content *content_new(struct stream *s, struct file *f, unsigned pieces)
{
	struct content *c = arena_alloc(&s->arena, sizeof(*c) + pieces * sizeof(struct piece));

	if (!c)
		return NULL;
	*c = (struct content){
		.source = { content_read, content_close, content_pass },
		.cache = s->files,
		.file = f,
		.pieces = pieces,
	};
	return c;
}

static void give(struct stream *s, struct content *c)
{
	struct response *r = &s->response;

	r->source = &c->source;
	r->has_length = true;
	r->length = 0;
	for (unsigned i = 0; i < c->pieces; i++)
		r->length += c->piece[i].n;
}

/* One stretch of the file. */
static bool give_stretch(
	struct stream *s, struct file *f, struct str media, uint64_t first, uint64_t n)
{
	struct content *c = content_new(s, f, 1);

	if (!c)
		return false;
	c->piece[0] = (struct piece){ NULL, first, n };
	give(s, c);
	if (f->content)
		s->response.memory = (struct str){ f->content + first, (size_t)n };
	stream_add_field(s, STR("Content-Type"), media);
	return true;
}

static bool give_part(struct stream *s, struct file *f, struct str media, struct range range)
{
	char *text = arena_alloc(&s->arena, 72);

	if (!text || !give_stretch(s, f, media, range.first, range.last - range.first + 1))
		return false;
	snprintf(text, 72, "bytes %llu-%llu/%llu", (unsigned long long)range.first,
		(unsigned long long)range.last, (unsigned long long)f->size);
	stream_add_field(s, STR("Content-Range"), str_of(text));
	return true;
}

/* Nobody who chooses what is in a file can know it before. */
static bool make_boundary(char dst[2 * BOUNDARY_BYTES + 1])
{
	unsigned char bytes[BOUNDARY_BYTES];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return false;
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(dst + 2 * i, 3, "%02x", bytes[i]);
	return true;
}

/* The text before a part, of the part's length in `ret`. */
static bool write_part_head(struct stream *s, struct str media, uint64_t size, const char *boundary,
	struct range range, struct piece *ret)
{
	char text[HEAD_MAX];
	int n = snprintf(text, sizeof(text),
		"\r\n--%s\r\nContent-Type: " STR_FMT
		"\r\nContent-Range: bytes %llu-%llu/%llu\r\n\r\n",
		boundary, STR_ARG(media), (unsigned long long)range.first,
		(unsigned long long)range.last, (unsigned long long)size);

	if (n < 0 || n >= HEAD_MAX)
		return false;
	*ret = (struct piece){ arena_strdup(&s->arena, (struct str){ text, (size_t)n }), 0,
		(uint64_t)n };
	return ret->text != NULL;
}

static bool give_parts(
	struct stream *s, struct file *f, struct str media, const struct range *ranges, unsigned n)
{
	static const char type[] = "multipart/byteranges; boundary=";
	char boundary[2 * BOUNDARY_BYTES + 1], text[HEAD_MAX];
	struct content *c = content_new(s, f, 2 * n + 1);
	struct piece *piece;
	char *parts, *last;

	if (!c || !make_boundary(boundary))
		return false;
	piece = c->piece;
	for (unsigned i = 0; i < n; i++) {
		if (!write_part_head(s, media, f->size, boundary, ranges[i], piece++))
			return false;
		*piece++ = (struct piece){ NULL, ranges[i].first,
			ranges[i].last - ranges[i].first + 1 };
	}
	snprintf(text, sizeof(text), "\r\n--%s--\r\n", boundary);
	last = arena_strdup(&s->arena, str_of(text));
	snprintf(text, sizeof(text), "%s%s", type, boundary);
	parts = arena_strdup(&s->arena, str_of(text));
	if (!last || !parts)
		return false;
	*piece = (struct piece){ last, 0, strlen(last) };
	c->piece[0].text += 2; /* no line ends before the first boundary */
	c->piece[0].n -= 2;
	give(s, c);
	stream_add_field(s, STR("Content-Type"), str_of(parts));
	return true;
}

bool content_give(
	struct stream *s, struct file *f, struct str media, const struct range *ranges, unsigned n)
{
	assert(f->holders > 0);
	if (n == 0)
		return give_stretch(s, f, media, 0, f->size);
	return n == 1 ? give_part(s, f, media, ranges[0]) : give_parts(s, f, media, ranges, n);
}
