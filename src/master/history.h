/* The last minutes on the board, for those who look at it only now. */
#ifndef LATCH_MASTER_HISTORY_H
#define LATCH_MASTER_HISTORY_H

#include <systemd/sd-event.h>

struct board;

/* Zero-initialise. */
struct history {
	sd_event *event;
	struct board *board;
	sd_event_source *timer;
};

void history_start(struct history *h, sd_event *event, struct board *b);
void history_stop(struct history *h);

#endif
