/* One accepted connection, from accept to close: its budget, its deadlines, its protocol.
 *
 *    PROXY ----> HANDSHAKE --> IDLE <--> HEADER --> BODY --> RESPONSE
 *       |            |          | ^         |         |       |  |
 *       |            |          | +---------|---------|-------+  |
 *       |            v          v           v         v          v
 *       |         CLOSING (tls/closing decides how) --+
 *       +---------------------------------------------+--> gone: one close event, counters
 *
 * PROXY: the header of a proxy is awaited, where the listener takes them (protocol/admit). IDLE: no
 * byte of the next request is here; HEADER: some are; BODY: its content is read and dropped;
 * RESPONSE: its response waits for the socket. Each state has a deadline, and none of them can be
 * left without conn_close_*(). `doing` names the station in every log line. */
#ifndef LATCH_PROTOCOL_CONN_H
#define LATCH_PROTOCOL_CONN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "http/body.h"
#include "http/head.h"
#include "net/loop.h"
#include "protocol/access.h"
#include "protocol/rate.h"
#include "protocol/stream.h"
#include "tls/closing.h"
#include "tls/session.h"

struct board;
struct board_slot;
struct filecache;
struct sock_range;
struct h2;
struct ssl_ctx_st;
struct tally;

struct conn_timeouts {
	int64_t handshake_ms; /* from accept, in all */
	int64_t header_ms;    /* from the first byte of a head to its end, in all */
	int64_t body_ms;      /* between two pieces of a request body */
	int64_t idle_ms;      /* before the first byte of a head */
	int64_t write_ms;     /* between two pieces that the peer takes */
};

struct conn_limits {
	unsigned connections; /* a worker */
	struct head_limits head;
	int64_t body_size;
	unsigned streams;                 /* of an HTTP/2 connection at a time */
	uint64_t requests_per_connection; /* 0: no limit */
	unsigned connections_per_address; /* of all workers of the generation; 0: no limit */
	int64_t min_rate;                 /* bytes a second of a body or response; 0: any */
};

enum {
	CONN_OUTPUT_MAX = 64 * 1024, /* head and content that are sealed and sent at a time */
	CONN_HEAD_MAX = 16 * 1024,   /* the head of a response */
	CONN_SHED_MAX = 16,          /* idle connections that conn_shed_idle() ends at a time */
	/* Bytes, and reads of at most SESSION_READ_MAX bytes: then others have their turn. A
	 * quarter of it costs an eighth more CPU time for large files: caches and the kernel's
	 * queues like long stretches. */
	CONN_SENT_A_TURN = 1024 * 1024,
	CONN_READS_A_TURN = 64,
	/* Requests, whatever they cost. With 128 connections that pipeline small ones as fast as
	 * they can, others wait a tenth of a second; without a limit they gave up after fifteen. */
	CONN_REQUESTS_A_TURN = 32,
};

/* What the worker knows of a listener that connections need; borrowed by them. */
struct conn_listener {
	const char *name;
	struct ssl_ctx_st *context; /* NULL: plain */
	const struct closing_policy *policy;
	void *routes;   /* for route_fn and dress_fn */
	unsigned place; /* board_listener() of it */
	bool proxy_protocol;
	const struct sock_range *trusted; /* who may send a PROXY header */
	size_t ntrusted;
};

/* What all connections of a worker share; part of struct worker. */
struct conn_env {
	struct loop *loop;
	struct session_env io;
	const struct board *board;
	struct board_slot *counters; /* the worker's own slot */
	struct tally *tally;         /* NULL: connections by address are not limited */
	const struct conn_timeouts *timeouts;
	const struct conn_limits *limits;
	struct filecache *files;
	route_fn *route;
	dress_fn *dress; /* NULL: nothing is added */
	/* Name and access log of what tls/sites or a route chose; NULL: nothing was chosen. */
	void (*site_facts)(const struct conn_env *, const void *site, struct str *ret_name,
		struct access_log **ret_log);
	void (*on_gone)(struct conn_env *); /* after a connection has ended */
	unsigned worker, generation;
	bool draining; /* answer with Connection: close */
	int64_t idle_linger_ms;
	bool timed;     /* some access log is on: take times */
	bool log_dirty; /* lines were written since the worker looked */
	struct log_rate peer_trouble, handshake_trouble;
	struct conn *all; /* list of the live ones */
	unsigned live;
	struct stream *spare; /* kept for the next requests */
	unsigned nspare;
	char *input;  /* SESSION_READ_MAX bytes to read into */
	char *output; /* CONN_OUTPUT_MAX bytes: records in the making */
};

