/* The error log: lines for people on standard error or in a file, native records in the journal.
 *
 * One state per process. Lines on a standard error that the journal reads carry a "<n>" prefix
 * (sd-daemon(3)); a terminal and a file get time, sender, role, level and text. A message is one
 * line of at most 1023 bytes; control bytes and what is not UTF-8 are written as \xNN. errno
 * survives every call. */
#ifndef LATCH_BASE_LOG_H
#define LATCH_BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_NOTICE,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

/* Where logs go. AUTO: the journal where $JOURNAL_STREAM says that standard error is one, else
 * standard error. */
enum log_target {
	LOG_TARGET_AUTO,
	LOG_TARGET_JOURNAL,
	LOG_TARGET_STDERR,
	LOG_TARGET_FILE,
	LOG_TARGET_OFF,
};

/* A field of a native journal record: NAME without the LATCHD_ prefix, in capitals. */
struct log_field {
	const char *name;
	struct str value;
};

/* A field with a number; `dst` keeps its digits. */
enum { LOG_NUMBER_SIZE = 21 };
struct log_field log_number(const char *name, int64_t n, char dst[LOG_NUMBER_SIZE]);

/* `fd`: of the open file with LOG_TARGET_FILE (borrowed; the caller closes the one before), else
 * not used. Opens the journal's socket if needed, so call it before privileges go; where there is
 * no journal, or no libsystemd, prefixed lines go to standard error. Before the first call: AUTO
 * and INFO. */
void log_set(enum log_target target, int fd, enum log_level level);
/* The descriptor of the journal's socket, which must stay open in this process and its children as
 * long as they log; -1: none. */
int log_journal_fd(void);
bool log_is_on(enum log_level level);
/* Are its lines records of the journal, with fields? */
bool log_is_native(void);
/* "master", "worker 3": stands in every line from now on. Copied. */
void log_set_role(const char *role);

void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* An event with facts. `message_id`: 32 hex digits of the catalogue, or NULL. In lines only the
 * text is written; it should name what matters. */
void log_event(enum log_level level, const char *message_id, const struct log_field *fields,
	size_t nfields, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* "FILE:LINE: text" of an error record. */
void log_err(enum log_level level, const struct err *e);

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_write(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* A budget of `burst` lines every ten seconds for one kind of event; zero-initialise but for the
 * burst, one for each place. */
struct log_rate {
	unsigned burst;
	unsigned used;
	unsigned suppressed;
	int64_t window_ms; /* start of the window, clock_ms() */
};
/* True if the event may be logged now. When a new window opens and lines were left out before, it
 * logs how many first ("37 more like the next one were left out"). */
bool log_rate_pass(struct log_rate *rate);
/* Logs how many lines about `what` ("failed handshakes") were left out, if their window is over and
 * nobody said so yet: for those after which nothing more comes. */
void log_rate_review(struct log_rate *rate, const char *what);

/* Opens the journal's socket if that is not done, for log_journal() after privileges have gone.
 * False: there is no journal. */
bool log_journal_open(void);
/* One record to the journal with a field each, besides MESSAGE; used by the access log.
 * Where the journal was not opened it is lost. */
void log_journal(int priority, const char *message_id, const struct log_field *fields,
	size_t nfields, struct str message);

#endif
