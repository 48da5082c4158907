/* A bucket is packed with records, the oldest first:
 *
 *	checksum (16), end in seconds since 1970 (8), length of the id (1), of the session (2), both
 *
 * and is read and written as a whole. It refuses to wait: who finds a bucket locked for longer than
 *a copy takes goes without, which costs a client a full handshake. */
#include "tls/session_cache.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>

#include "base/clock.h"
#include "tls/bio.h"
#include "tls/resumable.h"

enum {
	BUCKET_SIZE = 4096,
	WORDS = (BUCKET_SIZE - 16) / 8,
	ROOM = WORDS * 8,
	CHECKSUM_SIZE = 16,
	HEAD_SIZE = CHECKSUM_SIZE + 8 + 1 + 2,
	TRIES = 10000,
	LOCK_MS = 1000, /* nobody alive holds one that long */
};

struct bucket {
	_Atomic uint32_t sequence; /* odd: locked */
	_Atomic uint32_t used;     /* bytes */
	_Atomic int64_t locked_ms;
	_Atomic uint64_t words[WORDS];
};

static_assert(sizeof(struct bucket) == BUCKET_SIZE, "a bucket is a page");

struct session_cache {
	unsigned holders;
	size_t nbuckets;
	int64_t size;
	struct bucket *buckets;
};

/* A private copy of a bucket. */
struct copy {
	uint32_t used;
	union {
		uint64_t words[WORDS];
		unsigned char bytes[ROOM];
	};
};

struct record {
	const unsigned char *at, *id, *der;
	size_t id_n, der_n, n; /* n: of all */
	uint64_t ends;
};

struct session_cache *session_cache_new(int64_t size, struct err *e)
{
	struct session_cache *c = calloc(1, sizeof(*c));
	void *p;

	if (!c) {
		err_set(e, ERR_SYSTEM, "out of memory");
		return NULL;
	}
	c->holders = 1;
	c->size = size;
	c->nbuckets = (size_t)size / BUCKET_SIZE;
	p = mmap(NULL, c->nbuckets * BUCKET_SIZE, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (c->nbuckets == 0 || p == MAP_FAILED) {
		err_errno(e, ERR_SYSTEM, errno, "no memory for tls.session_cache");
		free(c);
		return NULL;
	}
	madvise(p, c->nbuckets * BUCKET_SIZE, MADV_DONTDUMP);
	c->buckets = p;
	return c;
}

struct session_cache *session_cache_hold(struct session_cache *c)
{
	c->holders++;
	return c;
}

void session_cache_free(struct session_cache *c)
{
	if (!c || --c->holders > 0)
		return;
	munmap(c->buckets, c->nbuckets * BUCKET_SIZE);
	free(c);
}

int64_t session_cache_size(const struct session_cache *c)
{
	return c->size;
}

/* ---- buckets ------------------------------------------------------------------------------ */

/* Ids are ours, and random. */
static struct bucket *bucket_of(struct session_cache *c, const unsigned char *id, size_t n)
{
	uint64_t hash = 0;

	memcpy(&hash, id, n < sizeof(hash) ? n : sizeof(hash));
	return &c->buckets[hash % c->nbuckets];
}

static void read_words(struct bucket *b, struct copy *ret)
{
	ret->used = atomic_load_explicit(&b->used, memory_order_relaxed);
	if (ret->used > ROOM)
		ret->used = 0;
	for (size_t i = 0; i < (ret->used + 7) / 8; i++)
		ret->words[i] = atomic_load_explicit(&b->words[i], memory_order_relaxed);
}

/* False: it was being written all the time. */
static bool read_bucket(struct bucket *b, struct copy *ret)
{
	for (int i = 0; i < TRIES; i++) {
		uint32_t before = atomic_load_explicit(&b->sequence, memory_order_acquire);
		if (before & 1)
			continue;
		read_words(b, ret);
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&b->sequence, memory_order_relaxed) == before)
			return true;
	}
	return false;
}

