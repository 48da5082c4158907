/* The tokens of libconfig 1.5's language, for what libconfig itself does not tell: what was
 * expected where a syntax error is, which integers it would wrap, which strings it would cut. */
#ifndef LATCH_CONFIG_LEX_H
#define LATCH_CONFIG_LEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum lex_kind {
	LEX_END,
	LEX_NAME,
	LEX_EQUALS, /* "=" or ":" */
	LEX_STRING, /* the text has its quotes */
	LEX_INT,
	LEX_INT64, /* with an L behind */
	LEX_FLOAT,
	LEX_BOOL,
	LEX_PUNCTUATION, /* one of { } [ ] ( ) , ; */
	LEX_OPEN_STRING, /* no closing quote until the end */
	LEX_OPEN_COMMENT,
	LEX_BAD, /* a byte that begins no token */
};

struct lex_token {
	enum lex_kind kind;
	struct str text;
	size_t at;           /* offset in the text */
	int line, last_line; /* a string may go over lines */
};

struct lex {
	struct str text;
	size_t at;
	int line;
};

/* The next token; LEX_END for ever at the end. */
struct lex_token lex_next(struct lex *l);

/* Does the integer fit what libconfig reads it into: 32 bits, or 64 with an L? */
bool lex_integer_fits(const struct lex_token *t);
/* Does the string hold a zero byte, "\x00", which would end it early? */
bool lex_string_has_zero(const struct lex_token *t);

#endif
