/* Toy workers: what a worker does to its master, without the serving. */
#ifndef TEST_TOY_H
#define TEST_TOY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "ipc/board.h"
#include "ipc/inherit.h"

enum toy_manner {
	TOY_OBEY,       /* READY; ends when told to drain or stop, or when the master is gone */
	TOY_EXIT,       /* ends with status 71 before it is ready */
	TOY_EXIT_READY, /* the same right after */
	TOY_CRASH,      /* READY, and dies by SIGSEGV once its generation serves */
	TOY_SIGPIPE,    /* READY, then dies by SIGPIPE */
	TOY_SILENT,     /* never READY */
	TOY_DEAF,       /* READY, and then hears nothing */
	TOY_HANG,       /* the same, and ignores SIGABRT */
	TOY_MUTE,       /* READY, closes its channel, lives on */
};

/* Shared with the workers. */
struct toy {
	enum toy_manner manner;
	unsigned lives_until_it_obeys; /* of all together; 0: it never changes its manner */
	uint32_t generation;           /* the others obey; 0: all have this manner */
	unsigned births;
	unsigned serves, drains, stops, reopens;
	unsigned last_idle_ms, last_index;
	unsigned exits;        /* handlers of atexit() that ran in a worker */
	unsigned unseen_pokes; /* of its generation, that a worker did not know */
	struct inherit seen[BOARD_SLOTS];
};

extern struct toy *toy; /* made by toy_setup() */

void toy_setup(void);
int toy_worker(const struct inherit *in);

/* Turns the loop until `done` says so or `ms` have passed; whether it did. */
bool toy_turn_until(sd_event *event, bool (*done)(void), int64_t ms);
/* How many descriptors this process has. */
int toy_count_fds(void);
int64_t toy_now_ms(void);

#endif
