/* One request and its answer over an open link, whatever the version of HTTP: what h1 and h2 take,
 * whom they tell, and what they leave behind for the verdict. */
#ifndef LATCH_CLIENT_EXCHANGE_H
#define LATCH_CLIENT_EXCHANGE_H

#include "client/ask.h"
#include "client/link.h"
#include "client/outcome.h"
#include "client/report.h"
#include "client/verdict.h"
#include "http/body.h"

enum {
	EXCHANGE_BUFFER = 64 * 1024, /* also the bound of an answer's head */
	EXCHANGE_INTERIM_MAX = 20,   /* 1xx answers before the final one */
};

struct exchange {
	struct link *link;
	const struct ask *ask;
	struct report *report;
	void *owner; /* for those who are told */
	/* The final head, as data and as the lines of HTTP/1.1. Anything but OK ends it. */
	enum outcome (*on_head)(struct exchange *x, const struct response_head *head,
		struct str lines, struct err *e);
	/* Content as it comes; empty: nothing more is there at the moment. */
	enum outcome (*on_content)(struct exchange *x, struct str content, struct err *e);
	/* Afterwards. */
	struct body_framing framing; /* known when on_head() is called */
	enum verdict_stage stage;
	enum io_status ended; /* IO_OK: the connection was not looked at behind the message */
	uint64_t content;     /* bytes that came */
	uint64_t left_over;   /* bytes that came behind the message */
};

#endif
