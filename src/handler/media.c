/* The table of media types and the search in it. It does not look into files: what a name does not
 * say is sent as bytes, and never guessed. */
#include "handler/media.h"

enum { EXTENSION_MAX = 15 };

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

struct str media_type(struct str name)
{
	char lower[EXTENSION_MAX];
	struct str extension = extension_of(name);
	size_t low = 0, high = sizeof(media) / sizeof(media[0]);

	if (extension.n == 0 || extension.n > sizeof(lower))
		return STR("application/octet-stream");
	for (size_t i = 0; i < extension.n; i++)
		lower[i] = (char)str_lower((unsigned char)extension.p[i]);
	extension.p = lower;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int c = compare(extension, media[middle].extension);

		if (c == 0)
			return media[middle].type;
		if (c < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return STR("application/octet-stream");
}
