/* Conditional requests and ranges as pure decisions (RFC 9110 sections 8.8, 13 and 14). */
#ifndef LATCH_HTTP_PRECOND_H
#define LATCH_HTTP_PRECOND_H

#include <time.h>

#include "http/message.h"

/* The validators of the selected representation. */
struct validators {
	struct str etag; /* with its quotes; always strong here */
	time_t last_modified;
};

enum precond { PRECOND_PASS, PRECOND_NOT_MODIFIED, PRECOND_FAILED };

/* If-Match, If-Unmodified-Since, If-None-Match, If-Modified-Since in the order of RFC 9110 section
 * 13.2.2. An invalid date is ignored. */
enum precond precond_evaluate(const struct request *req, const struct validators *v);

enum range_result { RANGE_WHOLE, RANGE_PART, RANGE_UNSATISFIABLE };

enum { RANGES_MAX = 32 }; /* in one request */

/* Bytes [first, last]. */
struct range {
	uint64_t first, last;
};

/* The Range field of a GET against a representation of `size` bytes: WHOLE when there is none, it
 * is malformed, of another unit, of more than RANGES_MAX ranges, or If-Range says so. PART:
 * *ret_n ranges, 1 or more, in the order asked for; ranges that overlap or touch have become one,
 * so that no byte is in two of them, and those that cannot be satisfied are left out. */
enum range_result precond_ranges(const struct request *req, const struct validators *v,
	uint64_t size, struct range ret[RANGES_MAX], unsigned *ret_n);

/* A strong ETag from what identifies a file's content: "\"<mtime-ns hex>-<size hex>\"", terminated.
 */
enum { ETAG_SIZE = 48 };
struct str precond_format_etag(char dst[ETAG_SIZE], int64_t mtime_s, long mtime_ns, uint64_t size);

#endif
