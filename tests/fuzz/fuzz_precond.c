/* Conditions and ranges. The input: a first line with the size, then field lines. */
#include <string.h>

#include "fuzz.h"
#include "http/precond.h"

static struct request req;
static const struct validators now = { STR("\"abc\""), 784111777 };

static struct str take_line(struct str *text)
{
	struct str line = { text->p, str_find(*text, '\n', 0) };
	size_t skip = line.n < text->n ? line.n + 1 : line.n;

	*text = (struct str){ text->p + skip, text->n - skip };
	return line;
}

static void add_fields(struct str text)
{
	while (text.n) {
		struct str line = take_line(&text);
		size_t colon = str_find(line, ':', 0);
		struct str value;

		if (colon == line.n)
			continue;
		value = str_trim((struct str){ line.p + colon + 1, line.n - colon - 1 });
		if (!fields_add(&req.fields, (struct str){ line.p, colon }, value))
			return;
	}
}

static void check_condition(enum http_method method)
{
	const struct fields *f = &req.fields;
	bool safe = method == HTTP_METHOD_GET || method == HTTP_METHOD_HEAD;
	bool any = fields_has(f, FIELD_IF_MATCH) || fields_has(f, FIELD_IF_NONE_MATCH) ||
		   fields_has(f, FIELD_IF_MODIFIED_SINCE) ||
		   fields_has(f, FIELD_IF_UNMODIFIED_SINCE);
	bool none_match = f->count[FIELD_IF_NONE_MATCH] == 1 && !fields_has(f, FIELD_IF_MATCH) &&
			  !fields_has(f, FIELD_IF_UNMODIFIED_SINCE);
	enum precond result;

	req.method = method;
	result = precond_evaluate(&req, &now);
	check(any || result == PRECOND_PASS);
	check(safe || result != PRECOND_NOT_MODIFIED);
	if (none_match && str_eq(fields_get(f, FIELD_IF_NONE_MATCH), now.etag))
		check(result == (safe ? PRECOND_NOT_MODIFIED : PRECOND_FAILED));
	if (none_match && safe)
		check(result != PRECOND_FAILED);
}

static void check_range(enum http_method method, uint64_t size)
{
	const struct fields *f = &req.fields;
	struct range v[RANGES_MAX];
	enum range_result result;
	unsigned n;

	req.method = method;
	result = precond_ranges(&req, &now, size, v, &n);
	check((result == RANGE_PART) == (n > 0) && n <= RANGES_MAX);
	check(result == RANGE_WHOLE || (method == HTTP_METHOD_GET && fields_has(f, FIELD_RANGE)));
	for (unsigned i = 0; i < n; i++) {
		check(v[i].first <= v[i].last && v[i].last < size);
		for (unsigned k = 0; k < i; k++)
			check(v[i].last + 1 < v[k].first || v[k].last + 1 < v[i].first);
	}
	if (result == RANGE_UNSATISFIABLE && size > 0)
		check(precond_ranges(&req, &now, 0, v, &n) == RANGE_UNSATISFIABLE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum http_method methods[] = { HTTP_METHOD_GET, HTTP_METHOD_HEAD,
		HTTP_METHOD_PUT, HTTP_METHOD_OTHER };
	struct str text = { (const char *)data, size };
	uint64_t length = 1000;

	request_clear(&req);
	str_parse_u64(take_line(&text), &length);
	add_fields(text);
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		check_condition(methods[i]);
		check_range(methods[i], length);
	}
	return 0;
}
