/* The cache of open files: a hash table with an order of use. It knows nothing of HTTP but the
 * fields that are worth keeping formatted. Neighbours: lookup resolves paths and asks here first;
 * the loop tells when inotify has seen a change. */
#include "handler/filecache.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "handler/media.h"
#include "handler/work.h"

enum { BUCKETS = 1024 };

struct filecache {
	struct watch watch; /* first: inotify's descriptor, -1: none */
	struct loop *loop;
	struct file *bucket[BUCKETS];
	struct file *newest, *oldest;
	unsigned entries, most;
	size_t bytes;
	struct work work;
	const struct media_types *types;
};

static uint32_t hash_key(const void *root, struct str path)
{
	uint32_t h = 2166136261u ^ (uint32_t)((uintptr_t)root >> 4); /* FNV-1a */

	for (size_t i = 0; i < path.n; i++)
		h = (h ^ (unsigned char)path.p[i]) * 16777619u;
	return h;
}

static void file_free(struct file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	free(f->content);
	free(f->path);
	free(f);
}

static void unlink_use(struct filecache *c, struct file *f)
{
	*(f->newer ? &f->newer->older : &c->newest) = f->older;
	*(f->older ? &f->older->newer : &c->oldest) = f->newer;
}

static void link_newest(struct filecache *c, struct file *f)
{
	f->newer = NULL;
	f->older = c->newest;
	*(c->newest ? &c->newest->newer : &c->oldest) = f;
	c->newest = f;
}

static void use(struct filecache *c, struct file *f)
{
	if (c->newest == f)
		return;
	unlink_use(c, f);
	link_newest(c, f);
}

static bool watch_is_shared(const struct filecache *c, int watch)
{
	for (const struct file *f = c->newest; f; f = f->older)
		if (f->watch == watch)
			return true;
	return false;
}

static void unwatch(struct filecache *c, const struct file *f)
{
	if (f->watch >= 0 && !watch_is_shared(c, f->watch))
		inotify_rm_watch(c->watch.fd, f->watch);
}

/* Out of the cache; it lives on while somebody holds it. */
static void forget(struct filecache *c, struct file *f)
{
	struct file **at = &c->bucket[f->hash % BUCKETS];

	assert(f->cached);
	while (*at != f)
		at = &(*at)->chain;
	*at = f->chain;
	unlink_use(c, f);
	f->cached = false;
	c->entries--;
	if (f->content)
		c->bytes -= f->size;
	unwatch(c, f);
	if (f->holders == 0)
		file_free(f);
}

static void forget_watch(struct filecache *c, int watch)
{
	struct file *older;

	for (struct file *f = c->newest; f; f = older) {
		older = f->older;
		if (f->watch == watch)
			forget(c, f);
	}
}

static void on_change(struct watch *w, unsigned events)
{
	struct filecache *c = (struct filecache *)w;
	char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n;

	(void)events;
	while ((n = read(w->fd, buffer, sizeof buffer)) > 0) {
		for (char *p = buffer; p < buffer + n;) {
			const struct inotify_event *e = (const struct inotify_event *)p;

			if (e->mask & IN_Q_OVERFLOW)
				filecache_clear(c);
			else if (!(e->mask & IN_IGNORED))
				forget_watch(c, e->wd);
			p += sizeof *e + e->len;
		}
	}
}

struct filecache *filecache_new(struct loop *loop)
{
	struct filecache *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	c->loop = loop;
	work_init(&c->work, loop);
	c->most = FILECACHE_ENTRIES;
	c->watch.fn = on_change;
	c->watch.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (c->watch.fd >= 0 && !loop_watch(loop, &c->watch, LOOP_READ)) {
		close(c->watch.fd);
		c->watch.fd = -1;
	}
	return c;
}

void filecache_set_types(struct filecache *c, const struct media_types *types)
{
	c->types = types;
}

void filecache_clear(struct filecache *c)
{
	while (c->newest)
		forget(c, c->newest);
}

void filecache_limit(struct filecache *c, unsigned entries)
{
	assert(entries > 0);
	c->most = entries;
	while (c->entries > c->most)
		forget(c, c->oldest);
}

void filecache_free(struct filecache *c)
{
	if (!c)
		return;
	work_done(&c->work);
	filecache_clear(c);
	if (c->watch.fd >= 0) {
		loop_unwatch(c->loop, &c->watch);
		close(c->watch.fd);
	}
	free(c);
}

