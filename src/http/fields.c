/* The field list: appends lines, knows the names of fields.def by their length and bytes, finds
 * list elements. Owns no memory. Refuses to combine lines or to interpret values: what two lines of
 * one name mean is decided by who asks. */
#include "http/fields.h"

static const struct str field_names[FIELD_COUNT] = {
#define FIELD(id, name) [FIELD_##id] = STR(name),
#include "http/fields.def"
#undef FIELD
};

/* The names of each length; FIELD_OTHER ends a row. */
enum { NAME_MAX_LENGTH = 19, NAMES_PER_LENGTH = 4 };
static const unsigned char ids_by_length[NAME_MAX_LENGTH + 1][NAMES_PER_LENGTH] = {
	[2] = { FIELD_TE },
	[4] = { FIELD_HOST, FIELD_DATE, FIELD_ETAG },
	[5] = { FIELD_RANGE },
	[6] = { FIELD_ACCEPT, FIELD_EXPECT },
	[7] = { FIELD_REFERER, FIELD_UPGRADE },
	[8] = { FIELD_IF_RANGE, FIELD_IF_MATCH, FIELD_LOCATION },
	[10] = { FIELD_USER_AGENT, FIELD_CONNECTION },
	[12] = { FIELD_CONTENT_TYPE },
	[13] = { FIELD_IF_NONE_MATCH, FIELD_LAST_MODIFIED },
	[14] = { FIELD_CONTENT_LENGTH },
	[15] = { FIELD_ACCEPT_ENCODING },
	[17] = { FIELD_IF_MODIFIED_SINCE, FIELD_TRANSFER_ENCODING },
	[19] = { FIELD_IF_UNMODIFIED_SINCE },
};

void fields_clear(struct fields *f)
{
	f->n = 0;
	memset(f->first, 0, sizeof(f->first));
	memset(f->count, 0, sizeof(f->count));
}

bool fields_add(struct fields *f, struct str name, struct str value)
{
	enum field_id id = fields_id_of(name);

	if (f->n >= FIELDS_MAX)
		return false;
	f->line[f->n++] = (struct field){ name, value, id };
	if (f->count[id] == 0)
		f->first[id] = (uint16_t)f->n;
	if (f->count[id] < UINT8_MAX)
		f->count[id]++;
	return true;
}

/* `lower` is in lower case and of the same length. */
static bool is_name(const char *p, struct str lower)
{
	for (size_t i = 0; i < lower.n; i++)
		if (str_lower((unsigned char)p[i]) != (unsigned char)lower.p[i])
			return false;
	return true;
}

enum field_id fields_id_of(struct str name)
{
	const unsigned char *ids;

	if (name.n > NAME_MAX_LENGTH)
		return FIELD_OTHER;
	ids = ids_by_length[name.n];
	for (unsigned i = 0; i < NAMES_PER_LENGTH && ids[i] != FIELD_OTHER; i++)
		if (is_name(name.p, field_names[ids[i]]))
			return (enum field_id)ids[i];
	return FIELD_OTHER;
}

static bool has_element(struct str list, struct str token)
{
	struct str element;

	while (str_next_element(&list, &element))
		if (str_case_eq(element, token))
			return true;
	return false;
}

struct str fields_find(const struct fields *f, struct str name)
{
	for (unsigned i = 0; i < f->n; i++)
		if (f->line[i].id == FIELD_OTHER && str_case_eq(f->line[i].name, name))
			return f->line[i].value;
	return (struct str){ NULL, 0 };
}

bool fields_has_token(const struct fields *f, enum field_id id, struct str token)
{
	if (!fields_has(f, id))
		return false;
	for (unsigned i = f->first[id] - 1u; i < f->n; i++)
		if (f->line[i].id == id && has_element(f->line[i].value, token))
			return true;
	return false;
}
