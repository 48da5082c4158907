/* The connections of `latch check`: one that asks for the head of the page and watches how it ends,
 * one for each thing that the server may accept, and some that resume.
 *
 * Verifies nothing in the handshake, so that a chain that is not trusted hides nothing else. */
#include "client/probe.h"

#include <stdio.h>
#include <string.h>

#include "client/h1.h"
#include "client/proxy.h"
#include "tls/identity.h"
#include "tls/resume.h"

enum { RESUMED_CONNECTIONS = 5, LINGER_MS = 5000, SHORT_LINGER_MS = 500 };

struct prober {
	struct probe *p;
	const struct options *o;
	const struct url *url;
	struct ssl_ctx_st *ctx;
	struct proxy proxy;
};

/* ---- one connection ---------------------------------------------------------------------------
 */

static int prepare(struct ssl_st *ssl, const void *offer, struct err *e)
{
	return tls_probe_offer(ssl, offer, e);
}

static enum outcome visit(const struct prober *pr, struct link *l, const struct probe_offer *offer,
	const char *resume_key, struct err *e)
{
	static const int families[] = { AF_UNSPEC, AF_INET, AF_INET6 };
	const struct options *o = pr->o;
	const struct link_proxy proxy = {
		.host = pr->proxy.host,
		.port = pr->proxy.port,
		.credentials = pr->proxy.credentials[0] ? pr->proxy.credentials : NULL,
	};
	const struct link_options lo = {
		.host = pr->p->host,
		.connect_host = o->connect_host[0] ? o->connect_host : pr->p->host,
		.port = o->connect_port ? o->connect_port : pr->url->port,
		.family = families[o->family],
		.proxy = pr->proxy.is_used ? &proxy : NULL,
		.tunnel = true,
		.ctx = pr->ctx,
		.verify = LINK_VERIFY_NONE,
		.sni = o->sni,
		.prepare = prepare,
		.prepare_arg = offer,
		.resume_key = resume_key,
		.timeout_ms = o->timeout_ms,
	};

	return link_open(l, &lo, e);
}

/* A server that does not take an offer ends the handshake; silence and a dead line say nothing. */
static enum probe_state state_of(enum outcome r)
{
	if (r == OUTCOME_OK)
		return PROBE_ACCEPTED;
	return r == OUTCOME_HANDSHAKE ? PROBE_REFUSED : PROBE_UNKNOWN;
}

/* ---- the request ------------------------------------------------------------------------------
 */

static enum outcome on_head(
	struct exchange *x, const struct response_head *head, struct str lines, struct err *e)
{
	static const char *const protocols[] = { "HTTP/1.0", "HTTP/1.1", "HTTP/2" };
	struct str hsts = fields_find(&head->fields, STR("strict-transport-security"));
	struct probe *p = x->owner;

	(void)lines, (void)e;
	p->status = head->status;
	snprintf(p->protocol, sizeof(p->protocol), "%s", protocols[head->version]);
	p->has_hsts = hsts.p != NULL;
	snprintf(p->hsts, sizeof(p->hsts), STR_FMT, STR_ARG(hsts));
	return OUTCOME_OK;
}

static enum outcome on_content(struct exchange *x, struct str content, struct err *e)
{
	(void)x, (void)content, (void)e;
	return OUTCOME_OK;
}

/* HEAD, and then the end of the connection. What it finds out goes into `seen`. */
static enum outcome ask_for_head(
	const struct prober *pr, struct link *l, int linger_ms, struct probe *seen, struct err *e)
{
	const struct ask ask = { .url = pr->url, .method = STR("HEAD"), .fields = &pr->o->fields };
	struct report silent = { .fd = -1, .silent = true };
	struct exchange x = {
		.link = l,
		.ask = &ask,
		.report = &silent,
		.owner = seen,
		.on_head = on_head,
		.on_content = on_content,
	};
	enum outcome r = h1_exchange(&x, e);
	struct verdict v;
	uint64_t dropped;

	if (r != OUTCOME_OK)
		return r;
	if (x.ended == IO_OK)
		x.ended = link_finish(
			l, pr->o->timeout_ms < linger_ms ? pr->o->timeout_ms : linger_ms, &dropped);
	v = verdict_of(x.stage, x.ended, CLOSING_STRICT);
	seen->closure = v.closure;
	/* whether the close_notify came is told by the closure */
	r = x.stage == VERDICT_WHOLE ? OUTCOME_OK : v.outcome;
	return r == OUTCOME_OK ? r : outcome_set(e, r, "%s", v.sentence);
}

/* ---- what is looked at ------------------------------------------------------------------------
 */

static void add_name(void *arg, const char *type, struct str name, bool matches)
{
	struct probe *p = arg;
	struct probe_name *n = &p->name[p->nnames];

	if (p->nnames == PROBE_NAMES_MAX)
		return;
	snprintf(n->type, sizeof(n->type), "%s", type);
	snprintf(n->text, sizeof(n->text), STR_FMT, STR_ARG(name));
	n->matches = matches;
	p->nnames++;
}

static void look_at_certificates(struct prober *pr, struct ssl_st *ssl)
{
	struct probe *p = pr->p;
	struct err e;

	tls_probe_chain(ssl, &p->chain);
	tls_probe_names(ssl, p->host, add_name, p);
	p->has_identity = tls_identity_check(ssl, p->host, pr->o->allow_cn, &e) == 0;
}

static void keep_error(char *dst, size_t size, enum outcome r, const struct err *e)
{
	snprintf(dst, size, "%s", r == OUTCOME_OK ? "" : e->text);
}

