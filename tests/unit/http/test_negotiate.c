/* Accept-Encoding and Accept (RFC 9110 section 12.5). */
#include <criterion/criterion.h>
#include <stdio.h>

#include "http/negotiate.h"

static struct fields fields;

/* The codings accepted, in order: "br gzip identity". */
static const char *codings(const char *value)
{
	static char text[64];
	enum coding v[CODING_COUNT];
	unsigned n;
	size_t at = 0;

	fields_clear(&fields);
	if (value)
		fields_add(&fields, STR("Accept-Encoding"), str_of(value));
	n = negotiate_codings(&fields, v);
	for (unsigned i = 0; i < n; i++) {
		struct str name =
			v[i] == CODING_IDENTITY ? STR("identity") : negotiate_coding_name(v[i]);

		at += (size_t)snprintf(
			text + at, sizeof(text) - at, "%s" STR_FMT, i ? " " : "", STR_ARG(name));
	}
	text[at] = '\0';
	return text;
}

Test(negotiate, rfc9110_12_5_3_codings)
{
	static const struct {
		const char *value, *codings;
	} cases[] = {
		{ NULL, "identity" },
		{ "", "identity" },
		{ "gzip", "gzip identity" },
		{ "x-gzip", "gzip identity" },
		{ "gzip, deflate, br, zstd", "br zstd gzip identity" },
		{ "GZIP;Q=0.5 , br;q=0.4", "gzip br identity" },
		{ "br;q=0.001", "br identity" },
		{ "gzip;q=0.5, identity;q=0.8", "identity gzip" },
		{ "gzip;q=0.8, identity;q=0.5", "gzip identity" },
		{ "gzip, identity", "gzip identity" },
		{ "gzip;q=0", "identity" },
		{ "gzip, identity;q=0", "gzip" },
		{ "identity;q=0", "" },
		{ "*;q=0", "" },
		{ "gzip, *;q=0", "gzip" },
		{ "identity, *;q=0", "identity" },
		{ "*", "br zstd gzip identity" },
		{ "gzip;q=0, *", "br zstd identity" },
		{ "gzip;q=1.5, br;q=0.1234, zstd;q=x", "identity" },
		{ "gzip;q=1.001", "identity" },
		{ "gzip ; q=1.000", "gzip identity" },
		{ "gzip;level=9", "identity" },
		{ "deflate, compress", "identity" },
		{ ",, ,gzip,", "gzip identity" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_str_eq(codings(cases[i].value), cases[i].codings, "%s", cases[i].value);
}

Test(negotiate, several_lines_are_one_list)
{
	enum coding v[CODING_COUNT];

	fields_clear(&fields);
	fields_add(&fields, STR("Accept-Encoding"), STR("gzip"));
	fields_add(&fields, STR("Accept-Encoding"), STR("br"));
	cr_assert_eq(negotiate_codings(&fields, v), 3);
	cr_expect_eq(v[0], CODING_BR);
}

static bool json(const char *accept)
{
	fields_clear(&fields);
	fields_add(&fields, STR("Accept"), str_of(accept));
	return negotiate_json(&fields);
}

Test(negotiate, json_is_for_programs)
{
	cr_expect(json("application/json"));
	cr_expect(json("text/plain, application/json;q=0.5"));
	cr_expect_not(json("text/html, application/json"));
	cr_expect_not(json("*/*"));
	cr_expect_not(json(""));
}
