/* Conditional requests and ranges, decided from the request and the validators alone. Refuses to
 * guess: a date that does not parse, a list that is malformed and a range in a form that is not
 * supported are as if they were not there, except where that would be the unsafe side (If-Match).
 */
#include "http/precond.h"

#include "base/clock.h"
#include "http/chars.h"

static void skip_blanks(struct str *s, bool commas)
{
	while (s->n > 0 && (*s->p == ' ' || *s->p == '\t' || (commas && *s->p == ','))) {
		s->p++;
		s->n--;
	}
}

/* Takes the next entity-tag off a list; `ret` is with its quotes, without "W/". A backslash in it
 * is a byte like any other (RFC 9110 section 8.8.3), so this is no list of quoted strings. */
static bool next_etag(struct str *list, struct str *ret, bool *ret_weak)
{
	size_t n;

	skip_blanks(list, true);
	*ret_weak = str_has_prefix(*list, STR("W/"));
	if (*ret_weak)
		*list = (struct str){ list->p + 2, list->n - 2 };
	if (list->n < 2 || *list->p != '"')
		return false;
	n = 1 + chars_span(list->p + 1, list->n - 1, CHARS_ETAG);
	if (n == list->n || list->p[n] != '"')
		return false;
	*ret = (struct str){ list->p, n + 1 };
	*list = (struct str){ list->p + n + 1, list->n - n - 1 };
	skip_blanks(list, false);
	return list->n == 0 || *list->p == ',';
}

/* Is our validator, a strong one, in the list of this line? "*" is any. */
static bool line_matches(struct str list, struct str etag, bool strong)
{
	struct str candidate;
	bool weak;

	if (str_eq(str_trim(list), STR("*")))
		return true;
	while (next_etag(&list, &candidate, &weak))
		if (str_eq(candidate, etag) && !(strong && weak))
			return true;
	return false;
}

static bool any_matches(const struct fields *f, enum field_id id, struct str etag, bool strong)
{
	for (unsigned i = 0; i < f->n; i++)
		if (f->line[i].id == id && line_matches(f->line[i].value, etag, strong))
			return true;
	return false;
}

/* The date of a field that is there once and holds one. */
static bool get_date(const struct fields *f, enum field_id id, time_t *ret)
{
	return f->count[id] == 1 && clock_parse_http_date(fields_get(f, id), ret);
}

static enum precond evaluate_if_none_match(
	const struct request *req, const struct validators *v, bool safe)
{
	if (!any_matches(&req->fields, FIELD_IF_NONE_MATCH, v->etag, false))
		return PRECOND_PASS;
	return safe ? PRECOND_NOT_MODIFIED : PRECOND_FAILED;
}

enum precond precond_evaluate(const struct request *req, const struct validators *v)
{
	const struct fields *f = &req->fields;
	bool safe = req->method == HTTP_METHOD_GET || req->method == HTTP_METHOD_HEAD;
	time_t date;

	if (fields_has(f, FIELD_IF_MATCH)) {
		if (!any_matches(f, FIELD_IF_MATCH, v->etag, true))
			return PRECOND_FAILED;
	} else if (get_date(f, FIELD_IF_UNMODIFIED_SINCE, &date) && v->last_modified > date) {
		return PRECOND_FAILED;
	}
	if (fields_has(f, FIELD_IF_NONE_MATCH))
		return evaluate_if_none_match(req, v, safe);
	if (safe && get_date(f, FIELD_IF_MODIFIED_SINCE, &date) && v->last_modified <= date)
		return PRECOND_NOT_MODIFIED;
	return PRECOND_PASS;
}

/* RFC 9110 section 13.1.5: the strong comparison, or the very date. A date is a strong validator
 * only when its second is over, so that no later change can have the same (section 8.8.2.2). */
static bool if_range_holds(const struct fields *f, const struct validators *v)
{
	struct str value = fields_get(f, FIELD_IF_RANGE);
	time_t date;

	if (!fields_has(f, FIELD_IF_RANGE))
		return true;
	if (value.n > 0 && *value.p == '"')
		return f->count[FIELD_IF_RANGE] == 1 && str_eq(value, v->etag);
	return get_date(f, FIELD_IF_RANGE, &date) && date == v->last_modified &&
	       date < clock_wall();
}

/* Takes decimal digits off; a number that is too large becomes the largest. False: there are none.
 */
