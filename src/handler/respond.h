/* A fixed answer. */
#ifndef LATCH_HANDLER_RESPOND_H
#define LATCH_HANDLER_RESPOND_H

#include "protocol/stream.h"

struct respond_options {
	int status;
	char *text; /* "": an empty content, or from 400 on our page for the status */
	char *type; /* media type of the text */
};

handler_fn respond_handle; /* options: struct respond_options */

#endif
