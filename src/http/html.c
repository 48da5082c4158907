/* Escaping for HTML. Bytes that are not UTF-8 stay as they are: they cannot end a tag, and browsers
 * show their sign for them. */
#include "http/html.h"

struct str html_reference(char c)
{
	switch (c) {
	case '&':
		return STR("&amp;");
	case '<':
		return STR("&lt;");
	case '>':
		return STR("&gt;");
	case '"':
		return STR("&quot;");
	case '\'':
		return STR("&#39;");
	default:
		return (struct str){ NULL, 0 };
	}
}

bool html_append(struct buf *out, struct str text)
{
	size_t from = 0;

	for (size_t i = 0; i < text.n; i++) {
		struct str reference = html_reference(text.p[i]);

		if (!reference.p)
			continue;
		if (!buf_append(out, text.p + from, i - from) || !buf_append_str(out, reference))
			return false;
		from = i + 1;
	}
	return buf_append(out, text.p + from, text.n - from);
}
