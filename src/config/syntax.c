/* A recursive-descent walk over the tokens, bounded in depth. It keeps no values: libconfig reads
 * those. It knows three things to say it well: the token before (a missing "," or "=" belongs to
 * its line, not to the next), the bracket that is open, and the last string that went over a line
 * end (a quote is missing). */
#include "config/syntax.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/lex.h"

struct cut {
	size_t from, to;
};

struct syntax {
	struct config_source *s;
	struct findings *f;
	struct lex lex;
	struct lex_token now, before;
	struct lex_token long_string; /* the last one over several lines */
	int since_long_string;        /* tokens since */
	struct seen {
		struct str name;
		int line;
	} * seen; /* names of the open groups, innermost last */
	size_t nseen, seen_cap;
	struct cut *cuts;
	size_t ncuts, cuts_cap;
	struct str key; /* the setting at hand, for sentences */
	bool spoilt;    /* ... is to be cut */
	int depth;
};

static void advance(struct syntax *x)
{
	x->before = x->now;
	x->now = lex_next(&x->lex);
	x->since_long_string++;
	if (x->now.kind == LEX_STRING && x->now.last_line > x->now.line) {
		x->long_string = x->now;
		x->since_long_string = 0;
	}
}

static bool is_punctuation(const struct lex_token *t, char c)
{
	return t->kind == LEX_PUNCTUATION && t->text.p[0] == c;
}

__attribute__((format(printf, 3, 4))) static void report(
	struct syntax *x, int line, const char *fmt, ...)
{
	struct config_place place = source_place(x->s, line);
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	findings_error(x->f, ERR_CONFIG, place.file, place.line, "%s", text);
}

static const char *describe(const struct lex_token *t, char *dst, size_t size)
{
	size_t n = t->text.n > 40 ? 40 : t->text.n;

	if (t->kind == LEX_END)
		snprintf(dst, size, "the end of the file");
	else if (t->kind == LEX_STRING && memmem(t->text.p, t->text.n, "://", 3))
		snprintf(dst, size, "a string with a URL"); /* it may have a password */
	else if (t->kind == LEX_STRING)
		snprintf(dst, size, "the string %.*s%s", (int)n, t->text.p,
			n < t->text.n ? "..." : "");
	else if ((unsigned char)t->text.p[0] < ' ' || (unsigned char)t->text.p[0] > '~')
		snprintf(dst, size, "the byte 0x%02x", (unsigned char)t->text.p[0]);
	else
		snprintf(dst, size, "\"%.*s\"", (int)n, t->text.p);
	return dst;
}

/* Tokens that are wrong wherever they stand. */
static bool report_bad_token(struct syntax *x)
{
	const struct lex_token *t = &x->now;

	if (t->kind == LEX_OPEN_STRING) {
		report(x, t->line,
			"syntax error: the string that begins here has no end; expected a "
			"closing quote");
	} else if (t->kind == LEX_OPEN_COMMENT) {
		report(x, t->line,
			"syntax error: the comment that begins here has no end; expected */");
	} else if (t->kind == LEX_BAD && t->text.p[0] == '@') {
		report(x, t->line,
			"syntax error: expected @include \"FILE\", alone at the beginning "
			"of a line");
	} else if (t->kind == LEX_BAD && t->text.p[0] == '\'') {
		report(x, t->line,
			"syntax error: strings stand in double quotes; expected \" and not '");
	} else {
		return false;
	}
	return true;
}

/* What was found is not what was expected. Always -1. */
static int fail(struct syntax *x, const char *expected)
{
	char found[80], after[80];
	int line = x->now.line;

	if (x->before.last_line && x->since_long_string <= 3 && x->now.kind != LEX_OPEN_COMMENT) {
		report(x, x->long_string.line,
			"syntax error: the string that begins here goes on to "
			"the next line; expected a closing quote");
		return -1;
	}
	if (report_bad_token(x))
		return -1;
	/* What should have followed the token before belongs to its line. */
	if (x->before.last_line && x->before.last_line < line)
		line = x->before.last_line;
	describe(&x->now, found, sizeof(found));
	if (x->before.last_line)
		report(x, line, "syntax error: expected %s after %s, found %s", expected,
			describe(&x->before, after, sizeof(after)), found);
	else
		report(x, line, "syntax error: expected %s, found %s", expected, found);
	return -1;
}

/* Something else than the closing bracket `c` of the one at `open`. */
static int fail_open(struct syntax *x, const struct lex_token *open, char c, const char *also)
{
	char expected[160];

	if (x->now.kind == LEX_END && x->since_long_string > 3) {
		report(x, open->line,
			"syntax error: the \"%c\" of this line is never closed; expected "
			"\"%c\" before the end of the file",
			open->text.p[0], c);
		return -1;
	}
	snprintf(expected, sizeof(expected), "%s\"%c\" (for the \"%c\" of line %d)", also, c,
		open->text.p[0], source_place(x->s, open->line).line);
	return fail(x, expected);
}

