/* Contexts, each error brought to the line of the directive that names the file at fault. Keys are
 * loaded with the ids that the process has: the master's, never a worker's. */
#include "config/open_tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/names.h"
#include "config/credential.h"
#include "config/open_tickets.h"
#include "config/reuse.h"
#include "config/table.h"
#include "tls/decode.h"
#include "tls/facts.h"

enum { WARN_DAYS = 14, POLICY_SIZE = 320 };

/* Which directive the text of tls_options_check() begins with. */
static struct config_place options_place(const struct config *c, const char *text)
{
	for (size_t i = 0; i < table_count; i++) {
		const struct directive *d = &table_rows[i];

		if (d->width && d->owner == OWNER_config && !strncmp(d->key, "tls.", 4) &&
			!strncmp(text, d->key, strlen(d->key)))
			return config_place_of(c, (const char *)c + d->offset, NULL);
	}
	return config_place_of(c, &c->tls.profile, NULL);
}

static bool is_same(const char *a, const char *b)
{
	return a && a[0] && !strcmp(a, b);
}

/* Where the file was named. */
static struct config_place file_place(
	const struct config *c, const struct config_site *site, const char *file)
{
	struct config_place otherwise = site->npairs ? site->pairs[0].place : site->place;
	struct config_place key = config_place_of(c, &site->single.private_key, &otherwise);

	if (is_same(site->passphrase_file, file))
		return config_place_of(c, &site->passphrase_file, &otherwise);
	for (size_t i = 0; i < site->npairs; i++) {
		const struct config_pair *p = &site->pairs[i];

		if (is_same(p->certificate, file))
			return config_place_of(c, &p->certificate, &p->place);
		if (is_same(p->private_key, file))
			return config_place_of(
				c, &p->private_key, site->npairs > 1 ? &p->place : &key);
	}
	return otherwise;
}

static void report(const struct config *c, const struct config_site *site, const struct err *e,
	struct findings *f)
{
	struct config_place p = file_place(c, site, e->file);

	findings_error(f, e->code == ERR_SYSTEM || e->code == ERR_INTERNAL ? e->code : ERR_CONFIG,
		p.file, p.line, "%s%s%s", e->file, e->file[0] ? ": " : "", e->text);
}

static void warn_expiry(const struct config_site *site, struct config_place p, struct findings *f)
{
	time_t end = tls_facts_not_after(site->context), now = time(NULL);
	char date[32] = "";
	struct tm tm;

	if (!end || end - now > WARN_DAYS * 24 * 3600)
		return;
	if (gmtime_r(&end, &tm))
		strftime(date, sizeof(date), "%Y-%m-%d %H:%M UTC", &tm);
	if (end < now)
		findings_warning(f, p.file, p.line,
			"the certificate of the site \"%.100s\" expired on %s; clients will "
			"refuse it, renew it",
			site->names[0], date);
	else
		findings_warning(f, p.file, p.line,
			"the certificate of the site \"%.100s\" expires on %s; renew it",
			site->names[0], date);
}

/* "*.example.org" is covered by what covers any one name under it. */
static bool covers(const struct config_site *site, const char *name)
{
	char probe[300];

	if (name[0] != '*')
		return tls_facts_covers(site->context, name);
	snprintf(probe, sizeof(probe), "any%.290s", name + 1);
	return tls_facts_covers(site->context, probe);
}

static void warn_names(const struct config *c, const struct config_site *site, struct findings *f)
{
	for (size_t i = 0; i < site->nnames; i++) {
		const char *name = site->names[i];
		struct config_place p = config_place_of(c, &site->names[i], &site->place);

		if (!strcmp(name, "*") || !names_is_valid(str_of(name)) || covers(site, name))
			continue;
		findings_warning(f, p.file, p.line,
			"the certificate of the site does not cover the name \"%.100s\"; clients "
			"will refuse it",
			name);
	}
}

/* What resumption is bound to: not certificates or CRLs, which change all the time. */
static size_t describe_policy(const struct config_site *site, char dst[POLICY_SIZE])
{
	int n = snprintf(dst, POLICY_SIZE - TRUST_DIGEST_SIZE, "%.255s %s %u ",
		site->nnames ? site->names[0] : "",
		!site->trust                                    ? "off"
		: site->client_auth.mode == TLS_CLIENT_REQUIRED ? "required"
								: "optional",
		site->trust ? site->client_auth.depth : 0);

	if (!site->trust)
		return (size_t)n;
	memcpy(dst + n, tls_trust_digest(site->trust), TRUST_DIGEST_SIZE);
	return (size_t)n + TRUST_DIGEST_SIZE;
}

