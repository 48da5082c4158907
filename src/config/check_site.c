/* One site by itself: its names, its certificate, its routes. Refuses what could never match. Files
 * are not touched here: that is config/open's business. */
#include "config/check_site.h"

#include <stdlib.h>

#include "base/names.h"
#include "config/check_client.h"
#include "config/check_extra.h"
#include "config/check_route.h"

static void check_names(const struct config *c, const struct config_site *site, struct findings *f)
{
	struct config_place p = config_place_of(c, &site->names, &site->place);

	if (!site->nnames && site->names)
		findings_error(f, ERR_CONFIG, p.file, p.line,
			"the site has no names; expected at least one, such as \"example.org\" or "
			"\"*\" for any");
	for (size_t i = 0; i < site->nnames; i++) {
		p = config_place_of(c, &site->names[i], &site->place);
		if (names_is_valid(str_of(site->names[i])))
			continue;
		findings_error(f, ERR_CONFIG, p.file, p.line,
			"\"%.100s\" is no host name; expected one such as \"example.org\", "
			"\"*.example.org\" (the "
			"star for one whole label), \"*\" or an IP address",
			site->names[i]);
	}
}

static void check_certificate(
	const struct config *c, const struct config_site *site, struct findings *f)
{
	struct config_place p = config_place_of(c, &site->single.private_key, &site->place);

	for (size_t i = 0; c->path && i < site->npairs; i++)
		if (site->pairs[i].certificate && !site->pairs[i].certificate[0])
			findings_error(f, ERR_CONFIG, site->pairs[i].place.file,
				site->pairs[i].place.line,
				"\"certificate\" is empty; expected the path of a PEM file");
	if (site->npairs)
		return;
	if (site->single.private_key && site->single.private_key[0])
		findings_error(f, ERR_CONFIG, p.file, p.line,
			"there is a private_key, but no certificate; add the certificate or "
			"remove the key");
	p = config_place_of(c, &site->passphrase_file, &site->place);
	if (site->passphrase_file && site->passphrase_file[0])
		findings_warning(f, p.file, p.line,
			"passphrase_file is not used: the site has no certificate");
}

static int compare_paths(const void *a, const void *b)
{
	const struct config_route *const *x = a, *const *y = b;
	int r = strcmp((*x)->path ? (*x)->path : "", (*y)->path ? (*y)->path : "");

	return r ? r : (*x < *y ? -1 : *x > *y);
}

static void check_duplicate_paths(
	const struct config *c, const struct config_site *site, struct findings *f)
{
	const struct config_route **v = calloc(site->nroutes + 1, sizeof(*v));
	struct config_place p;

	if (!v)
		findings_error(f, ERR_SYSTEM, NULL, 0, "out of memory");
	for (size_t i = 0; v && i < site->nroutes; i++)
		v[i] = &site->routes[i];
	if (v)
		qsort(v, site->nroutes, sizeof(const struct config_route *), compare_paths);
	for (size_t i = 1; v && i < site->nroutes; i++) {
		if (!v[i]->path || !v[i - 1]->path || strcmp(v[i]->path, v[i - 1]->path))
			continue;
		p = config_place_of(c, &v[i]->path, &v[i]->place);
		findings_error(f, ERR_CONFIG, p.file, p.line,
			"the site has another route with the path \"%.100s\" at line %d; remove "
			"one of them",
			v[i]->path, v[i - 1]->place.line);
	}
	free(v);
}

void check_site(struct config *c, struct config_site *site, struct findings *f)
{
	check_names(c, site, f);
	check_certificate(c, site, f);
	check_client_auth(c, site, f);
	check_extra(c, &site->extra, NULL, &site->place, f);
	if (!site->nroutes)
		findings_warning(f, site->place.file, site->place.line,
			"the site has no routes: every request is answered 404");
	for (size_t i = 0; i < site->nroutes; i++) {
		check_route(c, site, &site->routes[i], f);
		check_client_require(c, site, &site->routes[i], f);
	}
	check_duplicate_paths(c, site, f);
}
