/* The table itself: that it is whole and consistent, and how it suggests. */
#include <criterion/criterion.h>
#include <string.h>

#include "config/table.h"

static bool is_sentence(const char *s)
{
	size_t n = strlen(s);

	return n > 10 && s[n - 1] == '.' && !strstr(s, "  ") && !strchr(s, '\n');
}

Test(table, rows_are_whole)
{
	for (size_t i = 0; i < table_count; i++) {
		const struct directive *d = &table_rows[i];
		struct str parent = table_parent(d);

		cr_expect(is_sentence(d->sentence), "%s: %s", d->key, d->sentence);
		cr_expect_eq(table_find(str_of(d->key)), d, "%s is there twice", d->key);
		cr_expect(!parent.n || table_find(parent), "%s has no parent", d->key);
		cr_expect_not_null(d->unit, "%s", d->key);
		cr_expect(d->type <= DIRECTIVE_LIST || d->width, "%s has no target", d->key);
		cr_expect_leq(d->min, d->max, "%s", d->key);
	}
}

Test(table, parents_stand_before_their_members)
{
	for (size_t i = 0; i < table_count; i++) {
		struct str parent = table_parent(&table_rows[i]);
		const struct directive *p = table_find(parent);

		cr_expect(!parent.n || p < &table_rows[i], "%s", table_rows[i].key);
		cr_expect(!p || p->type <= DIRECTIVE_LIST, "%s", table_rows[i].key);
	}
}

Test(table, defaults_of_other_directives_are_of_their_type)
{
	for (size_t i = 0; i < table_count; i++) {
		const struct directive *d = &table_rows[i], *from;

		if (!d->def || d->def[0] != '=')
			continue;
		from = table_find(str_of(d->def + 1));
		cr_assert(from, "%s", d->key);
		cr_expect(from->type == d->type || d->type == DIRECTIVE_STRING, "%s", d->key);
	}
}

Test(table, names_and_parents)
{
	const struct directive *d = table_find(STR("sites.routes.files.root"));

	cr_assert(d);
	cr_expect(str_eq(table_name(d), STR("root")));
	cr_expect(str_eq(table_parent(d), STR("sites.routes.files")));
	cr_expect_eq(table_member(STR("sites.routes.files"), STR("root")), d);
	cr_expect_null(table_member(STR("sites.routes"), STR("root")));
	cr_expect_null(table_find(STR("root")));
	d = table_find(STR("workers"));
	cr_assert(d);
	cr_expect_eq(table_parent(d).n, 0);
	cr_expect_eq(table_member(STR(""), STR("workers")), d);
}

Test(table, suggests)
{
	static const struct {
		const char *parent, *name, *words;
	} cases[] = {
		{ "", "wrkers", "did you mean \"workers\"" },
		{ "", "Workers", "did you mean \"workers\"" },
		{ "timeouts", "idel", "did you mean \"idle\"" },
		{ "sites.routes.files", "idx", "known here: root, index" },
		{ "", "handshake", "\"timeouts\"" },
		{ "timeouts", "sigpipe", "top of the file" },
		{ "limits", "zzzzzzzzzz", "known here: connections, header_size" },
		{ "sites.routes.status", "zzzzzzzzzz", "no directives" },
	};
	char text[400];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		table_suggest(str_of(cases[i].parent), str_of(cases[i].name), text, sizeof(text));
		cr_expect(strstr(text, cases[i].words), "%s: %s", cases[i].name, text);
	}
	for (size_t size = 2; size < 60; size++) /* never over the end */
		cr_expect_lt(strlen(table_suggest(STR(""), STR("zzzzzzzzzz"), text, size)), size);
}

Test(table, nearest)
{
	cr_expect_str_eq(table_nearest(STR("timeouts.idel"))->key, "timeouts.idle");
	cr_expect_str_eq(table_nearest(STR("idle"))->key, "timeouts.idle");
	cr_expect_str_eq(table_nearest(STR("tls.tickets.rotat"))->key, "tls.tickets.rotate");
	cr_expect_not_null(table_nearest(STR("")));
}

Test(table, words)
{
	struct str w;

	cr_expect_eq(table_word_index("a|bc|d", STR("bc")), 1);
	cr_expect_eq(table_word_index("a|bc|d", STR("b")), -1);
	cr_expect_eq(table_word_index("a|bc|d", STR("")), -1);
	cr_expect_eq(table_word_index("|1.2", STR("")), 0);
	cr_expect(table_word("a|bc|d", 2, &w) && str_eq(w, STR("d")));
	cr_expect_not(table_word("a|bc|d", 3, &w));
}

Test(table, expectations)
{
	char text[240];

	table_expected(table_find(STR("workers")), text, sizeof(text));
	cr_expect_str_eq(text, "an integer from 0 to 256");
	table_expected(table_find(STR("timeouts.idle")), text, sizeof(text));
	cr_expect_str_eq(text, "a duration from 100ms to 1d, in quotes, such as \"60s\"");
	table_expected(table_find(STR("sigpipe")), text, sizeof(text));
	cr_expect_str_eq(text, "\"ignore\", \"log\" or \"default\"");
	table_expected(table_find(STR("tls.min_version")), text, sizeof(text));
	cr_expect_str_eq(text, "\"\", \"1.2\" or \"1.3\"");
	for (size_t i = 0; i < table_count; i++)
		cr_expect_gt(strlen(table_expected(&table_rows[i], text, sizeof(text))), 5, "%s",
			table_rows[i].key);
}