static int push_seen(struct syntax *x, struct str name, int line)
{
	if (x->nseen == x->seen_cap) {
		size_t cap = x->seen_cap ? 2 * x->seen_cap : 32;
		void *v = realloc(x->seen, cap * sizeof(*x->seen));
		if (!v)
			return -1;
		x->seen = v;
		x->seen_cap = cap;
	}
	x->seen[x->nseen++] = (struct seen){ name, line };
	return 0;
}

static int push_cut(struct syntax *x, size_t from, size_t to)
{
	if (x->ncuts == x->cuts_cap) {
		size_t cap = x->cuts_cap ? 2 * x->cuts_cap : 8;
		void *v = realloc(x->cuts, cap * sizeof(*x->cuts));
		if (!v)
			return -1;
		x->cuts = v;
		x->cuts_cap = cap;
	}
	x->cuts[x->ncuts++] = (struct cut){ from, to };
	return 0;
}

static int parse_value(struct syntax *x);
static int parse_settings(struct syntax *x, const struct lex_token *open);

/* A number with letters behind, as in 10M. */
static int check_number(struct syntax *x)
{
	struct lex_token t = x->now, behind;
	struct lex ahead = x->lex;

	if (t.kind != LEX_FLOAT && !lex_integer_fits(&t)) {
		report(x, t.line,
			"\"" STR_FMT "\": " STR_FMT
			" does not fit into the %s that libconfig reads it "
			"into; %swhere a size is meant, write a string such as \"5G\"",
			STR_ARG(x->key), STR_ARG(t.text), t.kind == LEX_INT ? "32 bits" : "64 bits",
			t.kind == LEX_INT ? "put an L behind the number or, " : "");
		x->spoilt = true;
	}
	behind = lex_next(&ahead);
	if (behind.kind == LEX_NAME && behind.at == t.at + t.text.n) {
		report(x, t.line,
			"syntax error: a number with a unit is a string; expected \"" STR_FMT
				STR_FMT "\", "
			"in quotes",
			STR_ARG(t.text), STR_ARG(behind.text));
		return -1;
	}
	advance(x);
	return 0;
}

/* One string, or several side by side, which libconfig joins. */
static void parse_strings(struct syntax *x, bool in_list)
{
	struct config_place place;

	while (x->now.kind == LEX_STRING) {
		if (lex_string_has_zero(&x->now)) {
			report(x, x->now.line,
				"\"" STR_FMT "\": the string has a zero byte (\\x00), at "
				"which it would end; expected text",
				STR_ARG(x->key));
		}
		advance(x);
		if (x->now.kind == LEX_STRING && in_list) {
			place = source_place(x->s, x->before.last_line);
			findings_warning(x->f, place.file, place.line,
				"two strings side by side are read as one; is a \",\" missing "
				"between them?");
		}
	}
}

/* -1; 1: a plain value was here and is behind us; 0: none is. */
static int parse_scalar(struct syntax *x, bool in_list)
{
	switch (x->now.kind) {
	case LEX_STRING:
		parse_strings(x, in_list);
		return 1;
	case LEX_INT:
	case LEX_INT64:
	case LEX_FLOAT:
		return check_number(x) ? -1 : 1;
	case LEX_BOOL:
		advance(x);
		return 1;
	default:
		return 0;
	}
}

static int fail_value(struct syntax *x)
{
	static const char *const words[] = { "on", "off", "yes", "no" };
	struct lex ahead = x->lex;

	if (x->now.kind != LEX_NAME || lex_next(&ahead).kind == LEX_EQUALS)
		return fail(x, "a value");
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (str_case_eq(x->now.text, str_of(words[i])))
			return fail(x, "true or false");
	return fail(x, "a value (strings stand in quotes)");
}

/* "[ ]" holds plain values of one type, "( )" anything. */
static int parse_list(struct syntax *x, char closing)
{
	struct lex_token open = x->now;
	enum lex_kind kind = LEX_END;
	bool mixed = false;
	int r;

	advance(x);
	if (is_punctuation(&x->now, closing)) {
		advance(x);
		return 0;
	}
	for (;;) {
		if (kind != LEX_END && x->now.kind != kind)
			mixed = true;
		kind = x->now.kind;
		r = closing == ']' ? parse_scalar(x, true) : parse_value(x);
		if (r < 0)
			return -1;
		if (closing == ']' && r == 0)
			return is_punctuation(&x->now, closing)
				       ? fail(x, "another value (no \",\" stands before a closing "
						 "bracket)")
				       : fail(x, "a plain value (a \"(\" list may hold others)");
		if (is_punctuation(&x->now, closing))
			break;
		if (!is_punctuation(&x->now, ','))
			return fail_open(x, &open, closing, "\",\" or ");
		advance(x);
	}
	if (closing == ']' && mixed) {
		report(x, open.line,
			"\"" STR_FMT "\": the values in [ ] are of different types; "
			"expected one type",
			STR_ARG(x->key));
		x->spoilt = true;
	}
	advance(x);
	return 0;
}

