/* One accepted connection, from accept to close: its budget, its deadlines, its protocol.
 *
 *   HANDSHAKE --> HEADER <--> SERVE --> CLOSING --> gone
 *        |           |          |          ^
 *        +-----------+----------+----------+   every way out leads through tls/closing
 *
 * HEADER covers idle between requests and a head in progress; SERVE a request whose body is read or
 * whose response is written. `doing` names the station in every log line. */
#ifndef LATCH_PROTOCOL_CONN_H
#define LATCH_PROTOCOL_CONN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "http/head.h"
#include "net/loop.h"
#include "protocol/access.h"
#include "protocol/stream.h"
#include "tls/closing.h"
#include "tls/session.h"

struct board;
struct board_slot;
struct ssl_ctx_st;

struct conn_timeouts {
	int64_t handshake_ms, header_ms, body_ms, idle_ms, write_ms;
};

struct conn_limits {
	unsigned connections; /* a worker */
	struct head_limits head;
	int64_t body_size;
	uint64_t requests_per_connection; /* 0: no limit */
};

#endif
