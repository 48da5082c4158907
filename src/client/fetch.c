/* A fetch: opens the link, lets h1 or h2 exchange, puts the answer where it belongs, judges the
 * ending.
 *
 * Follows no redirect, reuses no connection; how an ending is judged is in verdict.c, where a
 * download goes on in answer.c. */
#include "client/fetch.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "client/answer.h"
#include "client/h1.h"
#include "client/h2.h"
#include "client/proxy.h"
#include "tls/resume.h"

struct fetch {
	const struct fetch_env *env;
	struct ask ask;
	const char *text;
	struct fetch_result *result;
	char host[OPTIONS_HOST_SIZE];
	char resume_key[RESUME_KEY_SIZE];
	struct proxy proxy;
	struct link link;
	struct answer answer;
	int64_t started_us;
};

void fetch_result_init(struct fetch_result *r)
{
	*r = (struct fetch_result){ 0 };
	buf_init(&r->location, 0);
}

void fetch_result_done(struct fetch_result *r)
{
	if (r)
		buf_done(&r->location);
}

/* Strict waits for the server's close_notify as long as for any byte; lenient only listens for a
 * moment, so that it can say how the connection ended. */
static void see_the_end(struct fetch *f, struct exchange *x)
{
	const struct options *o = f->env->options;
	bool strict = o->shutdown == CLOSING_STRICT && f->ask.url->tls;
	int wait_ms = o->timeout_ms;
	uint64_t dropped;

	if (!strict && wait_ms > FETCH_LINGER_MS)
		wait_ms = FETCH_LINGER_MS;
	x->ended = link_finish(&f->link, wait_ms, &dropped);
	dropped += x->left_over;
	if (dropped > 0)
		report_fact(f->env->report, "%" PRIu64 " bytes behind the message were dropped",
			dropped);
}

/* The verdict's sentence, with how much came and what TLS said where that helps. */
static void describe_end(
	const struct fetch *f, const struct exchange *x, const struct verdict *v, struct err *e)
{
	const struct body_framing *framing = &x->framing;

	outcome_set(e, OUTCOME_OTHER, "%s", v->sentence);
	if (x->ended == IO_FAIL)
		outcome_set(e, OUTCOME_OTHER, "%s: %s", e->text, f->link.reason.sentence);
	if (x->stage == VERDICT_CONTENT && framing->kind == BODY_LENGTH)
		outcome_set(e, OUTCOME_OTHER, "%s; %" PRIu64 " of %" PRIu64 " bytes came", e->text,
			x->content, framing->length);
	else if (x->stage == VERDICT_CONTENT || x->stage == VERDICT_UNTIL_CLOSE)
		outcome_set(e, OUTCOME_OTHER, "%s; %" PRIu64 " bytes came", e->text, x->content);
	else if (x->stage == VERDICT_SILENT && !f->ask.url->tls)
		outcome_set(e, OUTCOME_OTHER, "%s; if this port speaks TLS, use https://", e->text);
}

static enum outcome judge(struct fetch *f, struct exchange *x, struct err *e)
{
	const struct options *o = f->env->options;
	bool tls = f->ask.url->tls;
	struct verdict v;

	if (x->stage == VERDICT_WHOLE)
		report_fact(f->env->report, "message whole: %" PRIu64 " bytes of content in %.3f s",
			x->content, (double)(clock_us_now() - f->started_us) / 1e6);
	if (x->ended == IO_OK)
		see_the_end(f, x);
	v = verdict_of(x->stage, x->ended, tls ? (enum closing_mode)o->shutdown : CLOSING_LENIENT);
	f->result->closure = v.closure;
	report_closure(f->env->report, v.closure, tls);
	if (v.sentence)
		describe_end(f, x, &v, e);
	if (v.outcome == OUTCOME_OK && v.sentence) {
		snprintf(f->result->warning, sizeof(f->result->warning), "%s", e->text);
		report_warning(f->env->report, f->text, e->text);
	}
	return v.outcome;
}

static void tick(void *arg)
{
	const struct fetch *f = arg;

	progress_add(f->env->progress, 0, clock_us_now());
}

static void take_facts(struct fetch *f)
{
	const struct session *s = &f->link.session;
	struct fetch_result *r = f->result;
	const char *alpn;
	size_t n;

	snprintf(r->address, sizeof(r->address), "%s", f->link.address);
	r->is_tls = s->ssl != NULL;
	if (!s->ssl || !s->handshaken)
		return;
	alpn = session_alpn(s, &n);
	r->resumed = session_resumed(s);
	snprintf(r->version, sizeof(r->version), "%s", session_version(s));
	snprintf(r->cipher, sizeof(r->cipher), "%s", session_cipher(s));
	snprintf(r->alpn, sizeof(r->alpn), "%.*s", (int)n, alpn);
}

