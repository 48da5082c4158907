/* Handovers: what is understood is exactly what would be written. */
#include <string.h>

#include "fuzz.h"
#include "master/handover.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct handover h;
	struct buf out;
	struct err e;

	if (handover_unpack((struct str){ (const char *)data, size }, &h, &e) < 0) {
		check(e.code == ERR_INTERNAL && e.text[0]);
		return 0;
	}
	buf_init(&out, 0);
	check(handover_pack(&h, &out, &e) == 0);
	check(buf_len(&out) == size && memcmp(buf_head(&out), data, size) == 0);
	buf_done(&out);
	handover_done(&h);
	return 0;
}
