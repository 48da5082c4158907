/* What the end of a connection means for the message that came over it: a pure decision.
 *
 * A message is whole by its framing or, when the end of the connection is its end, by the peer's
 * close_notify. Lenient takes a FIN for the end of such a message with a warning; strict never
 * does, and wants the close_notify behind a message that is whole by its framing as well. A message
 * cut short inside its head, length or chunk is never taken for a whole one (CLOSURE in latch(1);
 * RFC 9112 section 8, RFC 8446 section 6.1). */
#ifndef LATCH_CLIENT_VERDICT_H
#define LATCH_CLIENT_VERDICT_H

#include "client/outcome.h"
#include "tls/closing.h"

/* How far the message had come. */
enum verdict_stage {
	VERDICT_SILENT,      /* no byte of an answer */
	VERDICT_HEAD,        /* inside the head */
	VERDICT_CONTENT,     /* inside a length, a chunk or the trailers */
	VERDICT_UNTIL_CLOSE, /* in content that the connection's end delimits */
	VERDICT_WHOLE,       /* behind the end that the framing says */
	VERDICT_STAGES
};

struct verdict {
	enum outcome outcome;
	const char *sentence; /* static; NULL: nothing to say. With OK it is a warning */
	enum closure closure; /* how the connection ended, for the report */
};

/* `end`: IO_EOF, IO_TRUNCATED, IO_RESET, IO_FAIL; IO_WANT_READ: nothing came until the deadline. On
 * a plain connection a FIN is IO_EOF, and both modes are the same. */
struct verdict verdict_of(enum verdict_stage stage, enum io_status end, enum closing_mode mode);

#endif
