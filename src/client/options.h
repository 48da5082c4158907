/* What the command line of latch says. */
#ifndef LATCH_CLIENT_OPTIONS_H
#define LATCH_CLIENT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "tls/closing.h"

/* AUTO: when standard error is a terminal and the content goes to a file. */
enum options_progress { OPTIONS_PROGRESS_AUTO, OPTIONS_PROGRESS_ON, OPTIONS_PROGRESS_OFF };

enum { OPTIONS_HOST_SIZE = 256, OPTIONS_TIMEOUT_MS = 30000 };

/* Text points into argv. */
struct options {
	const char *output; /* NULL: standard output */
	bool with_head;
	bool head_only;
	bool fail;
	bool verbose;
	bool quiet;
	const char *ca; /* NULL: the system's */
	bool insecure;
	char connect_host[OPTIONS_HOST_SIZE]; /* "": the URL's; no brackets */
	unsigned connect_port;                /* 0: the URL's */
	enum closing_mode shutdown;
	int timeout_ms;
	enum options_progress progress;
	bool help;
	bool version;
	char **urls; /* the list is owned, the text is not */
	size_t nurls;
};

/* Options and URLs in any order; "--" ends the options; "-oFILE", "-ik", "--ca=FILE" are
 * understood. -1 with ERR_USAGE: an unknown option (the nearest known one is named), a missing or
 * malformed argument, options that exclude each other, no URL. With -h or -V nothing else is asked
 * for. options_done() afterwards, after a failure too. */
int options_parse(struct options *o, int argc, char **argv, struct err *e);
void options_done(struct options *o);
/* The text of -h, with the exit codes. False: out of memory. */
bool options_usage(struct buf *out);

#endif
