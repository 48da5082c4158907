/* The tokenizer. It follows libconfig 1.5's scanner rule by rule (also its odd ones: "." is a
 * float, a name may begin with "*", an unknown escape keeps its backslash), so that both see the
 * same tokens. It judges nothing and allocates nothing. */
#include "config/lex.h"

#include <errno.h>
#include <stdlib.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static char peek(const struct lex *l, size_t ahead)
{
	return l->at + ahead < l->text.n ? l->text.p[l->at + ahead] : '\0';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\f' || c == '\r' || c == '\n';
}

/* Past the comment at hand; false: it has no end, and we are where we were. */
static bool skip_comment(struct lex *l)
{
	int line = l->line;
	size_t start = l->at;

	for (l->at += 2; l->at < l->text.n; l->at++) {
		l->line += peek(l, 0) == '\n';
		if (peek(l, 0) == '*' && peek(l, 1) == '/') {
			l->at += 2;
			return true;
		}
	}
	l->at = start;
	l->line = line;
	return false;
}

/* Past blanks and comments. False: a comment has no end. */
static bool skip(struct lex *l)
{
	while (l->at < l->text.n) {
		char c = peek(l, 0);

		if (c == '#' || (c == '/' && peek(l, 1) == '/')) {
			l->at = str_find(l->text, '\n', l->at);
		} else if (c == '/' && peek(l, 1) == '*') {
			if (!skip_comment(l))
				return false;
		} else if (is_blank(c)) {
			l->line += c == '\n';
			l->at++;
		} else {
			break;
		}
	}
	return true;
}

static size_t digits(const struct lex *l, size_t from)
{
	size_t n = 0;

	while (is_digit(peek(l, from + n)))
		n++;
	return n;
}

/* The exponent at `from`, 0: none. */
static size_t exponent(const struct lex *l, size_t from)
{
	size_t sign, n;

	if (peek(l, from) != 'e' && peek(l, from) != 'E')
		return 0;
	sign = peek(l, from + 1) == '-' || peek(l, from + 1) == '+';
	n = digits(l, from + 1 + sign);
	return n ? 1 + sign + n : 0;
}

/* 0: no number begins here. */
static size_t lex_number(const struct lex *l, enum lex_kind *ret)
{
	size_t sign = peek(l, 0) == '-' || peek(l, 0) == '+', n, e;

	*ret = LEX_INT;
	if (peek(l, 0) == '0' && (peek(l, 1) | 0x20) == 'x' && is_hex(peek(l, 2))) {
		for (n = 2; is_hex(peek(l, n));)
			n++;
	} else {
		n = sign + digits(l, sign);
		if (peek(l, n) == '.') {
			*ret = LEX_FLOAT;
			n += 1 + digits(l, n + 1);
			return n + exponent(l, n);
		}
		if (n == sign)
			return 0;
		e = exponent(l, n);
		if (e) {
			*ret = LEX_FLOAT;
			return n + e;
		}
	}
	if (peek(l, n) == 'L') {
		*ret = LEX_INT64;
		n += 1 + (peek(l, n + 1) == 'L');
	}
	return n;
}

/* The string with its quotes; 0: it does not end. */
static size_t lex_string(const struct lex *l)
{
	for (size_t n = 1; l->at + n < l->text.n; n++) {
		if (peek(l, n) == '\\')
			n++;
		else if (peek(l, n) == '"')
			return n + 1;
	}
	return 0;
}

static size_t lex_name(const struct lex *l)
{
	size_t n = 0;

	if (!is_alpha(peek(l, 0)) && peek(l, 0) != '*')
		return 0;
	while (is_alpha(peek(l, n)) || is_digit(peek(l, n)) || peek(l, n) == '_' ||
		peek(l, n) == '-' || peek(l, n) == '*')
		n++;
	return n;
}

/* Kind and length of the token at hand. */
static size_t lex_one(const struct lex *l, enum lex_kind *ret)
{
	char c = peek(l, 0);
	size_t n;

	if (c == '"') {
		n = lex_string(l);
		*ret = n ? LEX_STRING : LEX_OPEN_STRING;
		return n ? n : l->text.n - l->at;
	}
	*ret = c == '=' || c == ':' ? LEX_EQUALS : LEX_PUNCTUATION;
	if (c && strchr("=:{}[](),;", c))
		return 1;
	n = lex_name(l);
	if (n) {
		struct str word = { l->text.p + l->at, n };
		bool is_bool = str_case_eq(word, STR("true")) || str_case_eq(word, STR("false"));
		*ret = is_bool ? LEX_BOOL : LEX_NAME;
		return n;
	}
	n = lex_number(l, ret);
	if (n)
		return n;
	*ret = LEX_BAD;
	return 1;
}

struct lex_token lex_next(struct lex *l)
{
	struct lex_token t = { .kind = LEX_OPEN_COMMENT };
	bool closed = skip(l);
	size_t n;

	t.at = l->at;
	t.line = t.last_line = l->line;
	t.text = (struct str){ l->text.p + l->at, closed ? 0 : 2 };
	if (!closed)
		return t;
	if (l->at >= l->text.n) {
		t.kind = LEX_END;
		return t;
	}
	n = lex_one(l, &t.kind);
	t.text.n = n;
	for (size_t i = 0; i < n; i++)
		l->line += t.text.p[i] == '\n';
	l->at += n;
	t.last_line = l->line;
	return t;
}

bool lex_integer_fits(const struct lex_token *t)
{
	bool hex = t->text.n > 1 && (t->text.p[1] | 0x20) == 'x';
	char text[32];
	size_t n = t->text.n;
	long long value;

	while (n && t->text.p[n - 1] == 'L')
		n--;
	if (n >= sizeof(text)) /* no 64-bit number is that long, short of leading zeros */
		return false;
	memcpy(text, t->text.p, n);
	text[n] = '\0';
	errno = 0;
	value = strtoll(text, NULL, hex ? 16 : 10);
	if (errno)
		return false;
	return t->kind == LEX_INT64 || (value >= INT32_MIN && value <= INT32_MAX);
}

bool lex_string_has_zero(const struct lex_token *t)
{
	for (size_t i = 1; i + 3 < t->text.n; i++) {
		if (t->text.p[i] != '\\')
			continue;
		if ((t->text.p[i + 1] | 0x20) == 'x' && t->text.p[i + 2] == '0' &&
			t->text.p[i + 3] == '0')
			return true;
		i++;
	}
	return false;
}