static int parse_group(struct syntax *x)
{
	struct lex_token open = x->now;
	size_t outer = x->nseen;

	advance(x);
	if (push_seen(x, (struct str){ NULL, 0 }, 0) || parse_settings(x, &open))
		return -1;
	x->nseen = outer;
	advance(x);
	return 0;
}

static int parse_value(struct syntax *x)
{
	int r = parse_scalar(x, x->before.kind != LEX_EQUALS);

	if (r)
		return r < 0 ? -1 : 0;
	if (x->depth >= SYNTAX_DEPTH_MAX) {
		report(x, x->now.line, "syntax error: brackets are nested more than %d deep",
			SYNTAX_DEPTH_MAX);
		return -1;
	}
	x->depth++;
	if (is_punctuation(&x->now, '['))
		r = parse_list(x, ']');
	else if (is_punctuation(&x->now, '('))
		r = parse_list(x, ')');
	else if (is_punctuation(&x->now, '{'))
		r = parse_group(x);
	else if (is_punctuation(&x->before, ',') && is_punctuation(&x->now, ')'))
		r = fail(x, "another value (no \",\" stands before a closing bracket)");
	else
		r = fail_value(x);
	x->depth--;
	return r;
}

/* Was the name given before in the same group? */
static bool is_duplicate(struct syntax *x, const struct lex_token *name)
{
	struct config_place first;

	for (size_t i = x->nseen; i-- > 0 && x->seen[i].name.p;) {
		if (!str_eq(x->seen[i].name, name->text))
			continue;
		first = source_place(x->s, x->seen[i].line);
		report(x, name->line,
			"\"" STR_FMT "\" is given twice; the first one is at %s:%d; "
			"remove one of them",
			STR_ARG(name->text), first.file ? first.file : "?", first.line);
		return true;
	}
	return false;
}

/* What people write who come from another server, or from the names that --explain takes. */
static int fail_equals(struct syntax *x, struct str name)
{
	if (is_punctuation(&x->now, '{'))
		return fail(x, "\"=\" (a group is written NAME = { ... };)");
	if (str_eq(x->now.text, STR(".")))
		return fail(x, "\"=\" (the dot is written GROUP = { NAME = VALUE; };)");
	if (x->now.kind == LEX_STRING && str_eq(name, STR("include")))
		return fail(x, "\"=\" (another file comes in with @include \"FILE\")");
	return fail(x, "\"=\"");
}

static int parse_setting(struct syntax *x)
{
	struct lex_token name = x->now;
	struct str outer_key = x->key;
	bool outer_spoilt = x->spoilt;
	int r = 0;

	x->spoilt = is_duplicate(x, &name);
	if (!x->spoilt && push_seen(x, name.text, name.line))
		return -1;
	advance(x);
	if (x->now.kind != LEX_EQUALS)
		return fail_equals(x, name.text);
	advance(x);
	x->key = name.text;
	if (parse_value(x))
		return -1;
	if (is_punctuation(&x->now, ';') || is_punctuation(&x->now, ','))
		advance(x);
	if (x->spoilt)
		r = push_cut(x, name.at, x->before.at + x->before.text.n);
	x->key = outer_key;
	x->spoilt = outer_spoilt;
	return r;
}

/* Until the closing brace of `open`, or the end without one. */
static int parse_settings(struct syntax *x, const struct lex_token *open)
{
	for (;;) {
		if (x->now.kind == LEX_NAME) {
			if (parse_setting(x))
				return -1;
		} else if (open && is_punctuation(&x->now, '}')) {
			return 0;
		} else if (!open && x->now.kind == LEX_END) {
			return 0;
		} else if (open) {
			return fail_open(x, open, '}', "a setting or ");
		} else {
			return fail(x, "a setting (NAME = VALUE;)");
		}
	}
}

int syntax_check(struct config_source *s, struct findings *f)
{
	struct syntax x = { .s = s, .f = f, .since_long_string = 100 };
	size_t errors = f->errors;
	int r;

	x.lex = (struct lex){ buf_str(&s->text), 0, 1 };
	x.now = lex_next(&x.lex);
	r = parse_settings(&x, NULL);
	if (r && f->errors == errors)
		findings_error(f, ERR_SYSTEM, NULL, 0, "out of memory");
	for (size_t i = 0; r == 0 && i < x.ncuts; i++)
		for (size_t k = x.cuts[i].from; k < x.cuts[i].to; k++)
			if (buf_head(&s->text)[k] != '\n')
				buf_head(&s->text)[k] = ' ';
	free(x.seen);
	free(x.cuts);
	return r;
}
