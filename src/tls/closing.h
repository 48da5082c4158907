/* How a connection ends, as a policy and a state machine (RFC 8446 section 6.1).
 *
 *            closing_start()                      all flushed
 *   OPEN ---------------------> FLUSH ------------------------------> LINGER ---> DONE
 *     |    close_notify written   |  shutdown(SHUT_WR): our FIN          |
 *     |    behind the last data   |                                      | close_notify: CLEAN
 *     | RST, fatal alert          | write deadline: TIMEOUT              | FIN alone:    TRUNCATED
 *     v                           v RST: RESET                           | RST:          RESET
 *   DONE                        DONE                                     | linger over:  strict
 *                                                                        |   TIMEOUT, lenient LOCAL
 *
 * Both modes send close_notify and both linger, so that no RST of ours destroys an answer on its
 * way: lenient to read and drop, strict to see the peer's close_notify. Nothing is waited for once
 * the peer's side is known to have ended. */
#ifndef LATCH_TLS_CLOSING_H
#define LATCH_TLS_CLOSING_H

#include <stdbool.h>
#include <stdint.h>

#include "tls/session.h"

enum closing_mode { CLOSING_LENIENT, CLOSING_STRICT };

struct closing_policy {
	enum closing_mode mode;
	int64_t linger_ms;
};

enum closure {
	CLOSURE_NONE,
	CLOSURE_CLEAN,
	CLOSURE_TRUNCATED,
	CLOSURE_RESET,
	CLOSURE_TIMEOUT,
	CLOSURE_LOCAL,
	CLOSURE_COUNT
};
const char *closure_name(enum closure c); /* "clean", ... */

enum closing_state { CLOSING_OPEN, CLOSING_FLUSH, CLOSING_LINGER, CLOSING_DONE };

struct closing {
	enum closing_state state;
	enum closure closure; /* with CLOSING_DONE; also set early by a deadline of ours */
	bool early_timeout;   /* the closure is TIMEOUT whatever comes */
};

/* What the owner waits for now. */
enum closing_wait {
	CLOSING_WAIT_WRITE, /* until the write deadline */
	CLOSING_WAIT_READ,  /* until linger is over */
	CLOSING_WAIT_NOTHING,
};

/* Begins the end and goes as far as it can; `by_deadline`: a deadline of ours is the reason. */
enum closing_wait closing_start(struct closing *c, struct session *s, bool by_deadline);
/* The descriptor is ready. */
enum closing_wait closing_continue(struct closing *c, struct session *s);
/* The deadline of the current wait passed: the state is DONE. */
void closing_expire(struct closing *c, const struct session *s, const struct closing_policy *p);
/* The session ended by itself with `status` (IO_EOF, IO_TRUNCATED, IO_RESET, IO_FAIL) and nothing
 * is to be sent. */
void closing_abort(struct closing *c, const struct session *s, enum io_status status);

#endif
