/* Looks at one server from the outside, many connections long, and writes down what it sees; what
 * that is worth is for client/judge. */
#ifndef LATCH_CLIENT_PROBE_H
#define LATCH_CLIENT_PROBE_H

#include "client/options.h"
#include "client/outcome.h"
#include "client/place.h"
#include "net/sock.h"
#include "tls/closing.h"
#include "tls/probe.h"

enum { PROBE_VERSIONS = 4, PROBE_GROUPS = 7, PROBE_NAMES_MAX = 100, PROBE_RESUMPTIONS = 2 };

/* UNKNOWN: not asked, or no answer that says either. */
enum probe_state { PROBE_UNKNOWN, PROBE_ACCEPTED, PROBE_REFUSED };

struct probe_version {
	const char *name; /* "1.3" */
	enum probe_state state;
	char cipher[64], group[32]; /* what the server chose */
};

struct probe_group {
	const char *name;
	enum probe_state state;
};

struct probe_name {
	char type[4]; /* "DNS", "IP" */
	char text[PROBE_TEXT_SIZE];
	bool matches;
};

struct probe_resumption {
	const char *version;
	unsigned connections; /* after the first; 0: not asked */
	unsigned offered;     /* of them had a session to offer */
	unsigned resumed;
};

struct probe {
	char host[OPTIONS_HOST_SIZE];
	char address[SOCK_TEXT_SIZE];
	enum outcome reached; /* of the first connection; OK: the handshake was done */
	char error[512];
	struct probe_chain chain;
	bool has_identity;
	size_t nnames;
	struct probe_name name[PROBE_NAMES_MAX];
	struct probe_version version[PROBE_VERSIONS];
	struct probe_group group[PROBE_GROUPS];
	struct probe_resumption resumption[PROBE_RESUMPTIONS];
	bool has_h2;
	enum outcome asked; /* of the request; OK: the answer was whole */
	char asked_error[512];
	int status;
	char protocol[16];
	bool has_hsts;
	char hsts[PROBE_TEXT_SIZE];
	enum closure closure;
};

/* `ctx`: a client context that keeps sessions, with trust, verifying after the handshake. */
void probe_run(struct probe *p, const struct options *o, const struct place *place,
	struct ssl_ctx_st *ctx);

#endif
