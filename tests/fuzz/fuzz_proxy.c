/* PROXY headers: what a prefix of the input says must fit what the whole of it says. */
#include <string.h>

#include "fuzz.h"
#include "protocol/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data, *reason = NULL;
	struct proxy_header whole, part;
	size_t used = 0, part_used = 0, cut = size ? fuzz_hash(data, size) % size : 0;
	enum parse_status status = proxy_parse(p, size, &whole, &used, &reason), early;

	early = proxy_parse(p, cut, &part, &part_used, &reason);
	if (status == PARSE_DONE) {
		check(used > 0 && used <= size && used <= PROXY_HEADER_MAX);
		check(whole.is_own || whole.source.ss_family != AF_UNSPEC);
		check(early == (cut < used ? PARSE_MORE : PARSE_DONE));
		check(cut < used || memcmp(&whole, &part, sizeof whole) == 0);
	}
	check(status != PARSE_MORE || (early == PARSE_MORE && size < PROXY_HEADER_MAX));
	check(status != PARSE_BAD || reason);
	check(early != PARSE_DONE || status == PARSE_DONE);
	return 0;
}
