/* Messages between the master and one worker over a SOCK_SEQPACKET pair. End of file: the other
 * one is dead. Receivers check size and type before use. */
#ifndef LATCH_IPC_CHANNEL_H
#define LATCH_IPC_CHANNEL_H

#include <stdint.h>

#include "base/err.h"

enum channel_type {
#define MESSAGE(name, payload, direction) CHANNEL_##name,
#include "ipc/messages.def"
#undef MESSAGE
	CHANNEL_TYPES
};

struct channel_message {
	uint32_t type;  /* enum channel_type */
	uint32_t value; /* idle_ms or index; else 0 */
};

/* Non-blocking, close-on-exec; [0] the master's end, [1] the worker's. */
int channel_open(int ret_fds[2], struct err *e);
/* `fd` -1: none rides along. -1 with errno. */
int channel_send(int channel, enum channel_type type, uint32_t value, int fd);
/* 1: a message (*ret_fd: a descriptor that is now the caller's, or -1); 0: nothing now; -1: the
 * other end is gone, or sent something malformed. */
int channel_receive(int channel, struct channel_message *ret, int *ret_fd);

#endif
