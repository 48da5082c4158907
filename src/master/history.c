/* A timer that takes samples. The ring they go to is the board's: it outlives generations, and
 * every worker can show it. */
#include "master/history.h"

#include "ipc/board.h"
#include "master/delay.h"

static int on_time(sd_event_source *s, uint64_t now, void *data)
{
	struct history *h = data;

	(void)s;
	(void)now;
	board_take_sample(h->board);
	delay_set(h->event, &h->timer, BOARD_SAMPLE_MS, on_time, h);
	return 0;
}

void history_start(struct history *h, sd_event *event, struct board *b)
{
	*h = (struct history){ .event = event, .board = b };
	board_take_sample(b);
	delay_set(event, &h->timer, BOARD_SAMPLE_MS, on_time, h);
}

void history_stop(struct history *h)
{
	delay_stop(&h->timer);
}
