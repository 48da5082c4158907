/* What latch says to people, on standard error: errors, warnings, and with -v what happens on the
 * connection. Lines of facts begin with "* ", of the request with "> ", of the answer with "< ".
 *
 * What a peer sent is shown with its control characters, and bytes that are no UTF-8, as "\xHH", so
 * that it cannot drive the terminal. A progress bar is cleared before each line. */
#ifndef LATCH_CLIENT_REPORT_H
#define LATCH_CLIENT_REPORT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"
#include "client/link.h"
#include "client/progress.h"
#include "client/verdict.h"

struct report {
	int fd; /* borrowed */
	bool verbose;
	bool quiet;                /* no warnings */
	bool silent;               /* for now, neither errors nor warnings: a record will tell */
	struct progress *progress; /* borrowed; may be NULL */
};

/* "latch: SUBJECT: text"; `subject` (a URL, a file) may be NULL. Always written, but for
 * `silent`. */
void report_error(struct report *r, const char *subject, const char *text);
/* "latch: warning: SUBJECT: text". */
void report_warning(struct report *r, const char *subject, const char *text);
/* "latch: text", unless quiet. */
void report_note(struct report *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* `s` as a terminal may get it: controls, and what is no UTF-8, as "\xHH". */
void report_append_safe(struct buf *out, struct str s);
/* A line as it is. */
void report_record(struct report *r, const struct buf *line);
/* "* text", with -v. */
void report_fact(struct report *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Every line of the text behind the mark: '*', '>' or '<', with -v. */
void report_lines(struct report *r, char mark, struct str text);
/* Address, and with TLS version, cipher, resumption, ALPN and certificate, with -v. */
void report_link(struct report *r, const struct link *l);
/* How the connection ended, with -v. */
void report_closure(struct report *r, enum closure closure, bool tls);

#endif
