/* Arguments of options: each kind's form, and the sentence that says what was expected.
 *
 * Knows no option by name but --connect, which has two fields. */
#include "client/value.h"

#include <limits.h>
#include <string.h>

#include "base/str.h"
#include "http/head_write.h"

/* "ADDR", "ADDR:PORT", "[V6]", "[V6]:PORT", and a bare IPv6 address. */
static int set_connect(struct options *o, const char *text, struct err *e)
{
	struct str host = str_of(text), port = { NULL, 0 };
	const char *colon = strrchr(text, ':');
	uint64_t number = 0;

	if (text[0] == '[') {
		size_t end = str_find(host, ']', 0);
		struct str rest = { text + end, host.n - end };
		if (rest.n < 1 || (rest.n > 1 && rest.p[1] != ':'))
			goto bad;
		if (rest.n > 1)
			port = (struct str){ rest.p + 2, rest.n - 2 };
		host = (struct str){ text + 1, end - 1 };
	} else if (colon && strchr(text, ':') == colon) {
		port = str_of(colon + 1);
		host.n = (size_t)(colon - text);
	}
	if (host.n == 0 || host.n >= sizeof(o->connect_host))
		goto bad;
	if (port.p && (!str_parse_u64(port, &number) || number < 1 || number > 65535))
		goto bad;
	memcpy(o->connect_host, host.p, host.n);
	o->connect_host[host.n] = '\0';
	o->connect_port = (unsigned)number;
	return 0;
bad:
	return err_set(e, ERR_USAGE,
		"--connect %s: expected ADDR or ADDR:PORT, as 127.0.0.1:8443 or [::1]:8443", text);
}

static int set_age(
	int64_t *ret_ms, int64_t max, const char *spelling, const char *text, struct err *e)
{
	int64_t ms;

	if (!str_parse_duration(str_of(text), &ms) || ms < 1 || ms > max)
		return err_set(e, ERR_USAGE,
			"%s %s: expected a duration above zero, as 500ms, 30s or 21d", spelling,
			text);
	*ret_ms = ms;
	return 0;
}

static int set_duration(int *ret_ms, const char *spelling, const char *text, struct err *e)
{
	int64_t ms;

	if (set_age(&ms, INT_MAX, spelling, text, e) < 0)
		return -1;
	*ret_ms = (int)ms;
	return 0;
}

static int set_number(unsigned *ret, unsigned min, unsigned max, const char *spelling,
	const char *text, struct err *e)
{
	uint64_t n;

	if (!str_parse_u64(str_of(text), &n) || n < min || n > max)
		return err_set(e, ERR_USAGE, "%s %s: expected a number from %u to %u", spelling,
			text, min, max);
	*ret = (unsigned)n;
	return 0;
}

/* Which of "a|b"; -1: neither. */
static int choice(const char *words, const char *text)
{
	size_t bar = str_find(str_of(words), '|', 0);

	if (str_eq((struct str){ words, bar }, str_of(text)))
		return 0;
	return str_eq(str_of(words + bar + 1), str_of(text)) ? 1 : -1;
}

static int set_choice(
	int *ret, const char *spelling, const char *words, const char *text, struct err *e)
{
	size_t bar = str_find(str_of(words), '|', 0);

	*ret = choice(words, text);
	if (*ret >= 0)
		return 0;
	return err_set(e, ERR_USAGE, "%s %s: expected %.*s or %s", spelling, text, (int)bar, words,
		words + bar + 1);
}

/* Fields that say where a message ends, or that belong to the connection: a wrong one would make
 * the two sides disagree. */
static bool is_ours(struct str name)
{
	static const char *const ours[] = { "connection", "content-length", "expect", "keep-alive",
		"te", "trailer", "transfer-encoding", "upgrade" };

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (str_case_eq(name, str_of(ours[i])))
			return true;
	return false;
}

static int add_field(struct options_list *list, char *text, struct err *e)
{
	struct str s = str_of(text);
	size_t colon = str_find(s, ':', 0);
	struct str name = { s.p, colon };

	if (colon == s.n || !http_is_token(name) ||
		!http_is_field_value((struct str){ s.p + colon + 1, s.n - colon - 1 }))
		return err_set(e, ERR_USAGE, "-H '%s': expected 'Name: value'", text);
	if (is_ours(name))
		return err_set(e, ERR_USAGE, "-H '%s': latch itself writes this field", text);
	list->text[list->n++] = text;
	return 0;
}

bool value_takes_argument(enum value_kind kind)
{
	return kind != VALUE_FLAG && kind != VALUE_FIRST && kind != VALUE_SECOND;
}

int value_set(struct options *o, enum value_kind kind, void *field, const char *spelling,
	const char *argument, const char *text, struct err *e)
{
	int which;

	switch (kind) {
	case VALUE_FLAG:
		*(bool *)field = true;
		return 0;
	case VALUE_FIRST:
	case VALUE_SECOND:
		*(int *)field = (int)(kind - VALUE_FIRST) + 1;
		return 0;
	case VALUE_WORD:
		if (set_choice(&which, spelling, argument, text, e) < 0)
			return -1;
		*(const char **)field = text;
		return 0;
	case VALUE_TEXT:
		*(const char **)field = text;
		return 0;
	case VALUE_LIST:
		return add_field(field, (char *)(uintptr_t)text, e);
	case VALUE_CHOICE:
		return set_choice(field, spelling, argument, text, e);
	case VALUE_NUMBER:
		return set_number(field, 0, VALUE_NUMBER_MAX, spelling, text, e);
	case VALUE_COUNT:
		return set_number(field, 1, VALUE_COUNT_MAX, spelling, text, e);
	case VALUE_DURATION:
		return set_duration(field, spelling, text, e);
	case VALUE_AGE:
		return set_age(field, INT64_MAX, spelling, text, e);
	case VALUE_CONNECT:
		return set_connect(o, text, e);
	}
	return 0;
}
