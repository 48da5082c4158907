/* Which files were read, and a digest (SHA-256) of what was in them: whether two readings saw the
 * same. */
#ifndef LATCH_TLS_DIGEST_H
#define LATCH_TLS_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DIGEST_SIZE = 32 };

/* What stat(2) said of a file; as long as it says the same, the content is. All zero: not known. */
struct digest_stamp {
	uint64_t device, inode;
	int64_t size, modified_ns, changed_ns;
};

struct digest {
	char *path; /* owned */
	unsigned char hash[DIGEST_SIZE];
	/* Set by file_read(): */
	bool is_tls;
	struct digest_stamp stamp;
};

/* Zero-initialise. */
struct digest_list {
	struct digest *v;
	size_t n, cap;
};

/* 0; -1: out of memory. */
int digest_list_add(struct digest_list *l, const char *path, const void *p, size_t n);
/* The same with the digest given. */
int digest_list_add_hash(
	struct digest_list *l, const char *path, const unsigned char hash[DIGEST_SIZE]);
/* After the last add: makes one of files that were added more than once. Returns the path of one
 * that was not the same each time, or NULL. */
const char *digest_list_finish(struct digest_list *l);
/* After finish; NULL: that file was not read. */
const struct digest *digest_list_find(const struct digest_list *l, const char *path);
/* The path of a file of `l` that `other` does not have with the same digest, or NULL. */
const char *digest_list_differs(const struct digest_list *l, const struct digest_list *other);
void digest_list_done(struct digest_list *l); /* NULL is fine */

#endif
