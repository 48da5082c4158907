/* Files that hold the beginning of a download: which representation they are a part of, so that -C
 * never joins two. The validator is kept with the file, in its extended attribute
 * user.latch.validator, until the download is whole. */
#ifndef LATCH_CLIENT_PARTIAL_H
#define LATCH_CLIENT_PARTIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "http/message.h"

enum { PARTIAL_VALIDATOR_SIZE = 256 };

struct partial {
	uint64_t size;                          /* bytes that are there */
	char validator[PARTIAL_VALIDATOR_SIZE]; /* an entity tag or a date */
};

/* False: there is no such file, nothing in it, or nobody knows what it is a part of. */
bool partial_load(const char *path, struct partial *ret);
/* The validator of an answer that may stand in If-Range (RFC 9110 section 13.1.5): a strong entity
 * tag, or a Last-Modified that is strong. p NULL: it has none. */
struct str partial_validator(const struct response_head *head);
/* Remembers it with the open file, or (p NULL) forgets. False: the file system keeps no such
 * attributes. */
bool partial_mark(int fd, struct str validator);
/* "bytes 5-9/10" of Content-Range: where the part begins, and, if it is told, the whole size (else
 * 0). "bytes * /10" (without the blank): *ret_from is UINT64_MAX. */
bool partial_parse_range(struct str value, uint64_t *ret_from, uint64_t *ret_total);

#endif
