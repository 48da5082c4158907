/* Where an answer goes: its head and content into the output, a part behind the part that is there
 * already, a redirect's nowhere. */
#ifndef LATCH_CLIENT_ANSWER_H
#define LATCH_CLIENT_ANSWER_H

#include "client/exchange.h"
#include "client/fetch.h"

/* The owner of an exchange. */
struct answer {
	const struct fetch_env *env;
	const struct ask *ask;
	struct fetch_result *result;
	bool drop;               /* nobody wants the content */
	bool is_marked;          /* the file is said to be a part */
	uint64_t written_before; /* by earlier URLs */
};

/* For struct exchange. The status counts with --fail; the output is opened. */
enum outcome answer_begin(
	struct exchange *x, const struct response_head *head, struct str lines, struct err *e);
enum outcome answer_take(struct exchange *x, struct str content, struct err *e);
/* After the verdict `r`, which it returns: flushes, and says what is left of what arrived. */
enum outcome answer_end(struct answer *a, enum outcome r, struct err *e);

#endif