static bool speaks_h2(const struct fetch *f)
{
	size_t n;
	const char *alpn = session_alpn(&f->link.session, &n);

	return str_eq((struct str){ alpn, n }, STR("h2"));
}

static enum link_verify verify_of(const struct options *o)
{
	if (o->insecure)
		return LINK_VERIFY_NONE;
	return o->verify == OPTIONS_VERIFY_AFTER ? LINK_VERIFY_AFTER : LINK_VERIFY_HANDSHAKE;
}

/* As far as it came. */
static void report_opened(const struct fetch *f, enum outcome r)
{
	struct report *report = f->env->report;

	if (!f->link.address[0])
		return;
	if (r != OUTCOME_OK && !f->link.session.handshaken)
		report_fact(report, "connected to %s", f->link.address);
	else
		report_link(report, &f->link);
	if (r != OUTCOME_OK || !f->ask.url->tls)
		return;
	if (f->env->options->insecure)
		report_fact(report, "certificate not verified (-k)");
	else
		report_fact(report, "certificate verified: its chain, and the name %s", f->host);
}

static enum outcome open_link(struct fetch *f, struct err *e)
{
	static const int families[] = { AF_UNSPEC, AF_INET, AF_INET6 };
	const struct options *o = f->env->options;
	const struct link_proxy proxy = {
		.host = f->proxy.host,
		.port = f->proxy.port,
		.credentials = f->proxy.credentials[0] ? f->proxy.credentials : NULL,
	};
	const struct link_options lo = {
		.host = f->host,
		.connect_host = o->connect_host[0] ? o->connect_host : f->host,
		.port = o->connect_port ? o->connect_port : f->ask.url->port,
		.family = families[o->family],
		.proxy = f->proxy.is_used ? &proxy : NULL,
		.tunnel = f->ask.url->tls,
		.ctx = f->ask.url->tls ? f->env->ctx : NULL,
		.verify = verify_of(o),
		.sni = o->sni,
		.allow_cn = o->allow_cn,
		.resume_key = f->resume_key,
		.timeout_ms = o->timeout_ms,
	};
	enum outcome r = link_open(&f->link, &lo, e);

	take_facts(f);
	report_opened(f, r);
	if (r == OUTCOME_OK && o->http == OPTIONS_HTTP2 && !speaks_h2(f))
		return outcome_set(e, OUTCOME_HANDSHAKE, "the server does not speak HTTP/2%s",
			f->ask.url->tls ? "" : " without TLS");
	f->link.tick = tick;
	f->link.tick_arg = f;
	return r;
}

static enum outcome exchange(struct fetch *f, struct err *e)
{
	struct exchange x = {
		.link = &f->link,
		.ask = &f->ask,
		.report = f->env->report,
		.owner = &f->answer,
		.on_head = answer_begin,
		.on_content = answer_take,
	};
	enum outcome r;

	f->answer = (struct answer){
		.env = f->env,
		.ask = &f->ask,
		.result = f->result,
		.written_before = f->env->output->written,
	};
	r = speaks_h2(f) ? h2_exchange(&x, e) : h1_exchange(&x, e);
	if (r == OUTCOME_OK)
		r = judge(f, &x, e);
	f->result->content = x.content;
	return answer_end(&f->answer, r, e);
}

/* The way to the server, and what the request has to say because of it. */
static enum outcome prepare(struct fetch *f, struct err *e)
{
	const struct options *o = f->env->options;
	const struct url *url = f->ask.url;

	if (url->host.n >= sizeof(f->host))
		return outcome_set(e, OUTCOME_USAGE, "the host name is too long");
	memcpy(f->host, url->host.p, url->host.n);
	snprintf(f->resume_key, sizeof(f->resume_key), "%s:%u %s", f->host, url->port,
		o->sni ? o->sni : "");
	if (proxy_choose(o, url, &f->proxy, e) < 0)
		return OUTCOME_USAGE;
	f->ask.absolute = f->proxy.is_used && !url->tls;
	if (f->ask.absolute && f->proxy.credentials[0])
		f->ask.proxy_credentials = f->proxy.credentials;
	return OUTCOME_OK;
}

enum outcome fetch_run(const struct fetch_env *env, const struct ask *ask, const char *text,
	struct fetch_result *ret, struct err *e)
{
	struct fetch f = {
		.env = env,
		.ask = *ask,
		.text = text,
		.result = ret,
		.started_us = clock_us_now(),
		.link = { .fd = -1 },
	};
	enum outcome r = prepare(&f, e);

	if (r == OUTCOME_OK) {
		r = open_link(&f, e);
		if (r == OUTCOME_OK)
			r = exchange(&f, e);
		link_close(&f.link);
	}
	ret->duration_us = clock_us_now() - f.started_us;
	return r;
}