/* What all sites share on the way. */
struct opening {
	struct config *c;
	const struct tls_options *options;
	struct ticket_ring *ring;
	struct decode *decode;
	struct reuse reuse;
	struct findings *f;
};

/* NULL: `e`. */
static struct ssl_ctx_st *load_context(const struct opening *o, const struct config_site *site,
	const void *policy, size_t policy_len, struct err *e)
{
	struct tls_pair *pairs = calloc(site->npairs, sizeof(*pairs));
	struct ssl_ctx_st *ctx;

	if (!pairs) {
		err_set(e, ERR_SYSTEM, "out of memory");
		return NULL;
	}
	for (size_t i = 0; i < site->npairs; i++)
		pairs[i] = (struct tls_pair){
			.certificate = site->pairs[i].certificate,
			.private_key = site->pairs[i].private_key,
			.passphrase_file = site->passphrase_file,
			.pem = o->c->serve_pem,
			.digests = &o->c->digests,
			.decode = o->decode,
		};
	ctx = tls_context_new_server(
		o->options, pairs, site->npairs, policy, policy_len, o->ring, e);
	free(pairs);
	return ctx;
}

/* What did not change is taken from the configuration before. */
static struct ssl_ctx_st *make_context(const struct opening *o, const struct config_site *site,
	const void *policy, size_t policy_len, struct err *e)
{
	const struct config_site *old = reuse_find(&o->reuse, o->c, site);
	struct ssl_ctx_st *ctx;

	if (!old)
		return load_context(o, site, policy, policy_len, e);
	/* One that asks clients is made anew: what it trusts may be new. */
	ctx = site->trust
		      ? NULL
		      : tls_context_share(old->context, o->options, policy, policy_len, o->ring);
	return ctx ? ctx
		   : tls_context_new_again(
			     old->context, o->options, policy, policy_len, o->ring, e);
}

static void open_context(const struct opening *o, struct config_site *site)
{
	struct err e = { 0 };
	char policy[POLICY_SIZE];
	size_t n = describe_policy(site, policy);

	site->context = make_context(o, site, policy, n, &e);
	if (!site->context ||
		(site->trust && tls_context_ask_client(site->context, site->client_auth.mode,
					site->client_auth.depth, site->trust, &e))) {
		report(o->c, site, &e, o->f);
		return;
	}
	if (!site->nnames)
		return;
	warn_expiry(site, file_place(o->c, site, ""), o->f);
	warn_names(o->c, site, o->f);
}

/* What is not was reported already. */
static bool is_complete(const struct config *c, const struct config_site *site)
{
	bool complete = site->npairs > 0 && !credential_is(site->passphrase_file);

	for (size_t i = 0; !c->serve_pem && i < site->npairs; i++) {
		const struct config_pair *p = &site->pairs[i];

		complete = complete && p->certificate && p->certificate[0] &&
			   !credential_is(p->certificate) && !credential_is(p->private_key);
	}
	return complete;
}

void open_tls_offload(struct config *c, bool test)
{
	if (c->tls.ktls == TLS_KTLS_OFF)
		return;
	if (!test)
		ktls_probe(&c->ktls);
	else if (c->before) /* so that contexts can be shared */
		c->ktls = c->before->ktls;
	c->tls.offload = c->ktls.works;
}

void open_tls_contexts(struct config *c, struct ticket_ring *ring, struct findings *f)
{
	/* For the certificates' sake when the options themselves are at fault. */
	static const struct tls_options plain = { .profile = TLS_PROFILE_INTERMEDIATE };
	struct opening o = {
		.c = c,
		.options = &c->tls,
		.ring = c->tls.tickets_enabled ? ring : NULL,
		.decode = decode_new(),
		.f = f,
	};
	struct config_place p;
	struct err e = { 0 };

	if (tls_options_check(&c->tls, &e)) {
		p = options_place(c, e.text);
		findings_error(f, ERR_CONFIG, p.file, p.line, "%s", e.text);
		o.options = &plain;
		o.ring = NULL;
	}
	reuse_init(&o.reuse, c->before);
	open_tickets(c, f);
	for (size_t i = 0; i < c->nsites; i++)
		if (is_complete(c, &c->sites[i]))
			open_context(&o, &c->sites[i]);
	reuse_done(&o.reuse);
	decode_free(o.decode);
}
