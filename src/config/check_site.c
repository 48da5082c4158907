/* One site by itself. Refuses what could never match, what would break the framing of a response,
 * and routes without exactly one handler. Files are not touched here: that is config/open's
 * business. */
#include "config/check_site.h"

#include <stdlib.h>

#include "base/names.h"
#include "http/message.h"

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

/* Fields that are the server's to send, or that would tell another length or end than the true one.
 */
static bool is_reserved(struct str name)
{
	static const char *const reserved[] = { "Connection", "Content-Length", "Content-Range",
		"Content-Type", "Date", "ETag", "Keep-Alive", "Last-Modified", "Location",
		"Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade" };

	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (str_case_eq(name, str_of(reserved[i])))
			return true;
	return false;
}

static void check_headers(
	const struct config *c, const struct config_site *site, struct findings *f)
{
	for (size_t i = 0; i < site->nheaders; i++) {
		const struct route_field *h = &site->headers[i];
		struct config_place p = config_place_of(c, &h->name, &site->place);

		if (h->name && !http_is_token(str_of(h->name)))
			findings_error(f, ERR_CONFIG, p.file, p.line,
				"\"%.60s\" is no field name; expected letters, digits and - only, "
				"without the colon",
				h->name);
		else if (h->name && is_reserved(str_of(h->name)))
			findings_error(f, ERR_CONFIG, p.file, p.line,
				"the field \"%.60s\" is the server's own; a site cannot set it, "
				"remove it",
				h->name);
		p = config_place_of(c, &h->value, &p);
		if (h->value && !http_is_field_value(str_of(h->value)))
			findings_error(f, ERR_CONFIG, p.file, p.line,
				"the value of the field \"%.60s\" has a line end or another "
				"control character; "
				"expected one line of text",
				h->name ? h->name : "");
		if (i == ROUTE_FIELDS_MAX)
			findings_error(f, ERR_CONFIG, p.file, p.line,
				"the site has %zu headers; expected at most %d", site->nheaders,
				ROUTE_FIELDS_MAX);
	}
}

/* Requests come with decoded paths that have neither of these. */
static bool can_match(const char *path)
{
	struct str s = str_of(path);

	return !strstr(path, "/./") && !strstr(path, "/../") && !strstr(path, "//") &&
	       !strpbrk(path, "?#") && !str_has_suffix(s, STR("/.")) &&
	       !str_has_suffix(s, STR("/.."));
}

static void check_path(const struct config *c, const struct config_route *r, struct findings *f)
{
	struct config_place p = config_place_of(c, &r->path, &r->place);

	if (!r->path)
		return;
	if (r->path[0] != '/')
		findings_error(f, ERR_CONFIG, p.file, p.line,
			"the path \"%.100s\" of the route does not begin with \"/\"; expected "
			"\"/%.100s\"",
			r->path, r->path);
	else if (!can_match(r->path))
		findings_error(f, ERR_CONFIG, p.file, p.line,
			"no request can match the path \"%.100s\"; expected one without query, "
			"fragment, empty and dot "
			"segments",
			r->path);
	else if (strchr(r->path, '%'))
		findings_warning(f, p.file, p.line,
			"the path \"%.100s\" is compared with the decoded path of a request; is "
			"the %% meant?",
			r->path);
}

static void check_files(const struct config *c, const struct config_route *r, struct findings *f)
{
	struct config_place p = config_place_of(c, &r->files.root, &r->place);

	if (r->files.root && !r->files.root[0])
		findings_error(
			f, ERR_CONFIG, p.file, p.line, "\"root\" is empty; expected a directory");
	for (size_t i = 0; i < r->files.nindex; i++) {
		const char *name = r->files.index[i];

		p = config_place_of(c, &r->files.index[i], &r->place);
		if (!name[0] || name[0] == '.' || strchr(name, '/'))
			findings_error(f, ERR_CONFIG, p.file, p.line,
				"the index \"%.60s\" cannot be served; expected a file name "
				"without \"/\" and "
				"without a dot in front",
				name);
	}
}

static void check_redirect(const struct config *c, const struct config_route *r, struct findings *f)
{
	struct config_place p = config_place_of(c, &r->redirect.to, &r->place);
	const char *at = NULL;

	if (!r->redirect.to || (r->redirect.to[0] && redirect_check(r->redirect.to, &at)))
		return;
	if (!r->redirect.to[0])
		findings_error(f, ERR_CONFIG, p.file, p.line,
			"\"to\" is empty; expected a URL such as \"https://$host$path$query\"");
	else if (at && *at == '$')
		findings_error(f, ERR_CONFIG, p.file, p.line,
			"unknown variable at \"%.40s\"; expected $host, $path or $query", at);
	else
		findings_error(f, ERR_CONFIG, p.file, p.line,
			"no URL holds the byte at \"%.40s\"; expected it percent-encoded",
			at ? at : r->redirect.to);
}

static void check_handler(const struct config *c, struct config_route *r, struct findings *f)
{
	int n = r->has_files + r->has_redirect + r->has_status + r->has_metrics;

	r->handler = r->has_files      ? CONFIG_HANDLER_FILES
		     : r->has_redirect ? CONFIG_HANDLER_REDIRECT
		     : r->has_status   ? CONFIG_HANDLER_STATUS
		     : r->has_metrics  ? CONFIG_HANDLER_METRICS
				       : CONFIG_HANDLER_NONE;
	if (n != 1)
		findings_error(f, ERR_CONFIG, r->place.file, r->place.line,
			"the route \"%.100s\" has %s; expected exactly one of files, redirect, "
			"status and metrics",
			r->path ? r->path : "", n ? "several handlers" : "no handler");
	if (r->has_files)
		check_files(c, r, f);
	if (r->has_redirect)
		check_redirect(c, r, f);
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
	check_headers(c, site, f);
	if (!site->nroutes)
		findings_warning(f, site->place.file, site->place.line,
			"the site has no routes: every request is answered 404");
	for (size_t i = 0; i < site->nroutes; i++) {
		check_path(c, &site->routes[i], f);
		check_handler(c, &site->routes[i], f);
	}
	check_duplicate_paths(c, site, f);
}
