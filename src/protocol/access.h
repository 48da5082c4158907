/* Access log lines: common, combined, JSON; and the closure and handshake events. Lines gather in a
 * buffer and are written when it is half full or, at the latest, 100 ms after the first. */
#ifndef LATCH_PROTOCOL_ACCESS_H
#define LATCH_PROTOCOL_ACCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/buf.h"
#include "base/log.h"

enum access_format { ACCESS_COMMON, ACCESS_COMBINED, ACCESS_JSON };

enum {
	ACCESS_PENDING_MAX = 64 * 1024,
	ACCESS_PENDING_FLUSH = 32 * 1024,
	/* Longer values are cut, so that a line is always shorter than the buffer. */
	ACCESS_TARGET_MAX = 8 * 1024,
	ACCESS_VALUE_MAX = 2 * 1024,
};

/* A log file, shared by all sites that name the same path; opened by config/open. */
struct log_file {
	char *path;
	int fd;
	struct buf pending; /* the worker's; lines not yet written; zeroed is fine */
	bool failed;        /* the last write failed and that was reported */
	time_t clf_second;  /* what `clf` says; lines of one second share its text */
	char clf[27];
};

struct access_log {
	enum log_target target; /* OFF, STDERR, JOURNAL, FILE */
	enum access_format format;
	char *path;            /* with FILE */
	struct log_file *file; /* with FILE; of the configuration's list */
};

/* A value whose p is NULL is absent: "-" in lines, null in JSON. Text of the client is escaped:
 * whatever it holds, it cannot begin a line of its own. */
struct access_request {
	struct str client, site, method, target, protocol, referer, user_agent;
	int status; /* 0: the client had gone before there was an answer */
	uint64_t bytes, duration_us;
	struct str tls_version, tls_cipher;
	int tls_resumed;              /* -1: plain connection */
	struct str tls_client_verify; /* "ok", "none"; p NULL: no certificate was asked for */
	struct str tls_client_subject, tls_client_names, tls_client_fingerprint; /* p NULL: none */
	unsigned worker, generation;
	uint64_t stream; /* number of the request on its connection, from 1 */
	int64_t wall_ms; /* when it was received */
};

struct access_close {
	struct str client, site, closure;
	uint64_t requests, bytes, duration_us;
	int64_t wall_ms;
};

struct access_handshake {
	struct str client, sni, reason;
	struct str versions, groups; /* that the client offered, in words */
	struct str ja4;              /* p NULL: there was no whole ClientHello */
	int alert;                   /* -1: none */
	struct str alert_by;         /* "client" or "server"; p NULL: none */
	int64_t wall_ms;
};

void access_write_request(struct access_log *log, const struct access_request *r);
/* JSON format and journal only; other formats have no line for these two. */
void access_write_close(struct access_log *log, const struct access_close *c);
void access_write_handshake(struct access_log *log, const struct access_handshake *h);
/* Writes what gathered; a write that fails is reported once and the lines are dropped. */
void access_flush(struct log_file *file);

#endif
