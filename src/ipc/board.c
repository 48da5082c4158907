/* The shared table of counters and the fair accept. Knows nothing of processes: who holds a slot is
 * the master's word, and a worker may write nonsense, so every reader clamps what it indexes with.
 * Refuses to lock: all fields have one writer, and a sum may be a few events old. */
#include "ipc/board.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

static_assert(sizeof(struct board_slot) == BOARD_PAGE, "a slot is a page");

/* Nobody can make it shorter under those who have it mapped. */
enum { BOARD_SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL };

static int make_memory(struct err *e)
{
	int fd = memfd_create("latchd-board", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && ftruncate(fd, sizeof(struct board)) == 0 &&
		fcntl(fd, F_ADD_SEALS, BOARD_SEALS) == 0)
		return fd;
	err_errno(e, ERR_SYSTEM, errno, "no memory for the board");
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool is_memory(int fd)
{
	struct stat st;

	return fcntl(fd, F_GET_SEALS) == BOARD_SEALS && fstat(fd, &st) == 0 &&
	       st.st_size == (off_t)sizeof(struct board);
}

struct board *board_open(int *fd, struct err *e)
{
	bool is_new = *fd < 0;
	int memory = is_new ? make_memory(e) : *fd;
	struct board *b;

	if (memory < 0)
		return NULL;
	if (!is_memory(memory)) {
		err_set(e, ERR_INTERNAL, "the memory of the board has another size, or no seals");
		return NULL;
	}
	b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	if (b == MAP_FAILED) {
		err_errno(e, ERR_SYSTEM, errno, "cannot map the board");
		if (is_new)
			close(memory);
		return NULL;
	}
	*fd = memory;
	if (is_new) {
		b->started_wall = (uint64_t)time(NULL);
		b->last_reload_ok = 1;
	}
	return b;
}

struct board *board_new(struct err *e)
{
	int fd = -1;
	struct board *b = board_open(&fd, e);

	if (b)
		close(fd);
	return b;
}

void board_free(struct board *b)
{
	if (b)
		munmap(b, sizeof(*b));
}

int board_confine(struct board *b, int fd, unsigned slot, struct err *e)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t at = (size_t)((char *)&b->slot[slot] - (char *)b) / page * page;
	size_t n = page > sizeof(b->slot[0]) ? page : sizeof(b->slot[0]);
	char path[64];
	int fd_read;
	bool ok;

	assert(slot < BOARD_SLOTS);
	/* A mapping of a descriptor that can write could be made writable again. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd_read = open(path, O_RDONLY | O_CLOEXEC);
	if (fd_read < 0)
		return err_errno(e, ERR_SYSTEM, errno, "%s: the board for reading", path);
	ok = mmap(b, sizeof(*b), PROT_READ, MAP_SHARED | MAP_FIXED, fd_read, 0) != MAP_FAILED &&
	     mmap((char *)b + at, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
		     (off_t)at) != MAP_FAILED;
	if (!ok)
		err_errno(e, ERR_SYSTEM, errno, "cannot map the board for reading");
	close(fd_read);
	return ok ? 0 : -1;
}

static unsigned used_slots(const struct board *b)
{
	uint32_t n = board_get(b->nslots);

	return n < BOARD_SLOTS ? n : BOARD_SLOTS;
}

void board_claim(struct board *b, unsigned slot, uint32_t generation)
{
	assert(slot < BOARD_SLOTS);
	board_set(b->slot[slot].generation, generation);
	board_set(b->slot[slot].beat_ms, clock_ms());
	board_set(b->slot[slot].state, (uint32_t)BOARD_STARTING);
	if (slot >= used_slots(b))
		board_set(b->nslots, slot + 1);
}

void board_release(struct board *b, unsigned slot)
{
	assert(slot < BOARD_SLOTS);
	board_set(b->slot[slot].pid, 0);
	board_set(b->slot[slot].generation, 0u);
	board_set(b->slot[slot].live, 0u);
	board_set(b->slot[slot].accepting, 0u);
	board_set(b->slot[slot].confined, 0u);
	board_set(b->slot[slot].turns, (uint64_t)0);
	board_set(b->slot[slot].crumb.phase, (uint32_t)CRUMB_NONE);
	board_set(b->slot[slot].beat_ms, (int64_t)0);
	board_set(b->slot[slot].state, (uint32_t)BOARD_FREE);
}

static bool is_named(const char *at, const char *name)
{
	size_t n = strnlen(name, BOARD_LISTENER_NAME - 1);

	return memcmp(at, name, n) == 0 && at[n] == '\0';
}

void board_add_listener(struct board *b, const char *name)
{
	unsigned i = 0;

	while (i < BOARD_LISTENERS - 1 && b->listener[i][0] && !is_named(b->listener[i], name))
		i++;
	if (i == BOARD_LISTENERS - 1)
		name = "other";
	if (!b->listener[i][0])
		memcpy(b->listener[i], name, strnlen(name, BOARD_LISTENER_NAME - 1));
}

unsigned board_listener(const struct board *b, const char *name)
{
	unsigned i = 0;

	while (i < BOARD_LISTENERS - 1 && !is_named(b->listener[i], name))
		i++;
	return i;
}

struct str board_listener_name(const struct board *b, unsigned i)
{
	assert(i < BOARD_LISTENERS);
	return (struct str){ b->listener[i], strnlen(b->listener[i], BOARD_LISTENER_NAME) };
}

const char *board_state_name(uint32_t state)
{
	static const char *const names[] = {
		[BOARD_FREE] = "free",
		[BOARD_STARTING] = "starting",
		[BOARD_SERVING] = "serving",
		[BOARD_DRAINING] = "draining",
	};

	return state < sizeof(names) / sizeof(names[0]) ? names[state] : "unknown";
}

const char *board_closure_name(unsigned closure)
{
	/* In the order of enum closure of tls/closing, which is above us. */
	static const char *const names[BOARD_CLOSURES] = { NULL, "clean", "truncated", "reset",
		"timeout", "local" };

	return closure < BOARD_CLOSURES ? names[closure] : NULL;
}