/* Takes the lock, and what was there; *ret_ticket is for unlock(). */
static bool lock(struct bucket *b, struct copy *ret, uint32_t *ret_ticket)
{
	for (int i = 0; i < TRIES; i++) {
		uint32_t seen = atomic_load_explicit(&b->sequence, memory_order_relaxed);
		bool stale = (seen & 1) && clock_ms() - atomic_load_explicit(&b->locked_ms,
								memory_order_relaxed) >
						   LOCK_MS;
		uint32_t mine = stale ? seen + 2 : seen + 1;
		if (((seen & 1) && !stale) ||
			!atomic_compare_exchange_strong_explicit(&b->sequence, &seen, mine,
				memory_order_acquire, memory_order_relaxed))
			continue;
		atomic_store_explicit(&b->locked_ms, clock_ms(), memory_order_relaxed);
		atomic_thread_fence(memory_order_release);
		*ret_ticket = mine;
		read_words(b, ret);
		if (stale)
			ret->used = 0; /* half of somebody's write */
		return true;
	}
	return false;
}

static void unlock(struct bucket *b, const struct copy *c, uint32_t ticket)
{
	for (size_t i = 0; i < (c->used + 7) / 8; i++)
		atomic_store_explicit(&b->words[i], c->words[i], memory_order_relaxed);
	atomic_store_explicit(&b->used, c->used, memory_order_relaxed);
	/* Not ours any more if we were thought dead. */
	atomic_compare_exchange_strong_explicit(
		&b->sequence, &ticket, ticket + 1, memory_order_release, memory_order_relaxed);
}

/* ---- records ------------------------------------------------------------------------------ */

static bool checksum(const unsigned char *p, size_t n, unsigned char ret[CHECKSUM_SIZE])
{
	unsigned char hash[EVP_MAX_MD_SIZE];

	if (EVP_Digest(p + CHECKSUM_SIZE, n - CHECKSUM_SIZE, hash, NULL, EVP_sha256(), NULL) != 1)
		return false;
	memcpy(ret, hash, CHECKSUM_SIZE);
	return true;
}

/* The record at `at`; false: there is no more. */
static bool next_record(const struct copy *c, size_t at, struct record *ret)
{
	const unsigned char *p = c->bytes + at;
	struct record r = { .at = p, .id = p + HEAD_SIZE };

	if (c->used - at < HEAD_SIZE)
		return false;
	memcpy(&r.ends, p + CHECKSUM_SIZE, sizeof(r.ends));
	r.id_n = p[CHECKSUM_SIZE + 8];
	r.der_n = (size_t)p[CHECKSUM_SIZE + 9] << 8 | p[CHECKSUM_SIZE + 10];
	r.der = r.id + r.id_n;
	r.n = HEAD_SIZE + r.id_n + r.der_n;
	*ret = r;
	return r.id_n <= SSL_MAX_SSL_SESSION_ID_LENGTH && r.n <= c->used - at;
}

static bool has_id(const struct record *r, const unsigned char *id, size_t n)
{
	return r->id_n == n && memcmp(r->id, id, n) == 0;
}

/* Drops the record of this id, those that have ended, and the oldest until `room` is free. */
static void make_room(struct copy *c, const unsigned char *id, size_t n, size_t room)
{
	uint64_t now = (uint64_t)time(NULL);
	size_t at = 0, kept = 0, total = 0;
	struct record r;

	for (; next_record(c, at, &r); at += r.n)
		if (r.ends > now && !has_id(&r, id, n))
			total += r.n;
	for (at = 0; next_record(c, at, &r); at += r.n) {
		if (r.ends <= now || has_id(&r, id, n))
			continue;
		if (total + room <= ROOM) {
			memmove(c->bytes + kept, r.at, r.n); /* covers nothing behind it */
			kept += r.n;
		} else {
			total -= r.n;
		}
	}
	c->used = (uint32_t)kept;
}

