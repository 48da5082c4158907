/* The ring in shared memory and OpenSSL's callback on it. One process writes, under a sequence
 * lock; the others read copies. A reader that finds the lock held for too long (its writer died)
 * goes on without tickets: a full handshake is no failure. It refuses to give a worker memory that
 * could be made writable again: the worker's mapping is of a descriptor opened read-only. */
#include "tls/ticket.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include "base/clock.h"
#include "tls/secret.h"

enum {
	NAME_SIZE = 16,
	IV_SIZE = 16,
	KEY_WORDS = 10,
	KEYS_MAX = 3 * TICKET_KEEP_MAX + 2, /* two a slice, and what was there before */
	READ_TRIES = 10000,
};

struct ticket_key {
	unsigned char name[NAME_SIZE];
	unsigned char aes[32];
	unsigned char hmac[32];
};

static_assert(sizeof(struct ticket_key) == KEY_WORDS * sizeof(uint64_t), "a key is ten words");

/* Another layout gets another number: a ring may come from another version of this program. */
#define RING_MAGIC UINT64_C(0x6c617463686b0003)
#define RING_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

struct ring_memory {
	_Atomic uint64_t magic;
	_Atomic int64_t rotated_ms;
	_Atomic uint32_t sequence; /* odd: being written */
	_Atomic uint32_t nkeys;
	_Atomic uint32_t derived;                   /* how many of them are a secret's */
	_Atomic int64_t others_until_ms;            /* how long the others are still taken */
	_Atomic uint64_t keys[KEYS_MAX][KEY_WORDS]; /* the newest first */
};

struct ticket_ring {
	struct ring_memory *memory;
	int fd;      /* writable; -1 in a worker */
	int fd_read; /* the same file, opened read-only */
	bool writable;
	EVP_CIPHER *cipher; /* fetched once: it is needed in every handshake */
};

/* A private copy of the ring. */
struct snapshot {
	uint32_t nkeys, derived;
	int64_t others_until_ms;
	struct ticket_key keys[KEYS_MAX];
};

static int slot = -1;

static bool read_once(struct ring_memory *m, struct snapshot *ret)
{
	uint32_t before = atomic_load_explicit(&m->sequence, memory_order_acquire);

	if (before & 1)
		return false;
	ret->nkeys = atomic_load_explicit(&m->nkeys, memory_order_relaxed);
	ret->derived = atomic_load_explicit(&m->derived, memory_order_relaxed);
	ret->others_until_ms = atomic_load_explicit(&m->others_until_ms, memory_order_relaxed);
	if (ret->nkeys > KEYS_MAX || ret->derived > ret->nkeys)
		return false;
	for (uint32_t i = 0; i < ret->nkeys; i++) {
		uint64_t words[KEY_WORDS];
		for (int w = 0; w < KEY_WORDS; w++)
			words[w] = atomic_load_explicit(&m->keys[i][w], memory_order_relaxed);
		memcpy(&ret->keys[i], words, sizeof(words));
	}
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&m->sequence, memory_order_relaxed) == before;
}

static bool take_snapshot(struct ticket_ring *r, struct snapshot *ret)
{
	for (int i = 0; i < READ_TRIES; i++)
		if (read_once(r->memory, ret))
			return ret->nkeys > 0;
	return false;
}

static void store(struct ring_memory *m, const struct snapshot *s)
{
	uint32_t sequence = atomic_load_explicit(&m->sequence, memory_order_relaxed) | 1;

	atomic_store_explicit(&m->sequence, sequence, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&m->nkeys, s->nkeys, memory_order_relaxed);
	atomic_store_explicit(&m->derived, s->derived, memory_order_relaxed);
	atomic_store_explicit(&m->others_until_ms, s->others_until_ms, memory_order_relaxed);
	atomic_store_explicit(&m->rotated_ms, clock_us_now() / 1000, memory_order_relaxed);
	for (uint32_t i = 0; i < KEYS_MAX; i++) {
		uint64_t words[KEY_WORDS] = { 0 };
		if (i < s->nkeys)
			memcpy(words, &s->keys[i], sizeof(words));
		for (int w = 0; w < KEY_WORDS; w++)
			atomic_store_explicit(&m->keys[i][w], words[w], memory_order_relaxed);
		OPENSSL_cleanse(words, sizeof(words));
	}
	atomic_store_explicit(&m->sequence, sequence + 1, memory_order_release);
}

