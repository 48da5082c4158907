/* Error pages are read by the master, with its rights, into memory that all workers share: no
 * worker opens one, and no request can name one. Refuses what is no regular file, and what is too
 * large to be a page. */
#include "config/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "handler/media.h"

/* The whole file in memory of its own. 0 or an errno. */
static int read_file(const char *path, char **ret, size_t *ret_n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), error = 0;
	struct stat st;
	size_t n = 0;
	char *p = NULL;

	if (fd < 0 || fstat(fd, &st))
		error = errno;
	else if (!S_ISREG(st.st_mode))
		error = EINVAL;
	else if (st.st_size > PAGES_SIZE_MAX)
		error = EFBIG;
	else if (!(p = malloc((size_t)st.st_size + 1)))
		error = ENOMEM;
	while (!error && n < (size_t)st.st_size) {
		ssize_t got = read(fd, p + n, (size_t)st.st_size - n);

		if (got < 0 && errno != EINTR)
			error = errno;
		else if (got == 0)
			break;
		else if (got > 0)
			n += (size_t)got;
	}
	if (fd >= 0)
		close(fd);
	if (error) {
		free(p);
		return error;
	}
	*ret = p;
	*ret_n = n;
	return 0;
}

static void read_page(struct config *c, struct route_error_page *page,
	const struct config_place *place, struct findings *f)
{
	struct config_place p = config_place_of(c, &page->file, place);
	char *text;
	size_t n;
	int error;

	if (!page->file || !page->file[0])
		return;
	error = read_file(page->file, &text, &n);
	if (!error) {
		page->content = (struct str){ text, n };
		page->type = media_type(str_of(page->file));
		if (digest_list_add(&c->digests, page->file, text, n) == 0)
			return;
		error = ENOMEM;
	}
	if (error == EFBIG)
		findings_error(f, ERR_CONFIG, p.file, p.line,
			"the error page %s is larger than %dK; expected a page", page->file,
			PAGES_SIZE_MAX / 1024);
	else
		findings_error(f, error == ENOMEM ? ERR_SYSTEM : ERR_CONFIG, p.file, p.line,
			"cannot read the error page %s: %s", page->file,
			error == EINVAL ? "it is no regular file" : strerror(error));
}

static void read_pages(struct config *c, struct route_extra *x, const struct config_place *place,
	struct findings *f)
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