/* The entry of the key, however old. */
static struct file *find_any(struct filecache *c, const void *root, struct str path, uint32_t hash)
{
	struct file *f = c->bucket[hash % BUCKETS];

	while (f && !(f->hash == hash && f->root == root && f->path_len == path.n &&
			    memcmp(f->path, path.p, path.n) == 0))
		f = f->chain;
	return f;
}

struct file *filecache_find(struct filecache *c, const void *root, struct str path)
{
	struct file *f = find_any(c, root, path, hash_key(root, path));

	if (!f || clock_ms() - f->checked_ms >= FILECACHE_FRESH_MS)
		return NULL;
	use(c, f);
	return filecache_hold(f);
}

/* Watches the file itself, whatever names lead to it. */
static int watch_file(struct filecache *c, int fd)
{
	char path[32];

	if (c->watch.fd < 0)
		return -1;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return inotify_add_watch(
		c->watch.fd, path, IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF);
}

struct file_id filecache_id(const struct stat *st)
{
	return (struct file_id){ st->st_dev, st->st_ino, (uint64_t)st->st_size, st->st_mtim.tv_sec,
		st->st_mtim.tv_nsec, st->st_ctim.tv_sec, st->st_ctim.tv_nsec };
}

static bool is_same(const struct file_id *a, const struct file_id *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->mtime_s == b->mtime_s && a->mtime_ns == b->mtime_ns;
}

/* The kernel sets the time of a change before the first new byte can
 * be read, so bytes that were read before this said yes are of the old content. */
bool filecache_is_unchanged(const struct file *f)
{
	struct file_id now;
	struct stat st;

	if (fstat(f->fd, &st))
		return false;
	now = filecache_id(&st);
	return is_same(&now, &f->id);
}

ssize_t filecache_read(const struct file *f, uint64_t offset, void *p, size_t n)
{
	ssize_t got;

	if (offset >= f->size)
		return 0;
	if (n > f->size - offset)
		n = (size_t)(f->size - offset);
	if (f->content) {
		memcpy(p, f->content + offset, n);
		return (ssize_t)n;
	}
	do
		got = pread(f->fd, p, n, (off_t)offset);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -1;
	if (got > 0 && filecache_is_unchanged(f))
		return got;
	errno = ESTALE;
	return -1;
}

static bool read_content(struct file *f)
{
	char *content = malloc(f->size ? f->size : 1);
	size_t done = 0;

	if (!content)
		return false;
	while (done < f->size) {
		ssize_t n = filecache_read(f, done, content + done, f->size - done);

		if (n < 0) {
			free(content);
			return false;
		}
		done += (size_t)n;
	}
	f->content = content;
	return true;
}

static void describe(
	struct file *f, const struct stat *st, const struct media_types *types, struct str name)
{
	f->id = filecache_id(st);
	f->size = f->id.size;
	/* A file from the future was modified now (RFC 9110 section 8.8.2.1). */
	f->mtime = st->st_mtim.tv_sec < clock_wall() ? st->st_mtim.tv_sec : clock_wall();
	f->media = media_type(types, name);
	precond_format_etag(f->etag, st->st_mtim.tv_sec, st->st_mtim.tv_nsec, f->size);
	clock_format_http_date(f->mtime, f->last_modified);
}

/* What an entry is made of, small content included. A file that is being written is looked at again
 * a few times. */
static bool take_in(struct file *f, const struct media_types *types, struct str name)
{
	struct stat st;

	for (int tries = 0; tries < 4; tries++) {
		if (fstat(f->fd, &st))
			return false;
		describe(f, &st, types, name);
		if (f->size > FILECACHE_SMALL || read_content(f))
			return true;
		if (errno != ESTALE)
			return false;
	}
	return false;
}

static void remember(
	struct filecache *c, struct file *f, const void *root, struct str path, uint32_t hash)
{
	f->path = malloc(path.n + 1);
	if (!f->path)
		return;
	memcpy(f->path, path.p, path.n);
	f->path_len = path.n;
	f->root = root;
	f->hash = hash;
	f->checked_ms = clock_ms();
	f->cached = true;
	f->chain = c->bucket[hash % BUCKETS];
	c->bucket[hash % BUCKETS] = f;
	link_newest(c, f);
	c->entries++;
	if (f->content)
		c->bytes += f->size;
	while (c->entries > c->most || (c->bytes > FILECACHE_BYTES && c->oldest != f))
		forget(c, c->oldest);
}

