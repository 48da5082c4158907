/* The only room that includes zlib, zstd and brotli. A job takes a slice of the file a step, so
 * that no file makes a turn of the loop long; settings are those that the libraries recommend for
 * text that is coded while somebody waits. Refuses what does not become smaller. */
#include "handler/compress.h"

#include <stdlib.h>
#ifdef HAVE_ZLIB
#include <zlib.h>
#endif
#ifdef HAVE_ZSTD
#include <zstd.h>
#endif
#ifdef HAVE_BROTLI
#include <brotli/encode.h>
#endif

#include "base/buf.h"
#include "handler/work.h"

enum { SLICE = 64 * 1024, ROOM = 16 * 1024 };

/* A library. `run` takes all of the input; false: out of memory, or over the bound of `out`. */
struct library {
	void *(*open)(size_t size);
	bool (*run)(void *state, const char *p, size_t n, bool last, struct buf *out);
	void (*close)(void *state);
};

struct job {
	struct work_job work; /* first */
	struct filecache *cache;
	struct file *file; /* held */
	const struct library *library;
	void *state;
	enum coding coding;
	uint64_t at;
	struct buf out;
};

/* ---- libraries -------------------------------------------------------------- */

#ifdef HAVE_ZLIB
static void *gzip_open(size_t size)
{
	z_stream *z = calloc(1, sizeof(*z));

	(void)size;
	if (z && deflateInit2(z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
		free(z);
		z = NULL;
	}
	return z;
}

static bool gzip_run(void *state, const char *p, size_t n, bool last, struct buf *out)
{
	z_stream *z = state;
	int result;

	z->next_in = (unsigned char *)(uintptr_t)p;
	z->avail_in = (unsigned)n;
	do {
		z->next_out = (unsigned char *)buf_reserve(out, ROOM);
		z->avail_out = ROOM;
		if (!z->next_out)
			return false;
		result = deflate(z, last ? Z_FINISH : Z_NO_FLUSH);
		buf_commit(out, ROOM - z->avail_out);
		if (result == Z_STREAM_ERROR)
			return false;
	} while (last ? result != Z_STREAM_END : z->avail_out == 0);
	return true;
}

static void gzip_close(void *state)
{
	deflateEnd(state);
	free(state);
}
#endif

#ifdef HAVE_ZSTD
static void *zstd_open(size_t size)
{
	ZSTD_CCtx *z = ZSTD_createCCtx();

	if (z) {
		ZSTD_CCtx_setParameter(z, ZSTD_c_compressionLevel, 6);
		ZSTD_CCtx_setPledgedSrcSize(z, size);
	}
	return z;
}

static bool zstd_run(void *state, const char *p, size_t n, bool last, struct buf *out)
{
	ZSTD_inBuffer in = { p, n, 0 };
	size_t left;

	do {
		ZSTD_outBuffer o = { buf_reserve(out, ROOM), ROOM, 0 };

		if (!o.dst)
			return false;
		left = ZSTD_compressStream2(state, &o, &in, last ? ZSTD_e_end : ZSTD_e_continue);
		if (ZSTD_isError(left))
			return false;
		buf_commit(out, o.pos);
	} while (last ? left != 0 : in.pos < in.size);
	return true;
}

static void zstd_close(void *state)
{
	ZSTD_freeCCtx(state);
}
#endif

#ifdef HAVE_BROTLI
static void *brotli_open(size_t size)
{
	BrotliEncoderState *b = BrotliEncoderCreateInstance(NULL, NULL, NULL);

	if (b) {
		BrotliEncoderSetParameter(b, BROTLI_PARAM_QUALITY, 5);
		BrotliEncoderSetParameter(b, BROTLI_PARAM_MODE, BROTLI_MODE_TEXT);
		BrotliEncoderSetParameter(b, BROTLI_PARAM_LGWIN, 20);
		BrotliEncoderSetParameter(b, BROTLI_PARAM_SIZE_HINT, (uint32_t)size);
	}
	return b;
}

static bool brotli_run(void *state, const char *p, size_t n, bool last, struct buf *out)
{
	const BrotliEncoderOperation op = last ? BROTLI_OPERATION_FINISH : BROTLI_OPERATION_PROCESS;
	const uint8_t *in = (const uint8_t *)p;

	do {
		uint8_t *to = (uint8_t *)buf_reserve(out, ROOM);
		size_t room = ROOM;

		if (!to || !BrotliEncoderCompressStream(state, op, &n, &in, &room, &to, NULL))
			return false;
		buf_commit(out, ROOM - room);
	} while (n > 0 || BrotliEncoderHasMoreOutput(state) ||
		 (last && !BrotliEncoderIsFinished(state)));
	return true;
}

static void brotli_close(void *state)
{
	BrotliEncoderDestroyInstance(state);
}
#endif

static const struct library libraries[CODING_COUNT] = {
#ifdef HAVE_ZLIB
	[CODING_GZIP] = { gzip_open, gzip_run, gzip_close },
#endif
#ifdef HAVE_ZSTD
	[CODING_ZSTD] = { zstd_open, zstd_run, zstd_close },
#endif
#ifdef HAVE_BROTLI
	[CODING_BR] = { brotli_open, brotli_run, brotli_close },
#endif
	[CODING_IDENTITY] = { NULL, NULL, NULL },
};

bool compress_has(enum coding coding)
{
	return libraries[coding].open != NULL;
}

/* ---- what is worth it ------------------------------------------------------- */

static bool is_text(struct str media)
{
	static const char *const types[] = { "application/json", "application/javascript",
		"application/ld+json", "application/toml", "application/wasm", "application/xml",
		"application/yaml", "application/rtf", "application/postscript", "font/otf",
		"font/ttf", "image/bmp", "image/x-icon", "image/vnd.microsoft.icon" };
	struct str bare = str_trim((struct str){ media.p, str_find(media, ';', 0) });

	if (str_has_prefix(bare, STR("text/")) || str_has_suffix(bare, STR("+xml")) ||
		str_has_suffix(bare, STR("+json")))
		return true;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (str_eq(bare, str_of(types[i])))
			return true;
	return false;
}

bool compress_is_worth(const struct file *f)
{
	return f->size >= COMPRESS_MIN && f->size <= COMPRESS_MAX && is_text(f->media);
}

/* ---- jobs ------------------------------------------------------------------- */

struct key {
	uint64_t coding;
	struct file_id id;
};

static struct str key_of(const struct file *f, enum coding coding, struct key *dst)
{
	memset(dst, 0, sizeof(*dst));
	dst->coding = coding;
	dst->id = f->id;
	return (struct str){ (const char *)dst, sizeof(*dst) };
}

static enum work_step job_finish(struct job *j)
{
	bool useless = buf_len(&j->out) >= j->file->size;
	struct key key;
	struct file *made;

	made = filecache_add_made(j->cache, key_of(j->file, j->coding, &key), j->file,
		useless ? (struct str){ NULL, 0 } : buf_str(&j->out), 0);
	if (!made)
		return WORK_FAILED;
	filecache_release(j->cache, made);
	return WORK_DONE;
}

static enum work_step job_step(struct work_job *work)
{
	struct job *j = (struct job *)work;
	char *slice = malloc(SLICE);
	size_t n = 0;
	bool ok = slice != NULL, last;

	while (ok && n < SLICE && j->at < j->file->size) {
		ssize_t got = filecache_read(j->file, j->at, slice + n, SLICE - n);

		ok = got > 0;
		if (ok) {
			n += (size_t)got;
			j->at += (uint64_t)got;
		}
	}
	last = j->at == j->file->size;
	ok = ok && j->library->run(j->state, slice, n, last, &j->out);
	free(slice);
	if (!ok && buf_len(&j->out) < j->file->size)
		return WORK_FAILED;
	return last || buf_len(&j->out) >= j->file->size ? job_finish(j) : WORK_MORE;
}

static void job_free(struct work_job *work)
{
	struct job *j = (struct job *)work;

	if (j->state)
		j->library->close(j->state);
	filecache_release(j->cache, j->file);
	buf_done(&j->out);
	free(j);
}

static struct work_job *job_new(
	struct filecache *c, struct file *f, enum coding coding, uint64_t name)
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->work = (struct work_job){ job_step, job_free, name };
	j->cache = c;
	j->file = filecache_hold(f);
	j->coding = coding;
	j->library = &libraries[coding];
	j->state = j->library->open((size_t)f->size);
	buf_init(&j->out, (size_t)f->size + ROOM);
	if (j->state)
		return &j->work;
	job_free(&j->work);
	return NULL;
}

enum compressed compress_get(
	struct filecache *c, struct file *f, enum coding coding, bool must, struct file **ret)
{
	struct work *w = filecache_work(c);
	struct key key;
	struct str bytes = key_of(f, coding, &key);
	uint64_t name = filecache_name(bytes);

	for (int tries = 0; tries < 2; tries++) {
		*ret = filecache_find_made(c, bytes);
		if (*ret && (*ret)->content)
			return COMPRESSED;
		if (*ret)
			filecache_release(c, *ret);
		if (*ret || work_failed(w, name))
			return COMPRESS_USELESS;
		if (work_is_idle(w)) {
			work_start(w, job_new(c, f, coding, name));
			if (work_is_idle(w))
				return COMPRESS_USELESS;
		}
		work_go(w);
	}
	/* Behind the work of somebody else it might be long: that went on by a step, in case nobody
	 * waits for it any more. */
	return must || work_is_idle(w) || w->job->name == name ? COMPRESS_LATER : COMPRESS_USELESS;
}
