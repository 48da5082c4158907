/* The entries of a directory, read and sorted piece by piece, so that a large one can be read over
 * many turns: each is put into a heap as it comes, and taken out of it in order. */
#ifndef LATCH_HANDLER_DIRECTORY_H
#define LATCH_HANDLER_DIRECTORY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

enum { DIRECTORY_MAX = 200000 /* entries that are read at most */ };

enum directory_sort { DIRECTORY_BY_NAME, DIRECTORY_BY_SIZE, DIRECTORY_BY_DATE };

struct directory_order {
	enum directory_sort sort;
	bool descending; /* directories come first all the same */
};

struct entry {
	const char *name; /* as long as the directory is open */
	uint64_t size;
	int64_t mtime;
	bool is_directory;
};

struct directory;

/* What a symbolic link leads to, 0, or -1: nothing that may be shown. */
typedef int directory_follow_fn(void *arg, const char *name, struct stat *ret);

/* Takes the descriptor in any case; NULL with errno. */
struct directory *directory_open(
	int fd, struct directory_order order, directory_follow_fn *follow, void *arg);
void directory_close(struct directory *d); /* NULL is fine */
/* Reads up to n more entries: files and directories whose names do not begin with a dot. 1: there
 * may be more, 0: that was all, -1: it cannot be read, with errno. */
int directory_read(struct directory *d, unsigned n);
/* Have more than DIRECTORY_MAX been there? */
bool directory_is_cut(const struct directory *d);
/* How many there are, not taken out yet. */
unsigned directory_left(const struct directory *d);
/* Takes the first one out; false: none is left. */
bool directory_take(struct directory *d, struct entry *ret);

/* The order of names that people expect: "file9" before "File10". Never 0 for different names. */
int directory_compare_names(const char *a, const char *b);

#endif
