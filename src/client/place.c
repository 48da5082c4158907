/* URLs of the command line. Names that are no ASCII become A-labels (RFC 5891) through libidn2, or
 * are refused where it was left out: nothing is guessed about them. */
#include "client/place.h"

#include <stdlib.h>
#include <string.h>

#ifdef HAVE_LIBIDN2
#include <idn2.h>
#endif

static bool is_ascii(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return false;
	return true;
}

#ifdef HAVE_LIBIDN2
static int append_a_labels(struct buf *out, struct str host, struct err *e)
{
	char *u = strndup(host.p, host.n), *a = NULL;
	int rc = u ? idn2_to_ascii_8z(u, &a, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) : IDN2_MALLOC;

	free(u);
	if (rc != IDN2_OK)
		return err_set(e, ERR_USAGE, "the host is no internationalised name: %s",
			idn2_strerror(rc));
	rc = buf_append_str(out, str_of(a)) ? 0 : err_set(e, ERR_SYSTEM, "out of memory");
	idn2_free(a);
	return rc;
}
#else
static int append_a_labels(struct buf *out, struct str host, struct err *e)
{
	(void)out, (void)host;
	return err_set(e, ERR_USAGE,
		"the host is not ASCII, and this latch was built without libidn2; "
		"write it with A-labels, as xn--bcher-kva.example");
}
#endif

/* The text with the host, if that is not ASCII, as A-labels. */
static int convert(struct str s, struct buf *out, struct err *e)
{
	const char *scheme = memmem(s.p, s.n, "://", 3);
	size_t begin = scheme ? (size_t)(scheme - s.p) + 3 : 0, end = begin;
	struct str host;

	while (end < s.n && !strchr("/?#:", s.p[end]))
		end++;
	host = (struct str){ s.p + begin, end - begin };
	if (!buf_append(out, s.p, begin))
		goto memory;
	if (!is_ascii(host) && append_a_labels(out, host, e) < 0)
		return -1;
	if (is_ascii(host) && !buf_append_str(out, host))
		goto memory;
	if (buf_append(out, s.p + end, s.n - end))
		return 0;
memory:
	return err_set(e, ERR_SYSTEM, "out of memory");
}

static bool is_control(char c)
{
	return (unsigned char)c < ' ' || c == 0x7f;
}

/* The last segment of the path. */
static int name_file(struct place *p, struct err *e)
{
	struct str path = { p->url.target.p, str_find(p->url.target, '?', 0) }, name;
	char *decoded = malloc(path.n + 1);
	struct http_error why;
	const char *last;

	if (!decoded)
		return err_set(e, ERR_SYSTEM, "out of memory");
	last = path.n > 0 && uri_decode_path(path, decoded, &name, &why) == 0
		       ? strrchr(decoded, '/') + 1
		       : "";
	for (const char *c = last; *c; c++)
		if (is_control(*c))
			last = "";
	p->file = *last ? strdup(last) : NULL;
	free(decoded);
	return p->file ? 0 : err_set(e, ERR_USAGE, "the path ends in no name for -O; use -o FILE");
}

int place_parse(const char *text, bool wants_file, struct place *ret, struct err *e)
{
	const char *why;

	*ret = (struct place){ 0 };
	buf_init(&ret->text, 0);
	if (convert(str_of(text), &ret->text, e) < 0)
		return -1;
	if (uri_parse_url(buf_str(&ret->text), &ret->url, &why) < 0)
		return err_set(e, ERR_USAGE, "%s", why);
	return wants_file ? name_file(ret, e) : 0;
}

void place_done(struct place *p)
{
	if (!p)
		return;
	buf_done(&p->text);
	free(p->file);
	p->file = NULL;
}
