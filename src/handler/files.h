/* Static files under a root descriptor: openat2(RESOLVE_BENEATH), no dotfiles, no link that leads
 * out; index, media types, validators, ranges, directory redirects. */
#ifndef LATCH_HANDLER_FILES_H
#define LATCH_HANDLER_FILES_H

#include <stddef.h>

#include "protocol/stream.h"

struct files_options {
	char *root;   /* path, for people */
	char **index; /* file names, in order */
	size_t nindex;
	char **try; /* paths with $path, in order; none: "$path" alone */
	size_t ntry;
	char *cache_control; /* "": no such field */
	bool listing, precompressed, compress;
	int root_fd; /* O_PATH or O_RDONLY directory, opened by config/open; -1: not open */
};

handler_fn files_handle; /* options: struct files_options */

#endif