static bool take_number(struct str *s, uint64_t *ret)
{
	size_t n = 0;

	*ret = 0;
	for (; n < s->n && s->p[n] >= '0' && s->p[n] <= '9'; n++)
		if (__builtin_mul_overflow(*ret, (uint64_t)10, ret) ||
			__builtin_add_overflow(*ret, (uint64_t)(s->p[n] - '0'), ret))
			*ret = UINT64_MAX;
	*s = (struct str){ s->p + n, s->n - n };
	return n > 0;
}

/* The last `n` bytes. */
static enum range_result resolve_suffix(uint64_t n, uint64_t size, struct range *ret)
{
	if (n == 0)
		return RANGE_UNSATISFIABLE;
	if (size == 0) /* satisfiable, but there is no byte to name */
		return RANGE_WHOLE;
	*ret = (struct range){ n < size ? size - n : 0, size - 1 };
	return RANGE_PART;
}

/* "first-", "first-last" or "-suffix" (RFC 9110 section 14.1.2). */
static enum range_result resolve(struct str spec, uint64_t size, struct range *ret)
{
	uint64_t first;
	uint64_t last;
	bool has_first = take_number(&spec, &first);
	bool has_last;

	if (spec.n == 0 || *spec.p != '-')
		return RANGE_WHOLE;
	spec = (struct str){ spec.p + 1, spec.n - 1 };
	has_last = take_number(&spec, &last);
	if (spec.n > 0 || !(has_first || has_last))
		return RANGE_WHOLE;
	if (!has_first)
		return resolve_suffix(last, size, ret);
	if (has_last && last < first)
		return RANGE_WHOLE;
	if (first >= size)
		return RANGE_UNSATISFIABLE;
	*ret = (struct range){ first, has_last && last < size ? last : size - 1 };
	return RANGE_PART;
}

static bool touches(struct range a, struct range b)
{
	return a.first <= b.last + 1 && b.first <= a.last + 1;
}

/* Adds a range to `n` that do not touch each other; how many there are then. What it joins is where
 * the first of them was. */
static unsigned add_range(struct range *v, unsigned n, struct range new)
{
	unsigned at = n, kept = 0;

	for (unsigned i = 0; i < n; i++) {
		if (!touches(v[i], new)) {
			v[kept++] = v[i];
			continue;
		}
		new.first = v[i].first < new.first ? v[i].first : new.first;
		new.last = v[i].last > new.last ? v[i].last : new.last;
		if (at == n)
			at = kept++; /* its place */
	}
	if (at == n)
		at = kept++;
	v[at] = new;
	return kept;
}

enum range_result precond_ranges(const struct request *req, const struct validators *v,
	uint64_t size, struct range ret[RANGES_MAX], unsigned *ret_n)
{
	static const struct str unit = STR("bytes=");
	const struct fields *f = &req->fields;
	struct str value = fields_get(f, FIELD_RANGE), spec;
	enum range_result result = RANGE_WHOLE;
	unsigned specs = 0;

	*ret_n = 0;
	if (req->method != HTTP_METHOD_GET || f->count[FIELD_RANGE] != 1 || value.n < unit.n)
		return RANGE_WHOLE;
	if (!str_case_eq((struct str){ value.p, unit.n }, unit) || !if_range_holds(f, v))
		return RANGE_WHOLE;
	value = (struct str){ value.p + unit.n, value.n - unit.n };
	while (str_next_element(&value, &spec)) {
		struct range range;

		result = resolve(spec, size, &range);
		if (result == RANGE_WHOLE || specs++ == RANGES_MAX) {
			*ret_n = 0;
			return RANGE_WHOLE;
		}
		if (result == RANGE_PART)
			*ret_n = add_range(ret, *ret_n, range);
	}
	return *ret_n > 0 ? RANGE_PART : result;
}

static char *put_hex(char *at, uint64_t n)
{
	int shift = 60;

	while (shift > 0 && n >> shift == 0)
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		*at++ = "0123456789abcdef"[n >> shift & 15];
	return at;
}

struct str precond_format_etag(char dst[ETAG_SIZE], int64_t mtime_s, long mtime_ns, uint64_t size)
{
	uint64_t ns = (uint64_t)mtime_s * UINT64_C(1000000000) + (uint64_t)mtime_ns;
	char *at = dst;

	*at++ = '"';
	at = put_hex(at, ns);
	*at++ = '-';
	at = put_hex(at, size);
	*at++ = '"';
	*at = '\0';
	return (struct str){ dst, (size_t)(at - dst) };
}
