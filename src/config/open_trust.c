/* Trust, each error brought to the line of the directive that names the file at fault. A revocation
 * list that has ended is a warning: a reload for another reason has to remain possible. */
#include "config/open_trust.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

enum { WARN_DAYS = 1, DAY = 24 * 3600 };

static bool is_equal(const struct config_client_auth *a, const struct config_client_auth *b)
{
	if (a->crl_expired != b->crl_expired || a->ncrl != b->ncrl || strcmp(a->ca, b->ca))
		return false;
	for (size_t i = 0; i < a->ncrl; i++)
		if (strcmp(a->crl[i], b->crl[i]))
			return false;
	return true;
}

static struct config_place crl_place(
	const struct config *c, const struct config_site *site, const char *file)
{
	const struct config_client_auth *a = &site->client_auth;
	struct config_place otherwise = config_place_of(c, &a->ca, &site->place);

	for (size_t i = 0; i < a->ncrl; i++)
		if (!strcmp(a->crl[i], file))
			return config_place_of(c, &a->crl[i], &otherwise);
	return otherwise;
}

static void warn_crls(const struct config *c, const struct config_site *site, struct findings *f)
{
	bool accepts = site->client_auth.crl_expired == TLS_CRL_ACCEPT;
	time_t now = time(NULL);

	for (size_t i = 0; i < tls_trust_crls(site->trust); i++) {
		const struct tls_crl *l = tls_trust_crl(site->trust, i);
		struct config_place p = crl_place(c, site, l->file);
		char when[30];

		clock_format_http_date(l->next_update, when);
		if (!l->is_of_bundle)
			findings_warning(f, p.file, p.line,
				"%s: client_auth.ca has no CA \"%.100s\"; its CRL serves only "
				"where "
				"clients send the certificate of that CA along",
				l->file, l->issuer);
		if (l->next_update && l->next_update < now)
			findings_warning(f, p.file, p.line,
				"%s: the next update of the CRL of \"%.100s\" was due on %s; %s",
				l->file, l->issuer, when,
				accepts ? "crl_expired = \"accept\" goes on with it"
					: "certificates of this CA are refused until "
					  "it is renewed");
		else if (l->next_update && l->next_update - now < WARN_DAYS * DAY)
			findings_warning(f, p.file, p.line,
				"%s: the next update of the CRL of \"%.100s\" is due on %s",
				l->file, l->issuer, when);
	}
}

static void warn_anchors(const struct config *c, const struct config_site *site, struct findings *f)
{
	struct config_place p = config_place_of(c, &site->client_auth.ca, &site->place);

	if (*tls_trust_dangling(site->trust))
		findings_warning(f, p.file, p.line,
			"%s: no chain can end with the CA \"%.100s\", which is no root; add the "
			"root that it leads to",
			site->client_auth.ca, tls_trust_dangling(site->trust));
}

static void open_one(struct config *c, struct config_site *site, struct findings *f)
{
	const struct config_client_auth *a = &site->client_auth;
	struct tls_trust_options o = {
		.ca = a->ca,
		.crl = a->crl,
		.ncrl = a->ncrl,
		.crl_expired = a->crl_expired,
		.digests = &c->digests,
	};
	struct config_place p;
	struct err e = { 0 };

	site->trust = tls_trust_new(&o, &e);
	if (site->trust) {
		warn_anchors(c, site, f);
		warn_crls(c, site, f);
		return;
	}
	p = crl_place(c, site, e.file);
	findings_error(f, e.code, p.file, p.line, "%s%s%s", e.file, e.file[0] ? ": " : "", e.text);
}

void open_trust_all(struct config *c, struct findings *f)
{
	const struct config_site **distinct = calloc(c->nsites + 1, sizeof(*distinct));
	size_t n = 0, k;

	if (!distinct)
		findings_error(f, ERR_SYSTEM, NULL, 0, "out of memory");
	for (size_t i = 0; distinct && i < c->nsites; i++) {
		struct config_site *site = &c->sites[i];

		if (site->client_auth.mode == TLS_CLIENT_OFF || !site->client_auth.ca[0])
			continue;
		for (k = 0; k < n; k++)
			if (is_equal(&distinct[k]->client_auth, &site->client_auth))
				break;
		if (k == n) {
			open_one(c, site, f);
			site->trust_is_first = true;
			distinct[n++] = site;
		} else if (distinct[k]->trust) {
			site->trust = tls_trust_hold(distinct[k]->trust);
		}
	}
	free(distinct);
}

/* By issuer, and the last list first. */
static int compare_crls(const void *a, const void *b)
{
	const struct metrics_crl *x = a, *y = b;
	int r = strcmp(x->issuer, y->issuer);

	return r ? r : (x->next_update < y->next_update) - (x->next_update > y->next_update);
}

int open_trust_metrics(struct config *c)
{
	struct metrics_options *m = &c->metrics;
	size_t n = 0;

	for (size_t i = 0; i < c->nsites; i++)
		n += c->sites[i].trust_is_first && c->sites[i].trust
			     ? tls_trust_crls(c->sites[i].trust)
			     : 0;
	m->crls = calloc(n + 1, sizeof(*m->crls));
	if (!m->crls)
		return -1;
	n = 0;
	for (size_t i = 0; i < c->nsites; i++) {
		const struct tls_trust *t = c->sites[i].trust_is_first ? c->sites[i].trust : NULL;

		for (size_t k = 0; t && k < tls_trust_crls(t); k++)
			if (tls_trust_crl(t, k)->next_update)
				m->crls[n++] = (struct metrics_crl){ tls_trust_crl(t, k)->issuer,
					tls_trust_crl(t, k)->next_update };
	}
	qsort(m->crls, n, sizeof(*m->crls), compare_crls);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || strcmp(m->crls[i].issuer, m->crls[i - 1].issuer))
			m->crls[m->ncrls++] = m->crls[i];
	return 0;
}