/* What is spoken on a connection: a driver. */
struct conn_protocol {
	bool has_many_streams; /* at a time */
	/* Goes as far as input and output allow. `readable`: the socket has something to read; else
	 * only what was received already is looked at. The connection may be gone afterwards. */
	void (*run)(struct conn *c, bool readable);
	/* The deadline of IDLE, HEADER, BODY or RESPONSE passed. It may be gone afterwards. */
	void (*timeout)(struct conn *c);
	/* The worker is draining, and the connection is busy; called every now and then. It may be
	 * gone afterwards. */
	void (*drain)(struct conn *c);
	/* Writes the last words of a connection that is about to be closed; may flush nothing. */
	void (*goodbye)(struct conn *c);
	/* Nothing more will be said: frees what the driver keeps. Idempotent. */
	void (*done)(struct conn *c);
};

/* What HTTP/1.1 keeps of a connection. */
struct conn_h1 {
	struct buf in; /* received, not yet parsed; empty (no memory) between turns when idle */
	struct head_scan scan;
	struct body_decoder body;
	bool keep_alive; /* after the response under way */
};

enum conn_state {
	CONN_PROXY,
	CONN_HANDSHAKE,
	CONN_IDLE,
	CONN_HEADER,
	CONN_BODY,
	CONN_RESPONSE,
	CONN_CLOSING
};

struct conn {
	struct watch watch; /* first: the loop gives it back */
	struct timer timer;
	struct session session;
	struct closing closing;
	struct conn_env *env;
	const struct conn_listener *listener;
	struct conn *next, **link; /* in env->all */
	enum conn_state state;
	const char *doing;
	const struct conn_protocol *protocol;
	union {
		struct conn_h1 h1;
		struct h2 *h2;
	};
	struct stream
		*streams; /* requests being served, the last one first; HTTP/1.1: one or none */
	bool timed_out;   /* a deadline of ours is why it ends */
	bool counted;     /* in env->tally */
	bool is_idle_end; /* nothing was asked when we closed it: see env->idle_linger_ms */
	struct rate rate;
	uint64_t requests;
	uint64_t content_sent;
	uint64_t bytes_counted; /* of session.bytes_out, on the board */
	int64_t opened_us;
	struct sockaddr_storage peer;
};

int conn_env_init(struct conn_env *env, bool nosignal);
void conn_env_done(struct conn_env *env);

/* Takes the descriptor in any case. False: out of memory, closed. */
bool conn_open(struct conn_env *env, const struct conn_listener *listener, int fd,
	const struct sockaddr_storage *peer);
/* Ends connections that have been idle or silent (nothing of a request has come, not even to the
 * kernel) for at least `idle_ms`, with close_notify. Their peers have half of that to end as well,
 * or what the policy says if that is less: no answer is at stake. */
void conn_close_idle(struct conn_env *env, int64_t idle_ms);
/* Ends at once, with close_notify, up to CONN_SHED_MAX of the connections that have been idle for
 * longest, to make room; how many. */
unsigned conn_shed_idle(struct conn_env *env);
/* Ends every connection now, as far as the socket takes it. */
void conn_close_all(struct conn_env *env);

/* For the protocol drivers. */

/* Moves to a state: arms its deadline and watches for `events`. */
void conn_enter(struct conn *c, enum conn_state state, const char *doing, unsigned events);
/* The same with a deadline of the driver's own. */
void conn_await(struct conn *c, enum conn_state state, const char *doing, unsigned events,
	int64_t deadline_ms);
/* Progress within the state: its deadline starts anew. */
void conn_touch(struct conn *c);
/* Begins the end by tls/closing; the connection may be gone when this returns. */
void conn_close(struct conn *c);
/* The peer takes nothing: reported and cut off. Gone when this returns. */
void conn_stuck(struct conn *c);
/* Has the peer broken the strict policy by an end like this? It sent FIN without close_notify, or
 * no close_notify within all of linger after ours; that a deadline of ours passed before is no
 * breach. */
bool conn_is_breach(const struct conn *c, enum closure how);
/* The session ended by itself: IO_EOF, IO_TRUNCATED, IO_RESET, IO_FAIL. Gone when this returns. */
void conn_abort(struct conn *c, enum io_status status);
#endif