/* The entry that is looked up anew: it stands as it is if nothing changed. */
static struct file *renew(struct filecache *c, struct file *old, int fd)
{
	struct file_id id;
	struct stat st;

	if (fstat(fd, &st))
		return NULL;
	id = filecache_id(&st);
	if (!is_same(&id, &old->id) || id.ctime_s != old->id.ctime_s ||
		id.ctime_ns != old->id.ctime_ns)
		return NULL;
	close(fd);
	old->checked_ms = clock_ms();
	old->absent = 0;
	use(c, old);
	return filecache_hold(old);
}

struct file *filecache_add(
	struct filecache *c, const void *root, struct str path, int fd, bool keep)
{
	uint32_t hash = hash_key(root, path);
	struct file *old = find_any(c, root, path, hash), *f;

	if (old && keep && (f = renew(c, old, fd)))
		return f;
	if (old)
		forget(c, old);
	f = calloc(1, sizeof *f);
	if (!f) {
		close(fd);
		errno = ENOMEM;
		return NULL;
	}
	f->fd = fd;
	/* Watched before it is looked at, so that no change between the two goes unseen. */
	f->watch = keep ? watch_file(c, fd) : -1;
	if (!take_in(f, c->types, path)) {
		int saved = errno;

		unwatch(c, f);
		file_free(f);
		errno = saved;
		return NULL;
	}
	if (f->content) {
		close(f->fd);
		f->fd = -1;
	}
	if (f->watch >= 0)
		remember(c, f, root, path, hash);
	if (!f->cached)
		unwatch(c, f);
	f->holders = 1;
	return f;
}

/* ---- what is made ----------------------------------------------------------- */

struct work *filecache_work(struct filecache *c)
{
	return &c->work;
}

uint64_t filecache_name(struct str key)
{
	uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */

	for (size_t i = 0; i < key.n; i++)
		h = (h ^ (unsigned char)key.p[i]) * UINT64_C(1099511628211);
	return h;
}

struct file *filecache_find_made(struct filecache *c, struct str key)
{
	struct file *f = find_any(c, c, key, hash_key(c, key));

	if (!f || (f->expires_ms && clock_ms() >= f->expires_ms))
		return NULL;
	use(c, f);
	return filecache_hold(f);
}

/* Then it stands: those who are still sending it would keep one copy each otherwise. */
static bool is_made_of(const struct file *f, const struct file *like, struct str content)
{
	return f->content && content.p && f->size == content.n && f->mtime == like->mtime &&
	       f->media.p == like->media.p && f->media.n == like->media.n &&
	       memcmp(f->content, content.p, content.n) == 0;
}

struct file *filecache_add_made(struct filecache *c, struct str key, const struct file *like,
	struct str content, int64_t ttl_ms)
{
	uint32_t hash = hash_key(c, key);
	struct file *old = find_any(c, c, key, hash), *f;

	if (old && is_made_of(old, like, content)) {
		old->expires_ms = ttl_ms ? clock_ms() + ttl_ms : 0;
		use(c, old);
		return filecache_hold(old);
	}
	if (old)
		forget(c, old);
	f = calloc(1, sizeof *f);
	if (f && content.p)
		f->content = malloc(content.n ? content.n : 1);
	if (!f || (content.p && !f->content)) {
		free(f);
		errno = ENOMEM;
		return NULL;
	}
	if (content.n)
		memcpy(f->content, content.p, content.n);
	f->fd = f->watch = -1;
	f->size = content.n;
	f->id = (struct file_id){ 0, filecache_name(content), content.n, like->mtime, 0, 0, 0 };
	f->mtime = like->mtime;
	f->media = like->media;
	f->expires_ms = ttl_ms ? clock_ms() + ttl_ms : 0;
	/* By its content: other versions of a library may make another one of the same file. */
	snprintf(f->etag, sizeof f->etag, "\"%016llx-%llx\"", (unsigned long long)f->id.inode,
		(unsigned long long)f->size);
	clock_format_http_date(f->mtime, f->last_modified);
	remember(c, f, c, key, hash);
	if (!f->cached) {
		file_free(f);
		errno = ENOMEM;
		return NULL;
	}
	return filecache_hold(f);
}

void filecache_release(struct filecache *c, struct file *f)
{
	(void)c;
	assert(f->holders > 0);
	if (--f->holders == 0 && !f->cached)
		file_free(f);
}
