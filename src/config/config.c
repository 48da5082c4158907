/* The configuration as a thing: giving it back, and the questions that all who hold one may ask.
 * Refuses to read or judge anything. */
#include "config/config.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/names.h"
#include "config/roots.h"
#include "config/source.h"
#include "handler/filecache.h"
#include "tls/secret.h"
#include "tls/vault.h"
#include "tls/sites.h"

static void free_strings(char **v, size_t n)
{
	for (size_t i = 0; v && i < n; i++)
		free(v[i]);
	free(v);
}

static void listener_done(struct config_listener *l)
{
	free(l->name);
	free(l->address_text);
	free(l->trusted);
	tls_sites_free(l->tls_sites);
	names_free(l->routes.names);
}

static void pair_done(struct config_pair *p)
{
	free(p->certificate);
	free(p->private_key);
}

static void extra_done(struct route_extra *x)
{
	for (size_t i = 0; i < x->nfields; i++) {
		free(x->fields[i].name);
		free(x->fields[i].value);
	}
	free(x->fields);
	for (size_t i = 0; i < x->npages; i++) {
		free(x->pages[i].file);
		free((char *)(uintptr_t)x->pages[i].content.p);
	}
	free(x->pages);
}

static void route_done(struct config_route *r)
{
	free(r->path);
	free(r->files.root);
	free_strings(r->files.index, r->files.nindex);
	free_strings(r->files.try, r->files.ntry);
	free(r->files.cache_control);
	free(r->redirect.to);
	free(r->respond.text);
	free(r->respond.type);
	free(r->allow);
	free(r->deny);
	extra_done(&r->extra);
	free(r->serving.fields);
	free(r->serving.pages);
	free_strings(r->require.names, r->require.nnames);
	free_strings(r->require.fingerprints, r->require.nfingerprints);
}

static void site_done(struct config_site *s)
{
	free_strings(s->names, s->nnames);
	free_strings(s->listeners, s->nlisteners);
	for (size_t i = 0; i < s->npairs; i++)
		pair_done(&s->pairs[i]);
	free(s->pairs);
	pair_done(&s->single);
	free(s->passphrase_file);
	free(s->client_auth.ca);
	free_strings(s->client_auth.crl, s->client_auth.ncrl);
	free(s->access.path);
	extra_done(&s->extra);
	for (size_t i = 0; i < s->nroutes; i++)
		route_done(&s->routes[i]);
	free(s->routes);
	tls_context_free(s->context);
	tls_trust_free(s->trust);
	free(s->serving.routes);
}

static void tls_options_done(struct tls_options *o)
{
	free(o->min_version);
	free(o->max_version);
	free(o->ciphers);
	free(o->ciphersuites);
	free(o->groups);
}

static void opened_done(struct config *c)
{
	for (size_t i = 0; i < c->nlog_files; i++) {
		if (c->log_files[i].fd >= 0)
			close(c->log_files[i].fd);
		free(c->log_files[i].path);
		buf_done(&c->log_files[i].pending);
	}
	free(c->log_files);
	free(c->log_places);
	roots_close(c);
	free(c->metrics.certificates);
	free(c->metrics.crls);
	tls_secret_free(c->tickets_secret);
	vault_free(c->tickets_store_url, sizeof(*c->tickets_store_url));
	free(c->tickets_store_shown);
	if (c->serve_pem)
		explicit_bzero(c->serve_pem, strlen(c->serve_pem));
	free(c->serve_pem);
	free(c->serve_ca_path);
}

static void forget(char *s)
{
	if (s)
		explicit_bzero(s, strlen(s));
	free(s);
}

void config_free(struct config *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->nlisteners; i++)
		listener_done(&c->listeners[i]);
	free(c->listeners);
	for (size_t i = 0; i < c->nsites; i++)
		site_done(&c->sites[i]);
	free(c->sites);
	opened_done(c);
	tls_options_done(&c->tls);
	free(c->tickets_secret_file);
	forget(c->tickets_store);
	free_strings(c->files, c->nfiles);
	digest_list_done(&c->digests);
	source_done(c->source);
	free(c->source);
	free(c->marks);
	free(c->path);
	free(c->directory);
	free(c->user);
	free(c->group);
	free(c->control);
	free(c->media_types);
	media_types_free(c->media);
	free(c->log_path);
	free(c->access.path);
	free(c);
}

struct config_place config_place_of(
	const struct config *c, const void *target, const struct config_place *otherwise)
{
	size_t low = 0, high = c->nmarks;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if ((const char *)c->marks[middle].target < (const char *)target)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < c->nmarks && c->marks[low].target == target)
		return c->marks[low].place;
	return otherwise ? *otherwise : (struct config_place){ c->path, 0 };
}

unsigned config_connections_fit(unsigned long nofile)
{
	unsigned long ours = 64 + FILECACHE_ENTRIES;
	unsigned long fit = nofile > 2 * ours ? nofile - ours : nofile / 2;

	return fit < UINT_MAX ? (unsigned)fit : UINT_MAX;
}

bool config_site_is_on(const struct config_site *site, const struct config_listener *listener)
{
	if (!site->nlisteners)
		return listener->tls == (site->npairs > 0);
	for (size_t i = 0; i < site->nlisteners; i++)
		if (listener->name && !strcmp(site->listeners[i], listener->name))
			return true;
	return false;
}
