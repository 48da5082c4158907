/* The facts of the board in words: names of states, closures and classes, and all of it as JSON
 * (latchd.conf(5), METRICS). What a worker wrote is not trusted: whatever the board holds, this
 * only prints numbers and its own words. */
#ifndef LATCH_IPC_FACTS_H
#define LATCH_IPC_FACTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "ipc/board.h"

typedef const char *facts_name_fn(unsigned i); /* NULL: not told */

/* "1xx" and so on, for i < BOARD_STATUS_CLASSES; NULL for 0. board_closure_name() is another. */
facts_name_fn facts_class;

const char *facts_state(const struct board_slot *s);
/* "Landlock, seccomp", "nothing": by what its holder is confined. */
const char *facts_confined(uint32_t confined);
/* Slots from 0 that were ever used, within the board whatever it says. */
unsigned facts_slots(const struct board *b);
int64_t facts_uptime(const struct board *b); /* seconds, never negative */
/* "1.5 MiB", for people; returns dst, 16 bytes are enough. */
const char *facts_format_bytes(uint64_t n, char *dst, size_t size);
/* The last minutes as a member "history" of an open object: numbers of each interval, the oldest
 * first. */
void facts_write_history(struct json *j, const struct board *b);
/* The members of an open object. `openssl`: the library's version; `code_at`: http_status_at(). */
void facts_write(
	struct json *j, const struct board *b, struct str openssl, int (*code_at)(unsigned index));

#endif
