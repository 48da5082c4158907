/* What reading, checking and opening a configuration found: as many as there are in one run. */
#ifndef LATCH_CONFIG_FINDINGS_H
#define LATCH_CONFIG_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct findings {
	struct finding {
		bool is_error; /* else a warning */
		struct err err;
	} * v;
	size_t n, cap, errors;
};

void findings_done(struct findings *f);
/* An error with the given code (ERR_CONFIG unless it is the system's fault) and place. */
void findings_error(struct findings *f, enum err_code code, const char *file, int line,
	const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void findings_warning(struct findings *f, const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* In the order of the files and lines that they are about, those without a place last, none twice.
 */
void findings_sort(struct findings *f);
/* The first error; NULL: there is none. */
const struct err *findings_first(const struct findings *f);
/* The exit code that the findings amount to: that of the first error; 0 without one. */
int findings_code(const struct findings *f);

#endif