static int open_for_reading(struct ticket_ring *r, struct err *e)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", r->fd);
	r->fd_read = open(path, O_RDONLY | O_CLOEXEC);
	if (r->fd_read < 0)
		return err_errno(e, ERR_SYSTEM, errno, "%s: ticket keys for reading", path);
	return 0;
}

/* The memfd, its size for ever; then the second descriptor, for reading. */
static int open_memory(struct ticket_ring *r, struct err *e)
{
	r->fd = memfd_create("latch-tickets", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (r->fd < 0)
		return err_errno(e, ERR_SYSTEM, errno, "no memory file for ticket keys");
	if (ftruncate(r->fd, sizeof(struct ring_memory)) < 0 ||
		fcntl(r->fd, F_ADD_SEALS, RING_SEALS) < 0)
		return err_errno(e, ERR_SYSTEM, errno, "the memory of the ticket keys");
	return open_for_reading(r, e);
}

static int map_memory(struct ticket_ring *r, int fd, int protection, struct err *e)
{
	void *p = mmap(NULL, sizeof(struct ring_memory), protection, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return err_errno(e, ERR_SYSTEM, errno, "mapping the ticket keys");
	madvise(p, sizeof(struct ring_memory), MADV_DONTDUMP);
	if (r->memory)
		munmap(r->memory, sizeof(struct ring_memory));
	r->memory = p;
	return 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Without memory. */
static struct ticket_ring *new_ring(struct err *e)
{
	struct ticket_ring *r = calloc(1, sizeof(*r));

	if (!r) {
		err_set(e, ERR_SYSTEM, "out of memory");
		return NULL;
	}
	r->fd = r->fd_read = -1;
	r->writable = true;
	r->cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
	if (r->cipher)
		return r;
	ERR_clear_error();
	err_set(e, ERR_SYSTEM, "OpenSSL has no AES-256-CBC for tickets");
	free(r);
	return NULL;
}

struct ticket_ring *ticket_ring_new(struct err *e)
{
	struct ticket_ring *r = new_ring(e);

	if (!r)
		return NULL;
	if (open_memory(r, e) < 0 || map_memory(r, r->fd, PROT_READ | PROT_WRITE, e) < 0 ||
		ticket_ring_rotate(r, 1, e) < 0) {
		ticket_ring_free(r);
		return NULL;
	}
	atomic_store_explicit(&r->memory->magic, RING_MAGIC, memory_order_release);
	return r;
}

/* Only then may it be mapped: a file that can shrink would kill whoever reads it. */
static bool is_shaped(int fd)
{
	struct stat st;

	return fcntl(fd, F_GET_SEALS) == RING_SEALS && fstat(fd, &st) == 0 &&
	       st.st_size == (off_t)sizeof(struct ring_memory);
}

static bool is_whole(struct ticket_ring *r)
{
	struct snapshot s;
	bool whole = atomic_load_explicit(&r->memory->magic, memory_order_acquire) == RING_MAGIC &&
		     take_snapshot(r, &s);

	OPENSSL_cleanse(&s, sizeof(s));
	return whole;
}

struct ticket_ring *ticket_ring_adopt(int fd, struct err *e)
{
	struct ticket_ring *r = new_ring(e);

	if (!r) {
		close(fd);
		return NULL;
	}
	r->fd = fd;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	if (!is_shaped(fd)) {
		err_set(e, ERR_INTERNAL, "they are of another size, or not sealed");
		goto fail;
	}
	if (open_for_reading(r, e) < 0 || map_memory(r, r->fd, PROT_READ | PROT_WRITE, e) < 0)
		goto fail;
	if (is_whole(r))
		return r;
	err_set(e, ERR_INTERNAL, "they are of another version, or not whole");
fail:
	ticket_ring_free(r);
	return NULL;
}

int64_t ticket_ring_rotated_ms(const struct ticket_ring *r)
{
	int64_t then = atomic_load_explicit(&r->memory->rotated_ms, memory_order_relaxed);
	int64_t now = clock_us_now() / 1000;

	return then < now ? then : now;
}

int ticket_ring_make_readonly(struct ticket_ring *r, struct err *e)
{
	if (!r->writable)
		return 0;
	if (map_memory(r, r->fd_read, PROT_READ, e) < 0)
		return -1;
	r->writable = false;
	close_fd(&r->fd);
	close_fd(&r->fd_read);
	return 0;
}

void ticket_ring_free(struct ticket_ring *r)
{
	if (!r)
		return;
	if (r->memory)
		munmap(r->memory, sizeof(struct ring_memory));
	close_fd(&r->fd);
	close_fd(&r->fd_read);
	EVP_CIPHER_free(r->cipher);
	free(r);
}

int ticket_ring_fd(const struct ticket_ring *r)
{
	return r->fd;
}

int ticket_ring_rotate(struct ticket_ring *r, unsigned keep, struct err *e)
{
	struct snapshot s = { 0 };

	assert(r->writable);
	assert(keep >= 1 && keep < TICKET_KEEP_MAX);
	take_snapshot(r, &s);
	memmove(&s.keys[1], &s.keys[0], (KEYS_MAX - 1) * sizeof(s.keys[0]));
	s.nkeys = s.nkeys < keep ? s.nkeys + 1 : keep + 1;
	s.derived = 0;
	if (RAND_priv_bytes((unsigned char *)&s.keys[0], sizeof(s.keys[0])) != 1) {
		ERR_clear_error();
		OPENSSL_cleanse(&s, sizeof(s));
		return err_set(e, ERR_SYSTEM, "no random bytes for a ticket key");
	}
	store(r->memory, &s);
	OPENSSL_cleanse(&s, sizeof(s));
	return 0;
}

static bool has_key(const struct snapshot *s, const struct ticket_key *key)
{
	for (uint32_t i = 0; i < s->nkeys; i++)
		if (memcmp(s->keys[i].name, key->name, NAME_SIZE) == 0)
			return true;
	return false;
}

/* Of `before`, whose newest key may be none of these: its tickets live for `span_ms` more. */
static void keep_others(
	struct snapshot *s, const struct snapshot *before, int64_t now_ms, int64_t span_ms)
{
	s->others_until_ms = before->others_until_ms;
	if (!before->derived || !has_key(s, &before->keys[0]) ||
		s->others_until_ms > now_ms + span_ms)
		s->others_until_ms = now_ms + span_ms;
	for (uint32_t i = 0; i < before->nkeys && s->nkeys < KEYS_MAX; i++)
		if (now_ms < s->others_until_ms && !has_key(s, &before->keys[i]))
			s->keys[s->nkeys++] = before->keys[i];
}

/* The eras that a slice may be in: [0] is ours, [1] that of machines that know less, or more. How
 * many there are. */
static int choose_eras(
	const struct ticket_era *eras, size_t n, int64_t slice, const struct tls_secret *ret[2])
{
	size_t ours, last = n;

	while (last > 0 && eras[last - 1].slice > slice)
		last--;
	ours = last;
	while (ours > 0 && !eras[ours - 1].is_sure)
		ours--;
	if (ours == 0)
		ours = last;
	if (last == 0)
		return 0;
	ret[0] = eras[ours - 1].secret;
	if (ours != last)
		ret[1] = eras[last - 1].secret;
	else if (ours > 1)
		ret[1] = eras[ours - 2].secret;
	else
		return 1;
	return 2;
}

/* The keys of a slice into the next places; where nothing is known of it, none. */
static int derive_next(struct snapshot *s, const struct ticket_era *eras, size_t n,
	int64_t rotate_ms, int64_t slice)
{
	const struct tls_secret *secrets[2];
	int found = choose_eras(eras, n, slice, secrets), rc = 0;

	for (int i = 0; rc == 0 && i < found; i++, s->nkeys++)
		rc = tls_secret_derive(
			secrets[i], rotate_ms, slice, &s->keys[s->nkeys], sizeof(s->keys[0]));
	return rc;
}

int ticket_ring_derive(struct ticket_ring *r, const struct ticket_era *eras, size_t n,
	int64_t now_ms, int64_t rotate_ms, unsigned keep, struct err *e)
{
	struct snapshot s = { 0 }, before = { 0 };
	int64_t slice = now_ms / rotate_ms;
	int rc = 0;

	assert(r->writable);
	assert(keep >= 1 && keep < TICKET_KEEP_MAX && rotate_ms > 0);
	take_snapshot(r, &before);
	for (unsigned i = 0; rc == 0 && i <= keep; i++)
		rc = i > 0 && !s.nkeys ? -1 : derive_next(&s, eras, n, rotate_ms, slice - i);
	if (rc == 0)
		rc = derive_next(&s, eras, n, rotate_ms, slice + 1);
	if (rc == 0) {
		s.derived = s.nkeys;
		keep_others(&s, &before, now_ms, rotate_ms * keep);
		store(r->memory, &s);
	}
	OPENSSL_cleanse(&s, sizeof(s));
	OPENSSL_cleanse(&before, sizeof(before));
	return rc == 0 ? 0 : err_set(e, ERR_SYSTEM, "no ticket keys follow from the secret");
}

bool ticket_ring_is_derived(const struct ticket_ring *r)
{
	return atomic_load_explicit(&r->memory->derived, memory_order_relaxed) > 0;
}

static bool start_mac(EVP_MAC_CTX *mac, const struct ticket_key *key)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_init(mac, key->hmac, sizeof(key->hmac), params) == 1;
}

/* 1: go on; 0: no ticket this time; -1: fatal. */
static int encrypt_with(struct ticket_ring *r, const struct ticket_key *key, unsigned char *name,
	unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
	if (RAND_bytes(iv, IV_SIZE) != 1 ||
		EVP_EncryptInit_ex2(cipher, r->cipher, key->aes, iv, NULL) != 1 ||
		!start_mac(mac, key))
		return -1;
	memcpy(name, key->name, NAME_SIZE);
	return 1;
}

/* 2: good, and send a new one. TLS 1.3 clients should use a ticket once; a TLS 1.2 client keeps its
 * ticket, and needs a new one only when the key is on its way out. */
static int decrypt_with(struct ticket_ring *r, const struct ticket_key *key, bool renew,
	const unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
	if (EVP_DecryptInit_ex2(cipher, r->cipher, key->aes, iv, NULL) != 1 || !start_mac(mac, key))
		return -1;
	return renew ? 2 : 1;
}

static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
	EVP_MAC_CTX *mac, int encrypting)
{
	struct ticket_ring *r = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), slot);
	struct snapshot s;
	int rc = 0;

	if (!r || !take_snapshot(r, &s))
		return 0;
	if (encrypting) {
		rc = encrypt_with(r, &s.keys[0], name, iv, cipher, mac);
		goto out;
	}
	uint32_t i = 0;
	while (i < s.nkeys && memcmp(s.keys[i].name, name, NAME_SIZE) != 0)
		i++;
	if (i < s.nkeys)
		rc = decrypt_with(r, &s.keys[i], i > 0 || SSL_version(ssl) >= TLS1_3_VERSION, iv,
			cipher, mac);
out:
	OPENSSL_cleanse(&s, s.nkeys * sizeof(s.keys[0]) + offsetof(struct snapshot, keys));
	return rc;
}

void ticket_ring_use(struct ticket_ring *r, struct ssl_ctx_st *ctx)
{
	if (slot < 0)
		slot = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	if (slot < 0 || SSL_CTX_set_ex_data(ctx, slot, r) != 1) {
		ERR_clear_error();
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET); /* no memory for an index: no tickets */
		SSL_CTX_set_num_tickets(ctx, 0);
		return;
	}
	SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
	SSL_CTX_set_num_tickets(ctx, 1);
}
