/* What the fuzz targets share: the entry that libFuzzer and replay.c call, and a check that no
 * build leaves out. A target states what must hold for any input; a crash is not the only failure.
 */
#ifndef LATCH_TESTS_FUZZ_H
#define LATCH_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define check(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__,          \
				#condition);                                                       \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* A number that depends on all of the input: where to cut it. */
static inline size_t fuzz_hash(const uint8_t *data, size_t size)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < size; i++)
		h = (h ^ data[i]) * 0x100000001b3u;
	return (size_t)(h ^ h >> 32);
}

#endif
