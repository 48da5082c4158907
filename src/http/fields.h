/* Field lines of a message, in order, with the known names indexed (RFC 9110 section 5). */
#ifndef LATCH_HTTP_FIELDS_H
#define LATCH_HTTP_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* Field names the program asks for; the head parser knows them once, so that finding one is an
 * array access. FIELD_OTHER: any other name. */
enum field_id {
	FIELD_OTHER,
#define FIELD(id, name) FIELD_##id,
#include "http/fields.def"
#undef FIELD
	FIELD_COUNT
};

struct field {
	struct str name;
	struct str value;
	enum field_id id;
};

enum { FIELDS_MAX = 256 }; /* the most that limits.header_fields may be set to */

/* Field lines in the order received. `first` has the index + 1 of the first line of each known
 * name, 0: none; `count` how many lines of it there are (capped at 255). */
struct fields {
	unsigned n;
	uint16_t first[FIELD_COUNT];
	uint8_t count[FIELD_COUNT];
	struct field line[FIELDS_MAX];
};

void fields_clear(struct fields *f);
/* False when full. */
bool fields_add(struct fields *f, struct str name, struct str value);
/* Case-blind. */
enum field_id fields_id_of(struct str name);
/* The value of the first line of that name; p NULL: none. */
static inline struct str fields_get(const struct fields *f, enum field_id id)
{
	return f->first[id] ? f->line[f->first[id] - 1].value : (struct str){ NULL, 0 };
}
static inline bool fields_has(const struct fields *f, enum field_id id)
{
	return f->first[id] != 0;
}
/* The same for a name that is not in fields.def, in lower case; looks at every line. */
struct str fields_find(const struct fields *f, struct str name);
/* Is `token` an element of any line of that name (case-blind)? For Connection, TE, ... */
bool fields_has_token(const struct fields *f, enum field_id id, struct str token);

#endif