static void insert(struct session_cache *c, SSL_SESSION *session)
{
	unsigned id_n;
	const unsigned char *id = SSL_SESSION_get_id(session, &id_n);
	int der_n = i2d_SSL_SESSION(session, NULL);
	uint64_t ends =
		(uint64_t)(SSL_SESSION_get_time(session) + SSL_SESSION_get_timeout(session));
	size_t n = HEAD_SIZE + id_n + (size_t)der_n;
	unsigned char record[ROOM], *der = record + HEAD_SIZE + id_n;
	struct copy bucket;
	uint32_t ticket;

	if (id_n == 0 || der_n <= 0 || n > ROOM)
		return;
	memcpy(record + CHECKSUM_SIZE, &ends, sizeof(ends));
	record[CHECKSUM_SIZE + 8] = (unsigned char)id_n;
	record[CHECKSUM_SIZE + 9] = (unsigned char)(der_n >> 8);
	record[CHECKSUM_SIZE + 10] = (unsigned char)der_n;
	memcpy(record + HEAD_SIZE, id, id_n);
	if (i2d_SSL_SESSION(session, &der) == der_n && checksum(record, n, record) &&
		lock(bucket_of(c, id, id_n), &bucket, &ticket)) {
		make_room(&bucket, id, id_n, n);
		memcpy(bucket.bytes + bucket.used, record, n);
		bucket.used += (uint32_t)n;
		unlock(bucket_of(c, id, id_n), &bucket, ticket);
		OPENSSL_cleanse(&bucket, sizeof(bucket));
	}
	OPENSSL_cleanse(record, n);
}

static SSL_SESSION *find(struct session_cache *c, const unsigned char *id, size_t n)
{
	unsigned char sum[CHECKSUM_SIZE];
	SSL_SESSION *session = NULL;
	struct copy bucket;
	struct record r;

	if (n == 0 || !read_bucket(bucket_of(c, id, n), &bucket))
		return NULL;
	for (size_t at = 0; next_record(&bucket, at, &r); at += r.n) {
		const unsigned char *der = r.der;
		if (!has_id(&r, id, n))
			continue;
		if (checksum(r.at, r.n, sum) && memcmp(sum, r.at, sizeof(sum)) == 0)
			session = d2i_SSL_SESSION(NULL, &der, (long)r.der_n);
		break;
	}
	OPENSSL_cleanse(&bucket, sizeof(bucket));
	ERR_clear_error();
	return session;
}

void session_cache_forget(struct session_cache *c, const struct ssl_st *ssl)
{
	const SSL_SESSION *session = SSL_get_session(ssl);
	unsigned n = 0;
	const unsigned char *id = session ? SSL_SESSION_get_id(session, &n) : NULL;
	struct copy bucket;
	uint32_t ticket;

	if (n == 0 || SSL_version(ssl) >= TLS1_3_VERSION ||
		!lock(bucket_of(c, id, n), &bucket, &ticket))
		return;
	make_room(&bucket, id, n, 0);
	unlock(bucket_of(c, id, n), &bucket, ticket);
	OPENSSL_cleanse(&bucket, sizeof(bucket));
}

/* ---- OpenSSL ------------------------------------------------------------------------------ */

static struct session_cache *cache_of(const SSL *ssl)
{
	const struct session *s = bio_session(ssl);

	return s ? s->env->cache : NULL;
}

/* Also called for each ticket of TLS 1.3, which needs no cache. 0: we keep no reference. */
static int on_new(SSL *ssl, SSL_SESSION *session)
{
	struct session_cache *c = cache_of(ssl);

	if (c && SSL_version(ssl) < TLS1_3_VERSION && resumable_mark(ssl, session))
		insert(c, session);
	return 0;
}

static SSL_SESSION *on_get(SSL *ssl, const unsigned char *id, int n, int *ret_copy)
{
	struct session_cache *c = cache_of(ssl);
	SSL_SESSION *session = c && n > 0 ? find(c, id, (size_t)n) : NULL;

	*ret_copy = 0;
	if (!session || resumable_may(ssl, session))
		return session;
	SSL_SESSION_free(session);
	return NULL;
}

void session_cache_use(struct ssl_ctx_st *ctx)
{
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, on_new);
	SSL_CTX_sess_set_get_cb(ctx, on_get);
}
