/* Redirects (RFC 9110 section 15.4): which status is one, what is asked next, and where it stops.
 */
#ifndef LATCH_CLIENT_FOLLOW_H
#define LATCH_CLIENT_FOLLOW_H

#include "client/fetch.h"

bool follow_is_redirect(int status);

/* What the next request asks, after `status`: the method (POST becomes GET after 301, 302 and 303,
 * every other but HEAD after 303; 307 and 308 change nothing), and the content with it. */
void follow_method(struct ask *a, int status);
/* Where `location` leads from `from`: the text of the URL into `text`, and its parts. -1: no URL of
 * ours, or a way down from https to http. */
int follow_url(const struct url *from, struct str location, struct buf *text, struct url *ret,
	struct err *e);
/* The same scheme, host and port? */
bool follow_same_origin(const struct url *a, const struct url *b);

/* Fetches, and goes on to where the answer leads as long as the options allow it. `text` is the
 * URL as the user spelt it. */
enum outcome follow_run(const struct fetch_env *env, const struct ask *ask, const char *text,
	struct fetch_result *ret, unsigned *ret_redirects, struct err *e);

#endif
