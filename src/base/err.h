/* The error record of the cold paths: configuration, contexts, sockets, reload.
 *
 * A function that can fail takes a `struct err *` last and returns 0 or -1. It fills the record
 * only on failure; a caller may put context in front with err_wrap(); only the top logs. */
#ifndef LATCH_BASE_ERR_H
#define LATCH_BASE_ERR_H

/* Exit codes of latchd, sysexits(3). They double as error codes, so that every error knows with
 * which status the program ends. */
enum err_code {
	ERR_NONE = 0,
	ERR_USAGE = 64,
	ERR_UNAVAILABLE = 69, /* cannot bind, cannot reach */
	ERR_INTERNAL = 70,
	ERR_SYSTEM = 71,
	ERR_TEMPORARY = 75, /* not now, try later */
	ERR_PERMISSION = 77,
	ERR_CONFIG = 78,
};

struct err {
	enum err_code code;
	int line;       /* of `file`; 0: none */
	char file[256]; /* "": the error has no place in a file */
	char text[512]; /* one sentence, no capital needed, no full stop, no newline */
};

/* Fill the record (truncating what does not fit) and return -1. `e` may be NULL. */
int err_set(struct err *e, enum err_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same with a place; `file` may be NULL. */
int err_at(struct err *e, enum err_code code, const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/* The same, with ": " and the text of `errnum` behind. */
int err_errno(struct err *e, enum err_code code, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Put context and ": " in front of the text of a filled record; returns -1. */
int err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "FILE:LINE: text" or "text", into `dst`, always terminated. Returns dst. */
const char *err_format(const struct err *e, char *dst, unsigned long size);

#endif
