/* The words on the control socket, between the master and `latchd ctl`: a stream socket of the unix
 * domain, one request a connection.
 *
 * A request is one line: "reload", "status", "status json", "stop", "reopen-logs", "upgrade". The
 * reply is lines, the first byte of which says what they are:
 *
 *   +TEXT   for standard output
 *   -TEXT   for standard error
 *   =CODE   the end, with the exit code in decimal
 *
 * In TEXT there are no control bytes. A connection that ends before "=" has no answer. */
#ifndef LATCH_NET_CONTROL_H
#define LATCH_NET_CONTROL_H

#define CONTROL_PATH "/run/latchd/control.sock"

enum {
	CONTROL_REQUEST_MAX = 64, /* with its line end */
	CONTROL_REPLY_MAX = 16 << 20,
	CONTROL_PATH_MAX = 107, /* what sun_path holds */
};

#define CONTROL_OUTPUT '+'
#define CONTROL_ERROR '-'
#define CONTROL_END '='

#endif
