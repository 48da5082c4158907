/* Follows redirects, one fetch each. Never leads from https to http, never takes credentials to
 * another origin, never goes on for ever. */
#include "client/follow.h"

#include "http/reference.h"

enum { LOCATION_MAX = 8 * 1024 };

bool follow_is_redirect(int status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

void follow_method(struct ask *a, int status)
{
	bool is_post = str_eq(a->method, STR("POST"));
	bool is_head = str_eq(a->method, STR("HEAD"));

	if (status == 307 || status == 308 || (status != 303 && !is_post) || is_head)
		return;
	a->method = STR("GET");
	a->has_content = false;
	a->content = (struct str){ NULL, 0 };
}

bool follow_same_origin(const struct url *a, const struct url *b)
{
	return a->tls == b->tls && a->port == b->port && str_case_eq(a->host, b->host);
}

int follow_url(const struct url *from, struct str location, struct buf *text, struct url *ret,
	struct err *e)
{
	const char *why = "a blank or a control character is in it";

	buf_done(text);
	buf_init(text, LOCATION_MAX);
	if (!reference_resolve(from, location, text) || uri_parse_url(buf_str(text), ret, &why) < 0)
		return err_set(e, ERR_UNAVAILABLE,
			"the server redirects to %.200s, which is no URL: %s",
			buf_len(text) > 0 ? buf_cstring(text) : "nowhere", why);
	if (from->tls && !ret->tls)
		return err_set(e, ERR_UNAVAILABLE,
			"the server redirects from https to %.200s, where anybody on the way may "
			"read and change everything; name that URL if that is what you want",
			buf_cstring(text));
	return 0;
}

/* One URL of the way, with its text. */
struct stop {
	struct buf text;
	struct url url;
};

static enum outcome go_on(struct ask *ask, struct stop *next, const struct url *first,
	const struct fetch_result *result, struct err *e)
{
	if (follow_url(ask->url, buf_str(&result->location), &next->text, &next->url, e) < 0)
		return outcome_set(e, OUTCOME_OTHER, "%s", e->text);
	follow_method(ask, result->status);
	ask->url = &next->url;
	ask->foreign = ask->foreign || !follow_same_origin(first, &next->url);
	return OUTCOME_OK;
}

enum outcome follow_run(const struct fetch_env *env, const struct ask *ask, const char *text,
	struct fetch_result *ret, unsigned *ret_redirects, struct err *e)
{
	unsigned max = env->options->max_redirects, n = 0;
	struct stop stops[2] = { 0 };
	struct ask next = *ask;
	enum outcome r;

	for (;; n++) {
		fetch_result_done(ret);
		fetch_result_init(ret);
		r = fetch_run(env, &next, n == 0 ? text : buf_cstring(&stops[n % 2].text), ret, e);
		if (r != OUTCOME_OK || buf_len(&ret->location) == 0)
			break;
		if (n == max) {
			r = outcome_set(e, OUTCOME_OTHER,
				"the server redirects more than %u times; --max-redirects sets how "
				"many are followed",
				max);
			break;
		}
		r = go_on(&next, &stops[(n + 1) % 2], ask->url, ret, e);
		if (r != OUTCOME_OK)
			break;
		report_fact(env->report, "status %d: redirected to %s", ret->status,
			buf_cstring(&stops[(n + 1) % 2].text));
	}
	if (r != OUTCOME_OK && n > 0)
		outcome_set(e, r, "%s (redirected to %.200s)", e->text,
			buf_cstring(&stops[n % 2].text));
	buf_done(&stops[0].text);
	buf_done(&stops[1].text);
	*ret_redirects = n;
	return r;
}
