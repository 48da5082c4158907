/* Opens what the workers need while there are privileges: roots, logs, contexts; and ties sites and
 * listeners together. Opens no sockets and no key twice; in the test mode it leaves no trace on the
 * system. */
#include "config/open.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/names.h"
#include "config/credential.h"
#include "config/judge.h"
#include "config/logs.h"
#include "config/open_tls.h"
#include "config/pages.h"
#include "config/roots.h"
#include "config/open_trust.h"
#include "handler/status.h"
#include "tls/facts.h"
#include "tls/file.h"
#include "tls/sites.h"

static void out_of_memory(struct findings *f)
{
	findings_error(f, ERR_SYSTEM, NULL, 0, "out of memory");
}

/* Where nothing was said, a system without such a file is fine. */
static void read_types(struct config *c, struct findings *f)
{
	struct config_place p = config_place_of(c, &c->media_types, NULL);
	struct err e = { 0 };
	struct buf b = { 0 };

	if (!c->media_types || !c->media_types[0] || (!p.line && access(c->media_types, R_OK)))
		return;
	if (file_read(c->media_types, NULL, &b, &e))
		findings_error(
			f, e.code, p.file, p.line, "media_types %s: %s", c->media_types, e.text);
	else if (!(c->media = media_types_new(buf_str(&b))))
		out_of_memory(f);
	file_forget(&b);
}

static void report_verdict(const struct config *c, const struct judge_item *item,
	struct config_place p, unsigned uid, struct findings *f)
{
	const char *why = item->errnum == ELOOP ? "it is a symbolic link" : strerror(item->errnum);
	char who[96];

	if (!item->errnum)
		return;
	if (geteuid() == 0)
		snprintf(who, sizeof(who), "user \"%.60s\"", c->user ? c->user : "");
	else
		snprintf(who, sizeof(who), "uid %u", uid);
	if (item->what == JUDGE_LOG)
		findings_error(f, ERR_CONFIG, p.file, p.line,
			"the log %s cannot be written by %s: %s; expected a file or a directory "
			"that this user "
			"may write",
			item->path, who, why);
	else
		findings_error(f, ERR_CONFIG, p.file, p.line,
			"the root %s cannot be entered by %s: %s; give this user the right to "
			"search it and the "
			"directories above",
			item->path, who, why);
}

/* As the workers would see them: roots that root could open, and in the test mode the logs. */
static void judge(
	const struct config *c, bool with_logs, unsigned uid, unsigned gid, struct findings *f)
{
	size_t most = c->nlog_files, n = 0, at = 0;
	struct config_place *places = NULL;
	struct judge_item *items = NULL;
	struct err e = { 0 };

	for (size_t i = 0; i < c->nsites; i++)
		most += c->sites[i].nroutes;
	items = calloc(most + 1, sizeof(*items));
	places = calloc(most + 1, sizeof(*places));
	if (!items || !places) {
		out_of_memory(f);
		goto out;
	}
	for (size_t i = 0; i < c->nsites; i++) {
		for (size_t k = 0; k < c->sites[i].nroutes; k++) {
			const struct config_route *r = &c->sites[i].routes[k];

			if (!r->files_are_open)
				continue;
			places[n] = config_place_of(c, &r->files.root, &r->place);
			items[n++] = (struct judge_item){ JUDGE_ROOT, r->files.root, 0 };
		}
	}
	for (size_t i = 0; with_logs && i < c->nlog_files; i++) {
		places[n] = c->log_places[i];
		items[n++] = (struct judge_item){ JUDGE_LOG, c->log_files[i].path, 0 };
	}
	if (judge_items(items, n, uid, gid, &e))
		findings_error(f, e.code, NULL, 0, "%s", e.text);
	for (at = 0; at < n; at++)
		report_verdict(c, &items[at], places[at], uid, f);
out:
	free(items);
	free(places);
}

static struct route make_route(const struct config *c, const struct config_route *r)
{
	struct route route = {
		.path = r->path,
		.allow = r->allow,
		.nallow = r->nallow,
		.deny = r->deny,
		.ndeny = r->ndeny,
		.extra = &r->serving,
		.require = r->has_require ? &r->require : NULL,
	};

	switch (r->handler) {
	case CONFIG_HANDLER_FILES:
		route.handle = files_handle;
		route.options = &r->files;
		break;
	case CONFIG_HANDLER_REDIRECT:
		route.handle = redirect_handle;
		route.options = &r->redirect;
		break;
	case CONFIG_HANDLER_RESPOND:
		route.handle = respond_handle;
		route.options = &r->respond;
		break;
	case CONFIG_HANDLER_METRICS:
		route.handle = metrics_handle;
		route.options = &c->metrics;
		break;
	case CONFIG_HANDLER_STATUS:
	case CONFIG_HANDLER_NONE:
		route.handle = status_handle;
		break;
	}
	return route;
}

