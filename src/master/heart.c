/* The pulse of one worker. Refuses to compare clocks: only whether the heartbeat changes counts. */
#include "master/heart.h"

int64_t heart_listen(struct heart *h, int64_t beat, int64_t elapsed_ms)
{
	if (beat == h->beat)
		h->silent_ms += elapsed_ms;
	else
		h->silent_ms = 0;
	h->beat = beat;
	return h->silent_ms;
}