static void look_first(struct prober *pr)
{
	const struct probe_offer offer = { .alpn = "http/1.1" };
	struct probe *p = pr->p;
	struct err e = { 0 };
	struct link l;

	p->asked = OUTCOME_OTHER;
	p->reached = visit(pr, &l, &offer, NULL, &e);
	keep_error(p->error, sizeof(p->error), p->reached, &e);
	snprintf(p->address, sizeof(p->address), "%s", l.address);
	if (p->reached == OUTCOME_OK) {
		look_at_certificates(pr, l.session.ssl);
		p->asked = ask_for_head(pr, &l, LINGER_MS, p, &e);
		keep_error(p->asked_error, sizeof(p->asked_error), p->asked, &e);
	}
	link_close(&l);
}

static void look_at_version(struct prober *pr, struct probe_version *v)
{
	const struct probe_offer offer = { .version = v->name };
	struct err e;
	struct link l;

	v->state = state_of(visit(pr, &l, &offer, NULL, &e));
	if (v->state == PROBE_ACCEPTED) {
		snprintf(v->cipher, sizeof(v->cipher), "%s", session_cipher(&l.session));
		snprintf(v->group, sizeof(v->group), "%s", tls_probe_group(l.session.ssl));
	}
	link_close(&l);
}

static void look_at_group(struct prober *pr, struct probe_group *g)
{
	const struct probe_offer offer = { .group = g->name };
	struct err e;
	struct link l;

	g->state = state_of(visit(pr, &l, &offer, NULL, &e));
	/* in TLS 1.2 a server also refuses when the curve of its certificate is not offered */
	if (g->state == PROBE_REFUSED && pr->p->version[3].state != PROBE_ACCEPTED &&
		strncmp(pr->p->chain.cert[0].key, "EC ", 3) == 0)
		g->state = PROBE_UNKNOWN;
	link_close(&l);
}

static void look_at_alpn(struct prober *pr)
{
	const struct probe_offer offer = { .alpn = "h2 http/1.1" };
	struct err e;
	struct link l;
	size_t n = 0;

	if (visit(pr, &l, &offer, NULL, &e) == OUTCOME_OK) {
		const char *alpn = session_alpn(&l.session, &n);

		pr->p->has_h2 = str_eq((struct str){ alpn, n }, STR("h2"));
	}
	link_close(&l);
}

/* Each on a connection of its own with a request, for the ticket comes with the answer at the
 * latest. */
static void look_at_resumption(struct prober *pr, struct probe_resumption *r)
{
	const struct probe_offer offer = { .version = r->version };
	unsigned times = 1 + (pr->o->repeat ? pr->o->repeat : RESUMED_CONNECTIONS);
	char key[RESUME_KEY_SIZE];
	struct probe seen;
	struct err e;
	struct link l;

	snprintf(key, sizeof(key), "%s:%u %s", pr->p->host, pr->url->port, r->version);
	for (unsigned i = 0; i < times; i++) {
		bool has_session = resume_has(pr->ctx, key);
		bool ok = visit(pr, &l, &offer, key, &e) == OUTCOME_OK;

		if (ok && i > 0) {
			r->connections++;
			r->offered += has_session;
			r->resumed += session_resumed(&l.session);
		}
		if (ok)
			ask_for_head(pr, &l, SHORT_LINGER_MS, &seen, &e);
		link_close(&l);
		if (!ok)
			break;
	}
}

static void begin(struct prober *pr, const struct place *place)
{
	static const char *const versions[PROBE_VERSIONS] = { "1.0", "1.1", "1.2", "1.3" };
	static const char *const groups[PROBE_GROUPS] = { "X25519", "P-256", "P-384", "P-521",
		"X448", "ffdhe2048", "ffdhe3072" };
	struct str host = place->url.host;
	struct probe *p = pr->p;

	memset(p, 0, sizeof(*p));
	snprintf(p->host, sizeof(p->host), STR_FMT, STR_ARG(host));
	for (size_t i = 0; i < PROBE_VERSIONS; i++)
		p->version[i].name = versions[i];
	for (size_t i = 0; i < PROBE_GROUPS; i++)
		p->group[i].name = groups[i];
	p->resumption[0].version = "1.2";
	p->resumption[1].version = "1.3";
}

void probe_run(
	struct probe *p, const struct options *o, const struct place *place, struct ssl_ctx_st *ctx)
{
	struct prober pr = { .p = p, .o = o, .url = &place->url, .ctx = ctx };
	struct err e = { 0 };

	begin(&pr, place);
	if (proxy_choose(o, &place->url, &pr.proxy, &e) < 0) {
		p->reached = OUTCOME_USAGE;
		keep_error(p->error, sizeof(p->error), p->reached, &e);
		return;
	}
	look_first(&pr);
	if (p->reached != OUTCOME_OK && p->reached != OUTCOME_HANDSHAKE)
		return;
	for (size_t i = 0; i < PROBE_VERSIONS; i++)
		look_at_version(&pr, &p->version[i]);
	if (p->reached != OUTCOME_OK)
		return;
	for (size_t i = 0; i < PROBE_GROUPS; i++)
		look_at_group(&pr, &p->group[i]);
	look_at_alpn(&pr);
	for (size_t i = 0; i < PROBE_RESUMPTIONS; i++)
		if (p->version[2 + i].state == PROBE_ACCEPTED)
			look_at_resumption(&pr, &p->resumption[i]);
}