/* Where the 64-bit counters are that sums are made of; all of them but the gauges. */
static const struct place {
	const char *name;
	size_t offset, count;
} counters[] = {
#define COUNTER(field, n)                                                                          \
	{                                                                                          \
#field, offsetof(struct board_slot, field), n                                      \
	}
	COUNTER(connections, 1),
	COUNTER(accepted, BOARD_LISTENERS),
	COUNTER(handshakes_full_12, 1),
	COUNTER(handshakes_full_13, 1),
	COUNTER(handshakes_resumed_12, 1),
	COUNTER(handshakes_resumed_13, 1),
	COUNTER(handshakes_failed, 1),
	COUNTER(requests, 1),
	COUNTER(responses, BOARD_STATUS_CLASSES),
	COUNTER(codes, BOARD_CODES),
	COUNTER(bytes_sent, 1),
	COUNTER(closures, BOARD_CLOSURES),
	COUNTER(sigpipes, 1),
	COUNTER(accept_errors, 1),
	COUNTER(refused, 1),
	COUNTER(floods, 1),
	COUNTER(timed, 1),
	COUNTER(timed_us, 1),
#undef COUNTER
};

/* ---- the layout ------------------------------------------------------------------------- */

static const struct place others[] = {
#define GAUGE(field)                                                                               \
	{                                                                                          \
#field, offsetof(struct board_slot, field),                                        \
			sizeof(((struct board_slot *)0)->field)                                    \
	}
	GAUGE(state),
	GAUGE(pid),
	GAUGE(generation),
	GAUGE(live),
	GAUGE(confined),
	GAUGE(accepting),
	GAUGE(turns),
	GAUGE(beat_ms),
#undef GAUGE
#define HEAD(field)                                                                                \
	{                                                                                          \
#field, offsetof(struct board, field), sizeof(((struct board *)0)->field)          \
	}
	HEAD(started_wall),
	HEAD(generation),
	HEAD(respawns),
	HEAD(reloads_ok),
	HEAD(reloads_failed),
	HEAD(reloads_quarantined),
	HEAD(last_reload_ok),
	HEAD(ticket_store),
	HEAD(nslots),
	HEAD(listener),
	HEAD(slot),
	HEAD(nsamples),
	HEAD(sample),
#undef HEAD
};

/* FNV-1a. */
static uint64_t mix(uint64_t hash, const void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		hash = (hash ^ ((const unsigned char *)p)[i]) * UINT64_C(1099511628211);
	return hash;
}

static uint64_t mix_places(uint64_t hash, const struct place *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t numbers[2] = { v[i].offset, v[i].count };

		hash = mix(hash, v[i].name, strlen(v[i].name) + 1);
		hash = mix(hash, numbers, sizeof(numbers));
	}
	return hash;
}

uint64_t board_layout(int (*code_at)(unsigned index))
{
	uint64_t sizes[2] = { sizeof(struct board), sizeof(struct board_slot) };
	uint64_t hash = mix(UINT64_C(14695981039346656037), sizes, sizeof(sizes));

	for (unsigned i = 0; i < BOARD_CLOSURES; i++) {
		const char *name = board_closure_name(i);

		hash = name ? mix(hash, name, strlen(name) + 1) : mix(hash, "", 1);
	}
	for (unsigned i = 0; i < BOARD_CODES; i++) {
		int code = code_at(i);

		hash = mix(hash, &code, sizeof(code));
	}
	hash = mix_places(hash, counters, sizeof(counters) / sizeof(counters[0]));
	return mix_places(hash, others, sizeof(others) / sizeof(others[0]));
}

