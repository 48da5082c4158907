/* The counters of the board and the ends of certificates as text for Prometheus, version 0.0.4.
 * The families are those of metrics.def. */
#ifndef LATCH_HANDLER_METRICS_H
#define LATCH_HANDLER_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/stream.h"

struct metrics_certificate {
	const char *site;  /* borrowed; each name once */
	int64_t not_after; /* seconds since 1970 */
};

struct metrics_options {
	struct metrics_certificate *certificates; /* owned by the configuration */
	size_t ncertificates;
	struct metrics_crl {
		const char *issuer;  /* borrowed; each once */
		int64_t next_update; /* seconds since 1970 */
	} * crls;                    /* owned by the configuration */
	size_t ncrls;
};

handler_fn metrics_handle; /* options: struct metrics_options */

#endif
