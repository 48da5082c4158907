/* The board: one shared-memory table of counters, a slot a worker. Each slot has one writer, the
 * worker that holds it; everybody may read. Counters of a slot only ever grow, also when the slot
 * goes to the next worker, so totals survive respawns and reloads. Gauges (`live`, ...) are the
 * holder's and the master zeroes them when it reaps. Relaxed atomics: no lock on any path.
 *
 * Also the fair accept: board_gate() says whether a worker should leave new connections to
 * others. */
#ifndef LATCH_IPC_BOARD_H
#define LATCH_IPC_BOARD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "ipc/crumb.h"

enum { BOARD_TICK_MS = 1000, BOARD_STALE_MS = 2000 };
enum { BOARD_SAMPLE_MS = 2000, BOARD_SAMPLES = 151 };
/* A slot fills a page, so that its holder alone can write there. */
enum { BOARD_PAGE = 4096 };
enum { BOARD_SLOTS = 512, BOARD_CLOSURES = 8, BOARD_STATUS_CLASSES = 6, BOARD_CODES = 48 };
/* Listeners by name; the last one stands for all that came when the others were taken. */
enum { BOARD_LISTENERS = 32, BOARD_LISTENER_NAME = 64 };

/* By what a worker is confined, as bits: the files it may open, the system calls it may make. */
enum board_confined { BOARD_CONFINED_FILES = 1, BOARD_CONFINED_CALLS = 2 };

/* Whether the store of ticket keys answered when it was last asked. */
enum board_store { BOARD_STORE_NONE, BOARD_STORE_DOWN, BOARD_STORE_UP };

enum board_state { BOARD_FREE, BOARD_STARTING, BOARD_SERVING, BOARD_DRAINING };

struct board_slot {
	/* gauges of the holder */
	uint32_t state; /* enum board_state */
	int32_t pid;
	uint32_t generation;
	uint32_t live;      /* connections now */
	uint32_t confined;  /* bits of enum board_confined */
	uint32_t accepting; /* 1: it takes new connections (inside the gate) */
	uint64_t turns;     /* of its loop: the heartbeat */
	int64_t beat_ms;    /* CLOCK_MONOTONIC of the last turn or tick */
	/* counters */
	uint64_t connections;
	uint64_t accepted[BOARD_LISTENERS]; /* of them, by board_listener() */
	uint64_t handshakes_full_12, handshakes_full_13;
	uint64_t handshakes_resumed_12, handshakes_resumed_13;
	uint64_t handshakes_failed;
	uint64_t requests;
	uint64_t responses[BOARD_STATUS_CLASSES]; /* [2] is 2xx */
	uint64_t codes[BOARD_CODES];              /* responses by http_status_index() */
	uint64_t bytes_sent;
	uint64_t closures[BOARD_CLOSURES]; /* by enum closure of tls/closing */
	uint64_t sigpipes;
	uint64_t accept_errors;
	uint64_t refused;         /* connections, before a handshake */
	uint64_t floods;          /* HTTP/2 connections ended for the work they made */
	uint64_t timed, timed_us; /* requests whose time was taken, and that time in all */
	/* what the holder turned to last */
	struct crumb crumb;
} __attribute__((aligned(BOARD_PAGE)));

/* Totals at one time; `live` is a gauge. */
struct board_sample {
	uint64_t requests, timed, timed_us, bytes_sent, live;
	uint64_t closures[BOARD_CLOSURES];
};

struct board {
	/* written by the master */
	uint64_t started_wall; /* seconds since 1970 */
	uint32_t generation;   /* the serving one */
	uint32_t respawns;
	uint32_t reloads_ok, reloads_failed;
	uint32_t reloads_quarantined; /* done, and taken back since its workers died */
	uint32_t last_reload_ok;
	uint32_t ticket_store;                               /* enum board_store */
	uint32_t nslots;                                     /* slots from 0 that were ever used */
	char listener[BOARD_LISTENERS][BOARD_LISTENER_NAME]; /* names; "": never used */
	struct board_slot slot[BOARD_SLOTS];
	uint64_t nsamples; /* ever taken; the ring has the last of them */
	struct board_sample sample[BOARD_SAMPLES];
};

/* Shared by fork; NULL: `e`. Never freed before the process ends, but for tests. */
struct board *board_new(struct err *e);
/* The same in a memory file that a later image of this program can map again. *fd -1: it is new,
 * and *fd becomes its close-on-exec descriptor; else *fd is of one that was made here before, by a
 * program with the same board_layout(). */
struct board *board_open(int *fd, struct err *e);
void board_free(struct board *b);
/* Worker, while it may still open files: from now on this process can read the board, and write to
 * `slot` alone. `fd`: what board_open() gave. Where pages are larger than BOARD_PAGE, slots that
 * share one with it can be written, too. */
int board_confine(struct board *b, int fd, unsigned slot, struct err *e);
/* A number that is another one wherever a field has another name, place or meaning. `code_at`: what
 * the indexes of `codes` mean, http_status_at(). */
uint64_t board_layout(int (*code_at)(unsigned index));

/* Single-writer increment and store that other processes may read meanwhile. */
#define board_add(counter, n)                                                                      \
	__atomic_store_n(                                                                          \
		&(counter), __atomic_load_n(&(counter), __ATOMIC_RELAXED) + (n), __ATOMIC_RELAXED)
#define board_set(gauge, v) __atomic_store_n(&(gauge), (v), __ATOMIC_RELAXED)
#define board_get(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)

/* Master: `slot`, which nobody holds, for a new worker of `generation`: state STARTING. */
void board_claim(struct board *b, unsigned slot, uint32_t generation);
/* Master: after the holder is reaped: gauges to zero, state FREE. */
void board_release(struct board *b, unsigned slot);

/* Master: gives a listener of this name its place in `accepted`, which it keeps for good, so that
 * its counter goes on over reloads. */
void board_add_listener(struct board *b, const char *name);
/* The place of a listener; the last one if it has none of its own. */
unsigned board_listener(const struct board *b, const char *name);
/* What stands at a place; n is 0 where nothing does. */
struct str board_listener_name(const struct board *b, unsigned i);

/* "free", "starting", ...; "unknown" for what no worker should have written. */
const char *board_state_name(uint32_t state);
/* By index of `closures`; NULL where there is none. */
const char *board_closure_name(unsigned closure);

/* Sums of all slots, as one slot; gauges are sums over holders, `state` and the like are zero. */
void board_total(const struct board *b, struct board_slot *ret);
/* Master: takes a sample, each BOARD_SAMPLE_MS. */
void board_take_sample(struct board *b);
/* What happened between two samples, `back` of them ago (0: the newest two); `live` as it was at
 * the end. False: that long ago there was no sample. */
bool board_interval(const struct board *b, unsigned back, struct board_sample *ret);
/* max/mean of live connections over the serving workers of the serving generation; 1 when none. */
double board_imbalance(const struct board *b);

/* Should the worker of `slot` take new connections? True while its live count is at most the mean
 * of the serving workers of its generation plus a slack of 2 + mean/32. When false, *ret_relief is
 * the slot of the least loaded other worker, whom to poke. Left out of the account: workers whose
 * beat_ms is more than BOARD_STALE_MS behind clock_ms() (so one that serves stamps it at least
 * every BOARD_TICK_MS, also when idle), and those whose turns are still what `stuck` says (by slot;
 * NULL, or 0: nobody). */
bool board_gate(const struct board *b, unsigned slot, const uint64_t *stuck, unsigned *ret_relief);

#endif
