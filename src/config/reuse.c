/* Finds sites again and compares files by digest, as told by stamps. Refuses to guess: what is not
 * surely the same is loaded. */
#include "config/reuse.h"

#include <stdlib.h>
#include <string.h>

#include "tls/file.h"

static const char *or_empty(const char *s)
{
	return s ? s : "";
}

static int compare_sites(const struct config_site *a, const struct config_site *b)
{
	int r = strcmp(a->names[0], b->names[0]);

	return r ? r : strcmp(or_empty(a->pairs[0].certificate), or_empty(b->pairs[0].certificate));
}

static int compare(const void *a, const void *b)
{
	return compare_sites(
		*(const struct config_site *const *)a, *(const struct config_site *const *)b);
}

static bool is_candidate(const struct config_site *site)
{
	return site->nnames && site->npairs;
}

void reuse_init(struct reuse *r, const struct config *before)
{
	*r = (struct reuse){ .before = before };
	if (!before)
		return;
	r->index = calloc(before->nsites + 1, sizeof(*r->index));
	for (size_t i = 0; r->index && i < before->nsites; i++)
		if (before->sites[i].context && is_candidate(&before->sites[i]))
			r->index[r->n++] = &before->sites[i];
	if (r->n)
		qsort(r->index, r->n, sizeof(*r->index), compare);
}

void reuse_done(struct reuse *r)
{
	free(r->index);
	*r = (struct reuse){ 0 };
}

static bool names_same_files(const struct config_site *a, const struct config_site *b)
{
	bool same = a->npairs == b->npairs &&
		    !strcmp(or_empty(a->passphrase_file), or_empty(b->passphrase_file));

	for (size_t i = 0; same && i < a->npairs; i++)
		same = !strcmp(or_empty(a->pairs[i].certificate),
			       or_empty(b->pairs[i].certificate)) &&
		       !strcmp(or_empty(a->pairs[i].private_key),
			       or_empty(b->pairs[i].private_key));
	return same;
}

static int add_known(struct config *c, const struct digest *d)
{
	if (digest_list_add_hash(&c->digests, d->path, d->hash) < 0)
		return -1;
	c->digests.v[c->digests.n - 1].is_tls = true;
	c->digests.v[c->digests.n - 1].stamp = d->stamp;
	return 0;
}

/* Its digest is among those of `c` afterwards, if it is the same. */
static bool is_same_file(const struct reuse *r, struct config *c, const char *path)
{
	const struct digest *then = digest_list_find(&r->before->digests, or_empty(path));
	size_t before = c->digests.n;
	struct buf content;
	struct err e;
	bool same;

	if (!path || !*path)
		return true;
	if (!then)
		return false;
	if (file_has_stamp(path, &then->stamp))
		return add_known(c, then) == 0;
	same = file_read(path, &c->digests, &content, &e) == 0 &&
	       !memcmp(c->digests.v[before].hash, then->hash, DIGEST_SIZE);
	file_forget(&content);
	return same;
}

const struct config_site *reuse_find(
	const struct reuse *r, struct config *c, const struct config_site *site)
{
	const struct config_site *const *found, *old;
	bool same;

	if (!r->n || !is_candidate(site))
		return NULL;
	found = bsearch(&site, r->index, r->n, sizeof(*r->index), compare);
	if (!found)
		return NULL;
	old = *found;
	same = names_same_files(old, site) && is_same_file(r, c, site->passphrase_file);
	for (size_t i = 0; same && i < site->npairs; i++)
		same = is_same_file(r, c, site->pairs[i].certificate) &&
		       is_same_file(r, c, site->pairs[i].private_key);
	return same ? old : NULL;
}
