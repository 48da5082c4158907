/* A list that is filled first and asked later. Keeps no content: a digest tells whether a secret
 * changed, not what it is. */
#include "tls/digest.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

int digest_list_add_hash(
	struct digest_list *l, const char *path, const unsigned char hash[DIGEST_SIZE])
{
	struct digest d = { .path = strdup(path) };

	if (d.path && l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 16;
		void *v = realloc(l->v, cap * sizeof(*l->v));

		if (v) {
			l->v = v;
			l->cap = cap;
		}
	}
	if (!d.path || l->n == l->cap) {
		free(d.path);
		return -1;
	}
	memcpy(d.hash, hash, DIGEST_SIZE);
	l->v[l->n++] = d;
	return 0;
}

int digest_list_add(struct digest_list *l, const char *path, const void *p, size_t n)
{
	unsigned char hash[EVP_MAX_MD_SIZE];

	if (EVP_Digest(n ? p : "", n, hash, NULL, EVP_sha256(), NULL) != 1)
		return -1;
	return digest_list_add_hash(l, path, hash);
}

static int compare(const void *a, const void *b)
{
	const struct digest *x = a, *y = b;

	return strcmp(x->path, y->path);
}

const char *digest_list_finish(struct digest_list *l)
{
	const char *changed = NULL;
	size_t kept = 0;

	if (l->n)
		qsort(l->v, l->n, sizeof(*l->v), compare);
	for (size_t i = 0; i < l->n; i++) {
		struct digest *last = kept ? &l->v[kept - 1] : NULL;

		if (!last || strcmp(last->path, l->v[i].path)) {
			l->v[kept++] = l->v[i];
			continue;
		}
		if (memcmp(last->hash, l->v[i].hash, DIGEST_SIZE))
			changed = last->path;
		free(l->v[i].path);
	}
	l->n = kept;
	return changed;
}

const struct digest *digest_list_find(const struct digest_list *l, const char *path)
{
	size_t low = 0, high = l->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int r = strcmp(l->v[middle].path, path);

		if (r == 0)
			return &l->v[middle];
		if (r < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const char *digest_list_differs(const struct digest_list *l, const struct digest_list *other)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct digest *d = digest_list_find(other, l->v[i].path);

		if (!d || memcmp(d->hash, l->v[i].hash, DIGEST_SIZE))
			return l->v[i].path;
	}
	return NULL;
}

void digest_list_done(struct digest_list *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i].path);
	free(l->v);
	*l = (struct digest_list){ 0 };
}
