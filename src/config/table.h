/* directives.def as data: finding a directive, and the one that was probably meant. */
#ifndef LATCH_CONFIG_TABLE_H
#define LATCH_CONFIG_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum directive_type {
	DIRECTIVE_GROUP,
	DIRECTIVE_LIST,
	DIRECTIVE_BOOL,
	DIRECTIVE_INT,      /* into an unsigned or signed field of 4 or 8 bytes; never negative */
	DIRECTIVE_SIZE,     /* 8 bytes; a string with unit or an integer of bytes */
	DIRECTIVE_DURATION, /* int64_t milliseconds */
	DIRECTIVE_ENUM,     /* index in the words of `unit` */
	DIRECTIVE_CHOICE,   /* an integer out of those in `unit` */
	DIRECTIVE_WORD,     /* char *, one of the words of `unit` */
	DIRECTIVE_STRING,   /* char * */
	DIRECTIVE_PATH,     /* char *, made absolute; "" stays "" */
	DIRECTIVE_SECRET,   /* the same, or "credential:NAME", see config/credential */
	DIRECTIVE_STRINGS,  /* char ** and size_t */
	DIRECTIVE_PATHS,    /* the same, each made absolute */
	DIRECTIVE_RANGES,   /* struct sock_range * and size_t */
	DIRECTIVE_ADDRESS,  /* char * and struct sock_address */
	DIRECTIVE_LOG,      /* enum log_target and char * */
};

/* The kind of struct that a target is in. */
enum table_owner {
	OWNER_config,
	OWNER_config_listener,
	OWNER_config_site,
	OWNER_config_pair,
	OWNER_config_route,
	OWNER_route_field,
	OWNER_route_error_page,
	OWNER_COUNT
};

struct directive {
	const char *key; /* dotted */
	enum directive_type type;
	enum table_owner owner;        /* of the target */
	enum table_owner element;      /* LIST: of its members */
	size_t offset, offset2, width; /* width 0: no target */
	const char *def; /* as libconfig text; NULL: must be given; "=KEY": that of KEY */
	int64_t min, max;
	const char *unit;
	const char *sentence;
};

extern const struct directive table_rows[];
extern const size_t table_count;

/* Bytes of one struct of that kind. */
size_t table_size_of(enum table_owner owner);
/* The part of the key before its last dot ("" for those of the top), and behind it. */
struct str table_parent(const struct directive *d);
struct str table_name(const struct directive *d);
/* By dotted key; NULL: unknown. */
const struct directive *table_find(struct str key);
/* The member `name` of the group or list `parent` ("": the top); NULL: unknown. */
const struct directive *table_member(struct str parent, struct str name);
/* The member of `parent` that was written as `name` by a slip; NULL: none is near enough. */
const struct directive *table_meant(struct str parent, struct str name);
/* What an unknown member of `parent` may have been meant to be, as a clause for the error: the
 * nearest name of the group, else where a directive of that name belongs, else all names of the
 * group. */
const char *table_suggest(struct str parent, struct str name, char *dst, size_t size);
/* The known key nearest to a dotted one. */
const struct directive *table_nearest(struct str key);

/* The i-th of "a|b|c"; false: there are fewer. An entry may be empty. */
bool table_word(const char *words, size_t i, struct str *ret);
/* The index of `word`, -1: none. */
int table_word_index(const char *words, struct str word);

/* "a duration between 100ms and 1d": what a value must be, without article where none is needed. */
const char *table_expected(const struct directive *d, char *dst, size_t size);
/* "duration", "list of strings", ... */
const char *table_type_name(const struct directive *d);
/* "100ms to 1d", "ignore, log or default"; "" where nothing bounds it. */
const char *table_range(const struct directive *d, char *dst, size_t size);

#endif