/* ---- sums ------------------------------------------------------------------------------- */

static void add_counters(struct board_slot *sum, const struct board_slot *s)
{
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
		uint64_t *to = (void *)((char *)sum + counters[i].offset);
		const uint64_t *from = (const void *)((const char *)s + counters[i].offset);

		for (size_t k = 0; k < counters[i].count; k++)
			to[k] += board_get(from[k]);
	}
}

void board_total(const struct board *b, struct board_slot *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (unsigned i = 0; i < used_slots(b); i++) {
		const struct board_slot *s = &b->slot[i];

		add_counters(ret, s);
		if (board_get(s->state) == BOARD_FREE)
			continue;
		ret->live += board_get(s->live);
		ret->accepting += board_get(s->accepting);
		ret->turns += board_get(s->turns);
	}
}

void board_take_sample(struct board *b)
{
	struct board_sample *s = &b->sample[b->nsamples % BOARD_SAMPLES];
	struct board_slot t;

	board_total(b, &t);
	board_set(s->requests, t.requests);
	board_set(s->timed, t.timed);
	board_set(s->timed_us, t.timed_us);
	board_set(s->bytes_sent, t.bytes_sent);
	board_set(s->live, (uint64_t)t.live);
	for (unsigned i = 0; i < BOARD_CLOSURES; i++)
		board_set(s->closures[i], t.closures[i]);
	__atomic_store_n(&b->nsamples, b->nsamples + 1, __ATOMIC_RELEASE);
}

/* Counters only grow; what a reader catches in the middle of a change must not look like a lot. */
static uint64_t grown(const uint64_t *from, const uint64_t *to)
{
	uint64_t a = board_get(*from), b = board_get(*to);

	return b > a ? b - a : 0;
}

bool board_interval(const struct board *b, unsigned back, struct board_sample *ret)
{
	uint64_t n = __atomic_load_n(&b->nsamples, __ATOMIC_ACQUIRE);
	const struct board_sample *from, *to;

	/* The oldest of the ring is the one that is written next. */
	if (back + 2 > n || back + 2 > BOARD_SAMPLES)
		return false;
	to = &b->sample[(n - 1 - back) % BOARD_SAMPLES];
	from = &b->sample[(n - 2 - back) % BOARD_SAMPLES];
	*ret = (struct board_sample){
		.requests = grown(&from->requests, &to->requests),
		.timed = grown(&from->timed, &to->timed),
		.timed_us = grown(&from->timed_us, &to->timed_us),
		.bytes_sent = grown(&from->bytes_sent, &to->bytes_sent),
		.live = board_get(to->live),
	};
	for (unsigned i = 0; i < BOARD_CLOSURES; i++)
		ret->closures[i] = grown(&from->closures[i], &to->closures[i]);
	return true;
}

static bool is_serving(const struct board_slot *s, uint32_t generation)
{
	return board_get(s->state) == BOARD_SERVING && board_get(s->generation) == generation;
}

double board_imbalance(const struct board *b)
{
	uint32_t generation = board_get(b->generation);
	uint64_t sum = 0, n = 0, max = 0;

	for (unsigned i = 0; i < used_slots(b); i++) {
		uint32_t live = board_get(b->slot[i].live);

		if (!is_serving(&b->slot[i], generation))
			continue;
		n++;
		sum += live;
		max = live > max ? live : max;
	}
	return sum ? (double)max * (double)n / (double)sum : 1.0;
}

bool board_gate(const struct board *b, unsigned slot, const uint64_t *stuck, unsigned *ret_relief)
{
	uint32_t generation, own, least = UINT32_MAX;
	int64_t now = clock_ms();
	uint64_t sum, n = 1;
	unsigned relief = slot;

	assert(slot < BOARD_SLOTS);
	generation = board_get(b->slot[slot].generation);
	sum = own = board_get(b->slot[slot].live);
	for (unsigned i = 0; i < used_slots(b); i++) {
		const struct board_slot *s = &b->slot[i];
		uint32_t live;

		if (i == slot || !is_serving(s, generation) ||
			now - board_get(s->beat_ms) > BOARD_STALE_MS ||
			(stuck && stuck[i] && board_get(s->turns) == stuck[i]))
			continue;
		live = board_get(s->live);
		n++;
		sum += live;
		if (live < least) {
			least = live;
			relief = i;
		}
	}
	if (own * n <= sum + 2 * n + sum / 32)
		return true;
	*ret_relief = relief;
	return false;
}
