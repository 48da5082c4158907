/* Host names to values: one open-addressed table for exact names and wildcards.
 *
 * A wildcard is stored as what follows its first dot, marked as such, so that a lookup is at most
 * two probes. Keys come from the configuration alone; a peer can ask, but never add. */
#include "base/names.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

enum { NAME_MAX_LENGTH = 253, LABEL_MAX_LENGTH = 63, NAMES_FIRST = 16 };

struct entry {
	char *key; /* owned, in lower case; NULL: free place */
	size_t n;
	bool wildcard;
	void *value;
};

struct names {
	struct entry *entries;
	size_t cap; /* a power of two; 0 at first */
	size_t used;
	void *any; /* of "*" */
};

struct names *names_new(void)
{
	return calloc(1, sizeof(struct names));
}

void names_free(struct names *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->cap; i++)
		free(t->entries[i].key);
	free(t->entries);
	free(t);
}

/* FNV-1a. */
static uint32_t hash(struct str key, bool wildcard)
{
	uint32_t h = 2166136261u ^ wildcard;

	for (size_t i = 0; i < key.n; i++)
		h = (h ^ str_lower((unsigned char)key.p[i])) * 16777619u;
	return h;
}

/* The entry of the key or the free place where it belongs; the table is never full. */
static struct entry *locate(const struct names *t, struct str key, bool wildcard)
{
	size_t i = hash(key, wildcard) & (t->cap - 1);

	while (t->entries[i].key) {
		struct entry *at = &t->entries[i];

		if (at->wildcard == wildcard && str_case_eq((struct str){ at->key, at->n }, key))
			return at;
		i = (i + 1) & (t->cap - 1);
	}
	return &t->entries[i];
}

static bool make_room(struct names *t)
{
	struct names bigger = { .cap = t->cap ? t->cap * 2 : NAMES_FIRST };

	if (t->cap && t->used < t->cap / 2)
		return true;
	bigger.entries = calloc(bigger.cap, sizeof(*bigger.entries));
	if (!bigger.entries)
		return false;
	for (size_t i = 0; i < t->cap; i++) {
		struct entry *e = &t->entries[i];

		if (e->key)
			*locate(&bigger, (struct str){ e->key, e->n }, e->wildcard) = *e;
	}
	free(t->entries);
	t->entries = bigger.entries;
	t->cap = bigger.cap;
	return true;
}

/* The one spelling of a name: no final dot; IPv6 as inet_ntop() writes it, in `space`. */
static struct str canonical(struct str name, char space[INET6_ADDRSTRLEN])
{
	struct in6_addr address;

	if (name.n > 1 && name.p[name.n - 1] == '.')
		name.n--;
	if (str_find(name, ':', 0) == name.n || name.n >= INET6_ADDRSTRLEN)
		return name;
	memcpy(space, name.p, name.n);
	space[name.n] = '\0';
	if (inet_pton(AF_INET6, space, &address) != 1)
		return name;
	return str_of(inet_ntop(AF_INET6, &address, space, INET6_ADDRSTRLEN));
}

static int add_entry(struct names *t, struct str key, bool wildcard, void *value)
{
	struct entry *place;
	char *copy;

	if (!make_room(t))
		return -1;
	place = locate(t, key, wildcard);
	if (place->key)
		return 1;
	copy = malloc(key.n + 1);
	if (!copy)
		return -1;
	for (size_t i = 0; i < key.n; i++)
		copy[i] = (char)str_lower((unsigned char)key.p[i]);
	copy[key.n] = '\0';
	*place = (struct entry){ copy, key.n, wildcard, value };
	t->used++;
	return 0;
}

int names_add(struct names *t, struct str name, void *value)
{
	char space[INET6_ADDRSTRLEN];

	assert(value);
	name = canonical(name, space);
	if (str_eq(name, STR("*"))) {
		if (t->any)
			return 1;
		t->any = value;
		return 0;
	}
	if (str_has_prefix(name, STR("*.")))
		return add_entry(t, (struct str){ name.p + 2, name.n - 2 }, true, value);
	return add_entry(t, name, false, value);
}

void *names_find(const struct names *t, struct str name, bool *ret_any)
{
	char space[INET6_ADDRSTRLEN];
	struct entry *e;
	size_t dot;

	if (ret_any)
		*ret_any = false;
	name = canonical(name, space);
	if (t->cap && name.n <= NAME_MAX_LENGTH) {
		e = locate(t, name, false);
		if (e->key)
			return e->value;
		dot = str_find(name, '.', 0);
		if (dot > 0 && dot < name.n) {
			struct str parent = { name.p + dot + 1, name.n - dot - 1 };

			e = locate(t, parent, true);
			if (e->key)
				return e->value;
		}
	}
	if (ret_any)
		*ret_any = t->any != NULL;
	return t->any;
}

static bool is_address(struct str name)
{
	char text[INET6_ADDRSTRLEN];
	unsigned char address[16];

	if (!name.n || name.n >= sizeof(text) || memchr(name.p, '\0', name.n))
		return false;
	memcpy(text, name.p, name.n);
	text[name.n] = '\0';
	return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

static bool is_ldh_label(struct str label)
{
	if (!label.n || label.n > LABEL_MAX_LENGTH)
		return false;
	for (size_t i = 0; i < label.n; i++) {
		unsigned char c = str_lower((unsigned char)label.p[i]);
		bool letter_or_digit = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

		if (!letter_or_digit && (c != '-' || i == 0 || i == label.n - 1))
			return false;
	}
	return true;
}

bool names_is_valid(struct str name)
{
	struct str label = { 0 };
	uint64_t number;

	if (str_eq(name, STR("*")) || is_address(name))
		return true;
	if (name.n > 1 && name.p[name.n - 1] == '.')
		name.n--;
	if (!name.n || name.n > NAME_MAX_LENGTH)
		return false;
	if (str_has_prefix(name, STR("*.")))
		name = (struct str){ name.p + 2, name.n - 2 };
	for (size_t at = 0; at <= name.n; at += label.n + 1) {
		label = (struct str){ name.p + at, str_find(name, '.', at) - at };
		if (!is_ldh_label(label))
			return false;
	}
	/* No top-level domain is a number: this is an address with a mistake in it. */
	return !str_parse_u64(label, &number);
}
