/* Fields and error pages. Refuses what would break the framing of a response, and more than a
 * response has room for. */
#include "config/check_extra.h"

#include <string.h>

#include "http/message.h"

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

static bool has_field(const struct route_extra *x, const char *name)
{
	for (size_t i = 0; i < x->nfields; i++)
		if (x->fields[i].name && str_case_eq(str_of(x->fields[i].name), str_of(name)))
			return true;
	return false;
}

static void check_field(const struct config *c, const struct route_field *h,
	const struct config_place *place, struct findings *f)
{
	struct config_place p = config_place_of(c, &h->name, place);

	if (h->name && !http_is_token(str_of(h->name)))
		findings_error(f, ERR_CONFIG, p.file, p.line,
			"\"%.60s\" is no field name; expected letters, digits and - only, "
			"without the colon",
			h->name);
	else if (h->name && is_reserved(str_of(h->name)))
		findings_error(f, ERR_CONFIG, p.file, p.line,
			"the field \"%.60s\" is the server's own; a site cannot set it, remove it",
			h->name);
	p = config_place_of(c, &h->value, &p);
	if (h->value && !http_is_field_value(str_of(h->value)))
		findings_error(f, ERR_CONFIG, p.file, p.line,
			"the value of the field \"%.60s\" has a line end or another control "
			"character; "
			"expected one line of text",
			h->name ? h->name : "");
}

/* Bytes in a head. */
static size_t size_of(const struct route_field *h)
{
	return h->name && h->value ? strlen(h->name) + strlen(h->value) + strlen(": \r\n") : 0;
}

static void check_room(const struct config *c, const struct route_extra *x,
	const struct route_extra *site, const struct config_place *place, struct findings *f)
{
	struct config_place p = config_place_of(c, &x->fields, place);
	const char *whose = site ? "route, with those of its site," : "site";
	size_t n = x->nfields, size = 0;

	for (size_t i = 0; i < x->nfields; i++)
		size += size_of(&x->fields[i]);
	for (size_t i = 0; site && i < site->nfields; i++) {
		if (!site->fields[i].name || has_field(x, site->fields[i].name))
			continue;
		n++;
		size += size_of(&site->fields[i]);
	}
	if (x->nfields && n > ROUTE_FIELDS_MAX)
		findings_error(f, ERR_CONFIG, p.file, p.line,
			"the %s has %zu headers; expected at most %d", whose, n, ROUTE_FIELDS_MAX);
	if (x->nfields && size > ROUTE_FIELDS_SIZE_MAX)
		findings_error(f, ERR_CONFIG, p.file, p.line,
			"the %s has %zu bytes of headers; expected at most %d", whose, size,
			ROUTE_FIELDS_SIZE_MAX);
}

static void check_pages(const struct config *c, const struct route_extra *x,
	const struct config_place *place, struct findings *f)
{
	for (size_t i = 0; i < x->npages; i++) {
		struct config_place p = config_place_of(c, &x->pages[i].status, place);

		for (size_t k = 0; k < i; k++)
			if (x->pages[i].status && x->pages[k].status == x->pages[i].status)
				findings_error(f, ERR_CONFIG, p.file, p.line,
					"there is another error page for the status %d; remove one "
					"of them",
					x->pages[i].status);
		p = config_place_of(c, &x->pages[i].file, place);
		if (x->pages[i].file && !x->pages[i].file[0])
			findings_error(f, ERR_CONFIG, p.file, p.line,
				"\"file\" is empty; expected the path of a page");
	}
}

void check_extra(const struct config *c, const struct route_extra *x,
	const struct route_extra *site, const struct config_place *place, struct findings *f)
{
	for (size_t i = 0; i < x->nfields; i++)
		check_field(c, &x->fields[i], place, f);
	check_room(c, x, site, place, f);
	check_pages(c, x, place, f);
}