static int build_site(const struct config *c, struct config_site *site)
{
	struct route *routes = calloc(site->nroutes + 1, sizeof(*routes));

	if (!routes)
		return -1;
	for (size_t i = 0; i < site->nroutes; i++) {
		if (pages_merge(site, &site->routes[i])) {
			free(routes);
			return -1;
		}
		routes[i] = make_route(c, &site->routes[i]);
	}
	route_sort(routes, site->nroutes);
	site->serving = (struct route_site){
		.name = site->names[0],
		.access = &site->access,
		.routes = routes,
		.nroutes = site->nroutes,
		.extra = site->extra,
	};
	return 0;
}

/* By name, and the one that ends first before others of the same name. */
static int compare_certificates(const void *a, const void *b)
{
	const struct metrics_certificate *x = a, *y = b;
	int r = strcmp(x->site, y->site);

	return r ? r : (x->not_after > y->not_after) - (x->not_after < y->not_after);
}

static int build_metrics(struct config *c)
{
	struct metrics_options *m = &c->metrics;
	size_t n = 0;

	m->certificates = calloc(c->nsites + 1, sizeof(*m->certificates));
	if (!m->certificates)
		return -1;
	for (size_t i = 0; i < c->nsites; i++)
		if (c->sites[i].context)
			m->certificates[n++] = (struct metrics_certificate){
				c->sites[i].names[0],
				tls_facts_not_after(c->sites[i].context),
			};
	qsort(m->certificates, n, sizeof(*m->certificates), compare_certificates);
	/* Sites of two listeners may have the same name; a series may not be there twice. */
	for (size_t i = 0; i < n; i++)
		if (i == 0 || strcmp(m->certificates[i].site, m->certificates[i - 1].site))
			m->certificates[m->ncertificates++] = m->certificates[i];
	return 0;
}

/* The site under all its names in the tables of the listener. */
static int put_on(struct config_listener *l, struct config_site *site)
{
	for (size_t i = 0; i < site->nnames; i++) {
		struct str name = str_of(site->names[i]);

		if (names_add(l->routes.names, name, &site->serving) < 0)
			return -1;
		if (l->tls && tls_sites_add(l->tls_sites, name, site->context, &site->serving) < 0)
			return -1;
	}
	if (!site->is_default)
		return 0;
	l->routes.fallback = &site->serving;
	return l->tls ? tls_sites_set_default(l->tls_sites, site->context, &site->serving) : 0;
}

static void build_listener(struct config *c, struct config_listener *l, struct findings *f)
{
	struct err e = { 0 };

	l->routes.names = names_new();
	l->tls_sites = l->tls ? tls_sites_new() : NULL;
	if (!l->routes.names || (l->tls && !l->tls_sites)) {
		out_of_memory(f);
		return;
	}
	for (size_t i = 0; i < c->nsites; i++)
		if (config_site_is_on(&c->sites[i], l) && put_on(l, &c->sites[i]))
			out_of_memory(f);
	if (l->tls && tls_sites_finish(l->tls_sites, l->http2, &e))
		findings_error(f, e.code, l->place.file, l->place.line,
			"the listener \"%.60s\": %s", l->name, e.text);
}

void config_open(
	struct config *c, enum config_open_mode mode, struct ticket_ring *ring, struct findings *f)
{
	bool test = mode == CONFIG_OPEN_TEST || f->errors > 0;
	unsigned uid = 0, gid = 0;
	/* A start asks config_ids() for itself and reports its warnings there. */
	bool known = config_ids(c, &uid, &gid, mode == CONFIG_OPEN_TEST ? f : NULL) == 0 ||
		     (mode != CONFIG_OPEN_TEST && config_ids(c, &uid, &gid, f) == 0);

	credential_resolve_all(c, f);
	roots_open(c, f);
	read_types(c, f);
	pages_read(c, f);
	logs_collect(c, f);
	if (known)
		judge(c, test, uid, gid, f);
	open_trust_all(c, f);
	open_tls_offload(c, mode == CONFIG_OPEN_TEST);
	open_tls_contexts(c, ring, f);
	if (f->errors)
		return;
	if (!test)
		logs_open(c, uid, gid, f);
	if (build_metrics(c) || open_trust_metrics(c))
		out_of_memory(f);
	for (size_t i = 0; i < c->nsites; i++)
		if (build_site(c, &c->sites[i]))
			out_of_memory(f);
	for (size_t i = 0; !f->errors && i < c->nlisteners; i++)
		build_listener(c, &c->listeners[i], f);
}
