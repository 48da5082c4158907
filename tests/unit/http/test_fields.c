/* The field list: known names, the index, list elements, its bound. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <string.h>

#include "http/fields.h"

static struct fields f;

static void setup(void)
{
	memset(&f, 0xa5, sizeof(f));
	fields_clear(&f);
}

TestSuite(fields, .init = setup);

Test(fields, rfc9110_5_1_names_are_case_blind)
{
	static const struct {
		enum field_id id;
		const char *name;
	} names[] = {
#define FIELD(id, name) { FIELD_##id, name },
#include "http/fields.def"
#undef FIELD
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char text[40];
		size_t n = strlen(names[i].name);

		cr_assert_eq(fields_id_of(str_of(names[i].name)), names[i].id, "%s", names[i].name);
		for (size_t k = 0; k <= n; k++)
			text[k] = (char)toupper((unsigned char)names[i].name[k]);
		cr_assert_eq(fields_id_of(str_of(text)), names[i].id, "%s", text);
		text[n - 1] = '!';
		cr_assert_eq(fields_id_of(str_of(text)), FIELD_OTHER, "%s", text);
		cr_assert_eq(fields_id_of((struct str){ names[i].name, n - 1 }), FIELD_OTHER);
	}
}

Test(fields, near_misses_of_names)
{
	cr_assert_eq(fields_id_of(STR("")), FIELD_OTHER);
	cr_assert_eq(fields_id_of(STR("Content_Length")), FIELD_OTHER);
	cr_assert_eq(fields_id_of(STR("Content\rLength")), FIELD_OTHER);
	cr_assert_eq(fields_id_of(STR("Transfer-Encoding ")), FIELD_OTHER);
	cr_assert_eq(fields_id_of(STR("X-Transfer-Encoding")), FIELD_OTHER);
	cr_assert_eq(fields_id_of(STR("a-name-that-is-longer-than-all-of-ours")), FIELD_OTHER);
}

Test(fields, index_and_count)
{
	cr_assert(!fields_has(&f, FIELD_HOST));
	cr_assert_null(fields_get(&f, FIELD_HOST).p);
	cr_assert(fields_add(&f, STR("X"), STR("1")));
	cr_assert(fields_add(&f, STR("host"), STR("a")));
	cr_assert(fields_add(&f, STR("HOST"), STR("b")));
	cr_assert(fields_has(&f, FIELD_HOST));
	cr_assert_eq(f.count[FIELD_HOST], 2);
	cr_assert_eq(f.first[FIELD_HOST], 2);
	cr_assert(str_eq(fields_get(&f, FIELD_HOST), STR("a")));
	cr_assert_eq(f.n, 3);
	fields_clear(&f);
	cr_assert(!fields_has(&f, FIELD_HOST));
	cr_assert_eq(f.count[FIELD_HOST], 0);
}

Test(fields, full)
{
	for (int i = 0; i < FIELDS_MAX; i++)
		cr_assert(fields_add(&f, STR("Accept"), STR("x")));
	cr_assert(!fields_add(&f, STR("Accept"), STR("x")));
	cr_assert_eq(f.n, FIELDS_MAX);
	cr_assert_eq(f.count[FIELD_ACCEPT], 255);
	cr_assert_eq(f.first[FIELD_ACCEPT], 1);
}

Test(fields, rfc9110_7_6_1_tokens_of_any_line)
{
	cr_assert(!fields_has_token(&f, FIELD_CONNECTION, STR("close")));
	fields_add(&f, STR("Connection"), STR("keep-alive, , Upgrade"));
	fields_add(&f, STR("X"), STR("close"));
	cr_assert(!fields_has_token(&f, FIELD_CONNECTION, STR("close")));
	cr_assert(fields_has_token(&f, FIELD_CONNECTION, STR("upgrade")));
	fields_add(&f, STR("connection"), STR("x,CLOSE"));
	cr_assert(fields_has_token(&f, FIELD_CONNECTION, STR("close")));
	cr_assert(!fields_has_token(&f, FIELD_CONNECTION, STR("clos")));
	cr_assert(!fields_has_token(&f, FIELD_CONNECTION, STR("closed")));
}
