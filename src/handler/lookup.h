/* From the path of a request to what is there beneath the root. */
#ifndef LATCH_HANDLER_LOOKUP_H
#define LATCH_HANDLER_LOOKUP_H

#include <sys/stat.h>

#include "handler/filecache.h"
#include "handler/files.h"

enum lookup {
	LOOKUP_FILE,      /* `file`, held */
	LOOKUP_DIRECTORY, /* of a path without a slash at its end */
	LOOKUP_BARE,      /* a directory without an index */
	LOOKUP_ERROR,     /* `status` */
};

struct lookup_result {
	struct file *file;
	struct str path;   /* of the file, or of the directory, below the root; terminated */
	struct file_id id; /* of a bare directory */
	bool is_listing;   /* `file` is one */
	int status;
};

/* What answers s->path: the first of o->try. What has to outlive the call is in the arena. */
enum lookup lookup_find(struct stream *s, const struct files_options *o, struct lookup_result *ret);
/* The file whose path has a suffix more, held; NULL: none that can be served. */
struct file *lookup_beside(
	struct stream *s, const struct files_options *o, struct str path, const char *suffix);
/* A directory to be read; -1 with errno. */
int lookup_open_directory(struct stream *s, const struct files_options *o, struct str path);
/* stat(2) beneath the root, links followed. */
int lookup_stat(const struct files_options *o, struct str path, struct stat *ret);

#endif
