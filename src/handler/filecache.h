/* What a worker remembers of the files it serves, so that a hot request costs no path look-up: the
 * open file or its small content, its validators and fields. Bounded in entries and bytes.
 *
 * An entry is dropped as soon as its file changes (inotify on the file), and its path is looked up
 * anew once that was a second ago (for changes further up: directories renamed, links, mounts,
 * network file systems). Who holds an entry keeps what it was when the response began. */
#ifndef LATCH_HANDLER_FILECACHE_H
#define LATCH_HANDLER_FILECACHE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/err.h"
#include "base/str.h"
#include "http/precond.h"
#include "net/loop.h"

enum {
	FILECACHE_ENTRIES = 512,
	FILECACHE_SMALL = 32 * 1024,       /* content up to this size is kept in memory */
	FILECACHE_BYTES = 8 * 1024 * 1024, /* of such content, in all */
	FILECACHE_FRESH_MS = 1000,
};

struct filecache;
struct work;

/* What tells one content of a file from another. */
struct file_id {
	uint64_t device, inode, size;
	int64_t mtime_s, mtime_ns;
	int64_t ctime_s, ctime_ns; /* moves with links and modes too */
};

/* One file. Immutable while held, but for the list pointers. */
struct file {
	struct file *older, *newer; /* in the order of use */
	struct file *chain;         /* in its hash bucket */
	const void *root;           /* key: whose root, and the path asked for */
	char *path;
	size_t path_len;
	uint32_t hash;
	unsigned holders;
	bool cached;
	int64_t checked_ms;
	int64_t expires_ms; /* of what was made; 0: never */
	int watch;          /* inotify's, -1: none */
	unsigned absent;    /* siblings (1 << coding) that were looked for in vain */

	int fd; /* -1 when content is in memory */
	char *content;
	uint64_t size;
	struct file_id id;
	time_t mtime;     /* as told: never later than now */
	struct str media; /* static */
	char etag[ETAG_SIZE];
	char last_modified[30];
};

/* NULL: out of memory. Without inotify the cache works, but remembers nothing. */
struct filecache *filecache_new(struct loop *loop);
void filecache_free(struct filecache *c);
/* Media types that stand above our own, for as long as the cache; NULL is fine. */
struct media_types;
void filecache_set_types(struct filecache *c, const struct media_types *types);
/* From now on at most this many entries, 1 or more, instead of FILECACHE_ENTRIES: each may keep a
 * descriptor. */
void filecache_limit(struct filecache *c, unsigned entries);
/* Forgets all files: their descriptors are needed. */
void filecache_clear(struct filecache *c);

/* A fresh entry, held; NULL: none, or one that must be looked up anew. */
struct file *filecache_find(struct filecache *c, const void *root, struct str path);
/* Makes an entry of the open regular file `fd` (taken in any case), media type by the path. Held;
 * NULL with errno. With `keep` it is remembered under the key where inotify can watch it. */
struct file *filecache_add(
	struct filecache *c, const void *root, struct str path, int fd, bool keep);
void filecache_release(struct filecache *c, struct file *f);
/* Another hold of who has one. */
static inline struct file *filecache_hold(struct file *f)
{
	f->holders++;
	return f;
}
/* What is made of files rather than read is kept beside them, under keys of who makes it that say
 * all that the content depends on. Held; NULL: none, or it has expired. */
struct file *filecache_find_made(struct filecache *c, struct str key);
/* A copy of the content (p NULL: there is none, which is remembered too) with an ETag of its own;
 * media type and time are those of `like`. `ttl_ms` 0: it never expires. Held; NULL with errno. */
struct file *filecache_add_made(struct filecache *c, struct str key, const struct file *like,
	struct str content, int64_t ttl_ms);
/* A number for a key. */
uint64_t filecache_name(struct str key);
struct stat;
struct file_id filecache_id(const struct stat *st);
/* The worker's long work. */
struct work *filecache_work(struct filecache *c);
/* Content from `offset` on, at most n bytes of it; 0 at its end, -1 with errno when it is not what
 * it was any more (ESTALE): not a byte of a later content is ever given. */
ssize_t filecache_read(const struct file *f, uint64_t offset, void *p, size_t n);
/* Is the open file still what it was? Whatever was taken of it before this said yes was. */
bool filecache_is_unchanged(const struct file *f);

#endif
