/* Accept and Accept-Encoding. Refuses to guess: an element that is malformed is as if it were not
 * there. */
#include "http/negotiate.h"

enum { WEIGHT_MAX = 1000, WEIGHT_UNNAMED = -1 };

static const struct str names[CODING_COUNT] = {
	[CODING_IDENTITY] = { "identity", 8 },
	[CODING_GZIP] = { "gzip", 4 },
	[CODING_ZSTD] = { "zstd", 4 },
	[CODING_BR] = { "br", 2 },
};

struct str negotiate_coding_name(enum coding coding)
{
	return coding == CODING_IDENTITY ? STR("") : names[coding];
}

/* "0", "0.5", "1.000" (RFC 9110 section 12.4.2) in thousandths; -1: malformed. */
static int parse_weight(struct str s)
{
	int value = 0, unit = WEIGHT_MAX;

	if (s.n == 0 || s.n > 5 || (s.p[0] != '0' && s.p[0] != '1'))
		return -1;
	value = (s.p[0] - '0') * WEIGHT_MAX;
	if (s.n > 1 && s.p[1] != '.')
		return -1;
	for (size_t i = 2; i < s.n; i++) {
		unit /= 10;
		if (s.p[i] < '0' || s.p[i] > '9')
			return -1;
		value += (s.p[i] - '0') * unit;
	}
	return value <= WEIGHT_MAX ? value : -1;
}

/* Splits "gzip;q=0.5"; -1: malformed. */
static int split_weight(struct str element, struct str *ret_name)
{
	size_t at = str_find(element, ';', 0);
	struct str rest;

	*ret_name = str_trim((struct str){ element.p, at });
	if (at == element.n)
		return WEIGHT_MAX;
	rest = str_trim((struct str){ element.p + at + 1, element.n - at - 1 });
	if (rest.n < 2 || str_lower((unsigned char)rest.p[0]) != 'q' || rest.p[1] != '=')
		return -1;
	return parse_weight((struct str){ rest.p + 2, rest.n - 2 });
}

static void weigh(struct str element, int weights[CODING_COUNT], int *any)
{
	struct str name;
	int weight = split_weight(element, &name);

	if (weight < 0)
		return;
	if (str_eq(name, STR("*")))
		*any = weight;
	if (str_case_eq(name, STR("x-gzip")))
		name = names[CODING_GZIP];
	for (int i = 0; i < CODING_COUNT; i++)
		if (str_case_eq(name, names[i]))
			weights[i] = weight;
}

/* Weights of every coding, 0: not accepted. Identity without a weight of its own is worth less than
 * any that has one. */
static void weigh_all(const struct fields *f, int weights[CODING_COUNT])
{
	int any = WEIGHT_UNNAMED;

	for (int i = 0; i < CODING_COUNT; i++)
		weights[i] = WEIGHT_UNNAMED;
	for (unsigned i = 0; i < f->n; i++) {
		struct str list = f->line[i].value, element;

		while (f->line[i].id == FIELD_ACCEPT_ENCODING && str_next_element(&list, &element))
			weigh(element, weights, &any);
	}
	for (int i = CODING_GZIP; i < CODING_COUNT; i++) {
		if (weights[i] == WEIGHT_UNNAMED)
			weights[i] = any == WEIGHT_UNNAMED ? 0 : any;
		weights[i] *= 2;
	}
	if (weights[CODING_IDENTITY] == WEIGHT_UNNAMED)
		weights[CODING_IDENTITY] = any == 0 ? 0 : 1;
	else
		weights[CODING_IDENTITY] *= 2;
}

unsigned negotiate_codings(const struct fields *f, enum coding ret[CODING_COUNT])
{
	int weights[CODING_COUNT];
	unsigned n = 0;

	ret[0] = CODING_IDENTITY;
	if (!fields_has(f, FIELD_ACCEPT_ENCODING))
		return 1;
	weigh_all(f, weights);
	for (int i = CODING_COUNT - 1; i >= 0; i--) {
		unsigned at = n;

		if (weights[i] == 0)
			continue;
		for (; at > 0 && weights[ret[at - 1]] < weights[i]; at--)
			ret[at] = ret[at - 1];
		ret[at] = (enum coding)i;
		n++;
	}
	return n;
}

bool negotiate_json(const struct fields *f)
{
	bool json = false;

	for (unsigned i = 0; i < f->n; i++) {
		struct str list = f->line[i].value, element;

		while (f->line[i].id == FIELD_ACCEPT && str_next_element(&list, &element)) {
			struct str type = { element.p, str_find(element, ';', 0) };

			type = str_trim(type);
			if (str_case_eq(type, STR("text/html")))
				return false;
			json = json || str_case_eq(type, STR("application/json"));
		}
	}
	return json;
}
