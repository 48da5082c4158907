/* How a child process ended, in words and as an exit code. */
#ifndef LATCH_MASTER_DEATH_H
#define LATCH_MASTER_DEATH_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "ipc/crumb.h"

enum { DEATH_TEXT_SIZE = 96, DEATH_CRUMB_SIZE = CRUMB_WORDS_SIZE + 100 };

/* "was killed by SIGSEGV (core dumped)", "ended with status 71". Returns dst. */
const char *death_describe(const siginfo_t *si, char *dst, size_t size);
/* With which code the master ends if the first worker ends like this: the worker's own where it is
 * one of ours, else ERR_INTERNAL. */
enum err_code death_code(const siginfo_t *si);
/* Of a crash: ` while it served "GET /x" of 192.0.2.1`, with a blank in front; "" if its crumb says
 * nothing. Returns dst, DEATH_CRUMB_SIZE bytes. */
const char *death_circumstances(const struct crumb *c, char *dst, size_t size);
bool death_is_by_signal(const siginfo_t *si, int signal_number);

#endif
