/* What a partial file is a part of. Decides nothing about the download itself. */
#include "client/partial.h"

#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/clock.h"

#define ATTRIBUTE "user.latch.validator"

bool partial_load(const char *path, struct partial *ret)
{
	ssize_t n = getxattr(path, ATTRIBUTE, ret->validator, sizeof(ret->validator) - 1);
	struct stat st;

	if (n <= 0 || stat(path, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= 0)
		return false;
	ret->validator[n] = '\0';
	ret->size = (uint64_t)st.st_size;
	return http_is_field_value(str_of(ret->validator));
}

/* It could not have changed again in the second that it names (RFC 9110 section 8.8.2.2). */
static bool is_strong_date(struct str modified, struct str date)
{
	time_t m, d;

	return clock_parse_http_date(modified, &m) && clock_parse_http_date(date, &d) && d > m;
}

struct str partial_validator(const struct response_head *head)
{
	struct str etag = fields_get(&head->fields, FIELD_ETAG);
	struct str modified = fields_get(&head->fields, FIELD_LAST_MODIFIED);

	if (etag.n > 1 && etag.p[0] == '"' && etag.n < PARTIAL_VALIDATOR_SIZE)
		return etag;
	if (modified.n > 0 && modified.n < PARTIAL_VALIDATOR_SIZE &&
		is_strong_date(modified, fields_get(&head->fields, FIELD_DATE)))
		return modified;
	return (struct str){ NULL, 0 };
}

bool partial_mark(int fd, struct str validator)
{
	if (!validator.p)
		return fremovexattr(fd, ATTRIBUTE) == 0;
	return fsetxattr(fd, ATTRIBUTE, validator.p, validator.n, 0) == 0;
}

static bool take_number(struct str *s, char end, uint64_t *ret)
{
	size_t n = str_find(*s, end, 0);

	if (!str_parse_u64((struct str){ s->p, n }, ret))
		return false;
	n += n < s->n;
	*s = (struct str){ s->p + n, s->n - n };
	return true;
}

bool partial_parse_range(struct str value, uint64_t *ret_from, uint64_t *ret_total)
{
	uint64_t last;

	*ret_from = UINT64_MAX;
	*ret_total = 0;
	if (!str_has_prefix(value, STR("bytes ")))
		return false;
	value = (struct str){ value.p + 6, value.n - 6 };
	if (str_has_prefix(value, STR("*/"))) {
		value = (struct str){ value.p + 2, value.n - 2 };
		return str_parse_u64(value, ret_total);
	}
	if (!take_number(&value, '-', ret_from) || !take_number(&value, '/', &last) ||
		last < *ret_from)
		return false;
	return str_eq(value, STR("*")) || (str_parse_u64(value, ret_total) && *ret_total > last);
}
