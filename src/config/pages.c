/* Error pages are read by the master, with its rights, into memory that all workers share: no
 * worker opens one, and no request can name one. Refuses what is no regular file, and what is too
 * large to be a page. */
#include "config/pages.h"

#include <stdlib.h>
#include <string.h>

#include "handler/media.h"
#include "tls/file.h"

static char *copy_of(struct str s)
{
	char *copy = malloc(s.n + 1);

	if (copy && s.n > 0)
		memcpy(copy, s.p, s.n);
	return copy;
}

static void read_page(const struct config *c, struct route_error_page *page,
	const struct config_place *place, struct findings *f)
{
	struct config_place p = config_place_of(c, &page->file, place);
	struct err e = { 0 };
	struct buf b = { 0 };

	if (!page->file || !page->file[0])
		return;
	if (file_read(page->file, NULL, &b, &e)) {
		findings_error(
			f, e.code, p.file, p.line, "the error page %s %s", page->file, e.text);
	} else {
		page->content = (struct str){ copy_of(buf_str(&b)), buf_len(&b) };
		page->type = media_type(c->media, str_of(page->file));
		if (!page->content.p)
			findings_error(f, ERR_SYSTEM, NULL, 0, "out of memory");
	}
	file_forget(&b);
}

static void read_pages(const struct config *c, struct route_extra *x,
	const struct config_place *place, struct findings *f)
{
	for (size_t i = 0; i < x->npages; i++)
		read_page(c, &x->pages[i], place, f);
}

void pages_read(struct config *c, struct findings *f)
{
	for (size_t i = 0; i < c->nsites; i++) {
		struct config_site *site = &c->sites[i];

		read_pages(c, &site->extra, &site->place, f);
		for (size_t k = 0; k < site->nroutes; k++)
			read_pages(c, &site->routes[k].extra, &site->routes[k].place, f);
	}
}

static bool has_field(const struct route_extra *x, const char *name)
{
	for (size_t i = 0; i < x->nfields; i++)
		if (str_case_eq(str_of(x->fields[i].name), str_of(name)))
			return true;
	return false;
}

static bool has_page(const struct route_extra *x, int status)
{
	for (size_t i = 0; i < x->npages; i++)
		if (x->pages[i].status == status)
			return true;
	return false;
}

int pages_merge(const struct config_site *site, struct config_route *r)
{
	const struct route_extra *own = &r->extra, *all = &site->extra;
	struct route_extra *x = &r->serving;

	x->fields = calloc(own->nfields + all->nfields + 1, sizeof(*x->fields));
	x->pages = calloc(own->npages + all->npages + 1, sizeof(*x->pages));
	if (!x->fields || !x->pages)
		return -1;
	for (size_t i = 0; i < own->nfields; i++)
		if (own->fields[i].value[0])
			x->fields[x->nfields++] = own->fields[i];
	for (size_t i = 0; i < all->nfields; i++)
		if (!has_field(own, all->fields[i].name))
			x->fields[x->nfields++] = all->fields[i];
	for (size_t i = 0; i < own->npages; i++)
		x->pages[x->npages++] = own->pages[i];
	for (size_t i = 0; i < all->npages; i++)
		if (!has_page(own, all->pages[i].status))
			x->pages[x->npages++] = all->pages[i];
	return 0;
}
