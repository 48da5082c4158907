/* One route by itself: its path, its one handler and what that is told. Refuses what could never
 * match and what no handler could do. Files are not touched here: that is config/open's business.
 */
#include "config/check_route.h"

#include "config/check_extra.h"
#include "handler/compress.h"
#include "http/message.h"

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

/* type "/" subtype, and perhaps parameters (RFC 9110 section 8.3.1). */
static bool is_media_type(struct str s)
{
	struct str bare = str_trim((struct str){ s.p, str_find(s, ';', 0) });
	size_t slash = str_find(bare, '/', 0);

	return http_is_field_value(s) && slash < bare.n &&
	       http_is_token((struct str){ bare.p, slash }) &&
	       http_is_token((struct str){ bare.p + slash + 1, bare.n - slash - 1 });
}

static bool has_field(const struct route_extra *x, const char *name)
{
	for (size_t i = 0; i < x->nfields; i++)
		if (x->fields[i].name && str_case_eq(str_of(x->fields[i].name), str_of(name)))
			return true;
	return false;
}

static void check_cache_control(const struct config *c, const struct config_site *site,
	const struct config_route *r, struct findings *f)
{
	struct config_place p = config_place_of(c, &r->files.cache_control, &r->place);

	if (!r->files.cache_control || !r->files.cache_control[0])
		return;
	if (!http_is_field_value(str_of(r->files.cache_control)))
		findings_error(f, ERR_CONFIG, p.file, p.line,
			"cache_control has a line end or another control character; expected one "
			"line of text");
	if (has_field(&r->extra, "Cache-Control") || has_field(&site->extra, "Cache-Control"))
		findings_error(f, ERR_CONFIG, p.file, p.line,
			"the field Cache-Control is among the headers, too; remove it there, or "
			"remove cache_control");
}

/* "$path" in front, or a path from the root. */
static bool is_candidate(const char *text)
{
	const char *behind = strncmp(text, "$path", 5) ? text : text + 5;

	return (behind != text || text[0] == '/') && !strchr(behind, '$') &&
	       !strstr(behind, "/../") && !str_has_suffix(str_of(behind), STR("/.."));
}

static void check_try(const struct config *c, const struct config_route *r, struct findings *f)
{
	for (size_t i = 0; i < r->files.ntry; i++) {
		struct config_place p = config_place_of(c, &r->files.try[i], &r->place);

		if (!is_candidate(r->files.try[i]))
			findings_error(f, ERR_CONFIG, p.file, p.line,
				"\"%.100s\" is nothing to try; expected \"$path\", \"$path\" and "
				"something behind it, or a path such as \"/index.html\"",
				r->files.try[i]);
	}
}

static void check_compress(const struct config *c, const struct config_route *r, struct findings *f)
{
	struct config_place p = config_place_of(c, &r->files.compress, &r->place);
	bool any = false;

	for (int i = CODING_GZIP; i < CODING_COUNT; i++)
		any = any || compress_has((enum coding)i);
	if (r->files.compress && !any)
		findings_error(f, ERR_CONFIG, p.file, p.line,
			"this latchd was built without zlib, zstd and brotli; remove compress, or "
			"build it with one of them");
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

static void check_respond(const struct config *c, const struct config_route *r, struct findings *f)
{
	static const int without_content[] = { 204, 205, 304 };
	struct config_place p = config_place_of(c, &r->respond.text, &r->place);

	for (size_t i = 0; i < sizeof(without_content) / sizeof(without_content[0]); i++)
		if (r->respond.text && r->respond.text[0] &&
			r->respond.status == without_content[i])
			findings_error(f, ERR_CONFIG, p.file, p.line,
				"a response with the status %d has no content; remove the text",
				r->respond.status);
	p = config_place_of(c, &r->respond.type, &r->place);
	if (r->respond.type && !is_media_type(str_of(r->respond.type)))
		findings_error(f, ERR_CONFIG, p.file, p.line,
			"\"%.60s\" is no media type; expected one such as \"application/json\"",
			r->respond.type);
}

static void check_handler(const struct config *c, struct config_route *r, struct findings *f)
{
	int n = r->has_files + r->has_redirect + r->has_respond + r->has_status + r->has_metrics;

	r->handler = r->has_files      ? CONFIG_HANDLER_FILES
		     : r->has_redirect ? CONFIG_HANDLER_REDIRECT
		     : r->has_respond  ? CONFIG_HANDLER_RESPOND
		     : r->has_status   ? CONFIG_HANDLER_STATUS
		     : r->has_metrics  ? CONFIG_HANDLER_METRICS
				       : CONFIG_HANDLER_NONE;
	if (n != 1)
		findings_error(f, ERR_CONFIG, r->place.file, r->place.line,
			"the route \"%.100s\" has %s; expected exactly one of files, redirect, "
			"respond, status and metrics",
			r->path ? r->path : "", n ? "several handlers" : "no handler");
	if (r->has_files)
		check_files(c, r, f);
	if (r->has_redirect)
		check_redirect(c, r, f);
	if (r->has_respond)
		check_respond(c, r, f);
}

void check_route(struct config *c, const struct config_site *site, struct config_route *r,
	struct findings *f)
{
	check_path(c, r, f);
	check_handler(c, r, f);
	if (r->has_files) {
		check_try(c, r, f);
		check_compress(c, r, f);
		check_cache_control(c, site, r, f);
	}
	check_extra(c, &r->extra, &site->extra, &r->place, f);
}
