/* Tables of media types and the search in them: that of the system, and our own for what it does
 * not have. It does not look into files: what a name does not say is sent as bytes, and never
 * guessed. */
#include "handler/media.h"

#include <stdlib.h>

#include "http/message.h"

enum { EXTENSION_MAX = 15, TYPE_MAX = 127 };

static const struct media {
	struct str extension, type;
} media[] = {
#define MEDIA(extension, type) { { extension, sizeof(extension) - 1 }, { type, sizeof(type) - 1 } },
#include "handler/media.def"
#undef MEDIA
};

static int compare(struct str a, struct str b)
{
	int c = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

	return c ? c : (a.n > b.n) - (a.n < b.n);
}

/* Behind the last dot of the last segment; n 0: none. ".profile" has none. */
static struct str extension_of(struct str name)
{
	for (size_t i = name.n; i > 1 && name.p[i - 1] != '/'; i--)
		if (name.p[i - 1] == '.' && name.p[i - 2] != '/')
			return (struct str){ name.p + i, name.n - i };
	return (struct str){ name.p, 0 };
}

struct media_types {
	char *text; /* what the rows point into */
	size_t n, cap;
	struct media *v; /* sorted by extension, then in the order of the file */
};

static const struct media *find(const struct media *v, size_t n, struct str extension)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(v[middle].extension, extension) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n && compare(v[low].extension, extension) == 0 ? &v[low] : NULL;
}

struct str media_type(const struct media_types *m, struct str name)
{
	char lower[EXTENSION_MAX];
	struct str extension = extension_of(name);
	const struct media *found = NULL;

	if (extension.n == 0 || extension.n > sizeof(lower))
		return STR("application/octet-stream");
	for (size_t i = 0; i < extension.n; i++)
		lower[i] = (char)str_lower((unsigned char)extension.p[i]);
	extension.p = lower;
	if (m)
		found = find(m->v, m->n, extension);
	if (!found)
		found = find(media, sizeof(media) / sizeof(media[0]), extension);
	return found ? found->type : STR("application/octet-stream");
}

/* ---- mime.types ------------------------------------------------------------- */

static bool take_word(struct str *line, struct str *ret)
{
	size_t from = 0, to;

	while (from < line->n && (line->p[from] == ' ' || line->p[from] == '\t'))
		from++;
	for (to = from; to < line->n && line->p[to] != ' ' && line->p[to] != '\t'; to++)
		;
	*ret = (struct str){ line->p + from, to - from };
	*line = (struct str){ line->p + to, line->n - to };
	return ret->n > 0;
}

static bool is_type(struct str s)
{
	size_t slash = str_find(s, '/', 0);

	return s.n <= TYPE_MAX && slash < s.n && http_is_token((struct str){ s.p, slash }) &&
	       http_is_token((struct str){ s.p + slash + 1, s.n - slash - 1 });
}

static bool add(struct media_types *m, struct str extension, struct str type)
{
	if (m->n == m->cap) {
		size_t cap = m->cap ? 2 * m->cap : 512;
		struct media *v = realloc(m->v, cap * sizeof(*v));

		if (!v)
			return false;
		m->v = v;
		m->cap = cap;
	}
	m->v[m->n++] = (struct media){ extension, type };
	return true;
}

/* A type in the memory that text grows in; text gets its charset. */
static struct str put_type(char **at, struct str type)
{
	static const struct str charset = STR("; charset=utf-8");
	struct str copy = { *at, type.n };

	memcpy(*at, type.p, type.n);
	if (str_has_prefix(type, STR("text/"))) {
		memcpy(*at + type.n, charset.p, charset.n);
		copy.n += charset.n;
	}
	*at += copy.n;
	return copy;
}

static bool take_line(struct media_types *m, struct str line, char **at)
{
	struct str word, type;
	bool ok = true;

	line.n = str_find(line, '#', 0);
	if (!take_word(&line, &type) || !is_type(type))
		return true;
	type = put_type(at, type);
	while (ok && take_word(&line, &word)) {
		struct str extension = { *at, word.n };

		if (word.n > EXTENSION_MAX)
			continue;
		for (size_t i = 0; i < word.n; i++)
			*(*at)++ = (char)str_lower((unsigned char)word.p[i]);
		ok = add(m, extension, type);
	}
	return ok;
}

static int compare_rows(const void *a, const void *b)
{
	const struct media *x = a, *y = b;
	int c = compare(x->extension, y->extension);

	return c ? c : (x->extension.p > y->extension.p) - (x->extension.p < y->extension.p);
}

struct media_types *media_types_new(struct str text)
{
	struct media_types *m = calloc(1, sizeof(*m));
	/* A line of "t/x" grows by its charset at most. */
	size_t room = 6 * text.n + 1;
	char *at;

	if (!m || !(m->text = malloc(room)))
		goto fail;
	at = m->text;
	while (text.n > 0) {
		size_t end = str_find(text, '\n', 0);

		if (!take_line(m, (struct str){ text.p, end }, &at))
			goto fail;
		end += end < text.n;
		text = (struct str){ text.p + end, text.n - end };
	}
	if (m->n > 0)
		qsort(m->v, m->n, sizeof(*m->v), compare_rows);
	return m;
fail:
	media_types_free(m);
	return NULL;
}

void media_types_free(struct media_types *m)
{
	if (!m)
		return;
	free(m->text);
	free(m->v);
	free(m);
}
