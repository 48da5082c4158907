/* The text of a configuration: the main file with every @include put in its place, and a map from
 * the lines of that text to files and lines. libconfig never opens a file itself: 1.5 refuses
 * absolute names, ends the process when a name is a directory, and reads a file that we have read
 * already. */
#ifndef LATCH_CONFIG_SOURCE_H
#define LATCH_CONFIG_SOURCE_H

#include <stddef.h>

#include "base/buf.h"
#include "config/config.h"
#include "config/findings.h"

enum { SOURCE_MAX = 8 << 20, SOURCE_DEPTH_MAX = 10, SOURCE_INCLUDES_MAX = 10000 };

struct config_source {
	struct buf text; /* terminated by buf_cstring() */
	struct source_segment {
		int line; /* first line of the text that it holds for */
		struct config_place place;
	} * segments;
	size_t nsegments, cap;
	const char *directory; /* that relative names are relative to; of the configuration */
};

/* Reads c->path. The names of the files go into c->files. -1: what was wrong is in `f`. */
int source_read(struct config_source *s, struct config *c, struct findings *f);
/* The same with the main file's content given. */
int source_read_text(
	struct config_source *s, struct config *c, const char *text, size_t n, struct findings *f);
/* The text that `before` was made of, and what is known of its files, whatever they hold by now. */
int source_read_again(
	struct config_source *s, struct config *c, const struct config *before, struct findings *f);
void source_done(struct config_source *s);

/* Where a line of the text stands. */
struct config_place source_place(const struct config_source *s, int line);

#endif
