/* Where the content goes: standard output or the file of -o, with a small buffer in front. */
#ifndef LATCH_CLIENT_OUTPUT_H
#define LATCH_CLIENT_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum { OUTPUT_BUFFER = 64 * 1024 };

struct output {
	const char *path; /* NULL: standard output; borrowed */
	int fd;           /* -1: not open yet */
	struct buf pending;
	uint64_t written; /* bytes given to the kernel since output_init() */
};

void output_init(struct output *o, const char *path);
/* Opens the file, emptying it; what an earlier URL wrote stays. `from` above 0: to go on behind the
 * `from` bytes that it holds. All below: -1 when the output cannot be written, with a sentence that
 * names it. */
int output_open(struct output *o, uint64_t from, struct err *e);
/* Small pieces gather, large ones go straight through. The output is open. */
int output_write(struct output *o, struct str s, struct err *e);
int output_flush(struct output *o, struct err *e);
/* Flushes and closes. Idempotent. */
int output_close(struct output *o, struct err *e);
/* "standard output" or the path. */
const char *output_name(const struct output *o);
/* Does it lead into a regular file, rather than a terminal or a pipe? Before and after opening. */
bool output_is_file(const struct output *o);

#endif
