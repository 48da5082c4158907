/* The name table: exact, wildcard, any; and what a name may look like. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/names.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct names *t;
static char exact, wild, any, other;

static void setup(void)
{
	t = names_new();
	cr_assert_not_null(t);
}

static void teardown(void)
{
	names_free(t);
}

TestSuite(names, .init = setup, .fini = teardown);

static void *find(const char *name)
{
	return names_find(t, str_of(name), NULL);
}

Test(names, an_empty_table_finds_nothing)
{
	bool is_any = true;

	names_free(NULL);
	cr_expect_null(find("example.org"));
	cr_expect_null(names_find(t, (struct str){ NULL, 0 }, &is_any));
	cr_expect_not(is_any);
}

Test(names, exact_names_are_case_blind)
{
	cr_expect_eq(names_add(t, STR("Example.ORG"), &exact), 0);
	cr_expect_eq(find("example.org"), &exact);
	cr_expect_eq(find("EXAMPLE.org"), &exact);
	cr_expect_eq(find("example.org."), &exact, "the final dot says the same");
	cr_expect_null(find("example.org.."));
	cr_expect_null(find("xample.org"));
	cr_expect_null(find("www.example.org"));
	cr_expect_null(find(""));
	cr_expect_null(find("."));
}

Test(names, a_name_is_added_once)
{
	cr_expect_eq(names_add(t, STR("example.org"), &exact), 0);
	cr_expect_eq(names_add(t, STR("EXAMPLE.ORG."), &other), 1);
	cr_expect_eq(names_add(t, STR("*.example.org"), &wild), 0);
	cr_expect_eq(names_add(t, STR("*.Example.org."), &other), 1);
	cr_expect_eq(names_add(t, STR("*"), &any), 0);
	cr_expect_eq(names_add(t, STR("*"), &other), 1);
	cr_expect_eq(find("example.org"), &exact);
	cr_expect_eq(find("a.example.org"), &wild);
	cr_expect_eq(find("a"), &any);
}

Test(names, a_wildcard_is_exactly_one_label)
{
	cr_expect_eq(names_add(t, STR("*.example.org"), &wild), 0);
	cr_expect_eq(find("a.example.org"), &wild);
	cr_expect_eq(find("A.EXAMPLE.ORG."), &wild);
	cr_expect_null(find("example.org"));
	cr_expect_null(find("a.b.example.org"));
	cr_expect_null(find(".example.org"));
	cr_expect_null(find("aexample.org"));
}

Test(names, exact_before_wildcard_before_any)
{
	bool is_any;

	names_add(t, STR("*"), &any);
	names_add(t, STR("*.example.org"), &wild);
	names_add(t, STR("www.example.org"), &exact);
	cr_expect_eq(names_find(t, STR("www.example.org"), &is_any), &exact);
	cr_expect_not(is_any);
	cr_expect_eq(names_find(t, STR("ftp.example.org"), &is_any), &wild);
	cr_expect_not(is_any);
	cr_expect_eq(names_find(t, STR("example.org"), &is_any), &any);
	cr_expect(is_any);
	cr_expect_eq(names_find(t, (struct str){ NULL, 0 }, &is_any), &any);
	cr_expect(is_any);
}

Test(names, a_wildcard_is_no_exact_name)
{
	names_add(t, STR("*.example.org"), &wild);
	names_add(t, STR("example.org"), &exact);
	cr_expect_eq(find("example.org"), &exact);
	cr_expect_eq(find("x.example.org"), &wild);
}

Test(names, addresses_are_equal_however_spelt)
{
	cr_expect_eq(names_add(t, STR("0:0:0:0:0:0:0:1"), &exact), 0);
	cr_expect_eq(names_add(t, STR("::1"), &other), 1);
	cr_expect_eq(names_add(t, STR("127.0.0.1"), &wild), 0);
	cr_expect_eq(find("::1"), &exact);
	cr_expect_eq(find("0::0:1"), &exact);
	cr_expect_eq(find("127.0.0.1"), &wild);
	cr_expect_null(find("::2"));
	cr_expect_null(find(":::"));
}

Test(names, asking_with_anything_is_safe)
{
	char longer[70000];
	static const struct str odd[] = { { "\0", 1 }, { "a\0b", 3 }, { "::\0", 3 },
		{ "........", 8 }, { "*", 1 }, { "*.example.org", 13 }, { "\xff\xfe", 2 } };

	names_add(t, STR("example.org"), &exact);
	memset(longer, 'a', sizeof(longer));
	cr_expect_null(names_find(t, (struct str){ longer, sizeof(longer) }, NULL));
	memset(longer, ':', sizeof(longer));
	cr_expect_null(names_find(t, (struct str){ longer, sizeof(longer) }, NULL));
	for (size_t i = 0; i < COUNT(odd); i++)
		cr_expect_null(names_find(t, odd[i], NULL), "row %zu", i);
}

Test(names, thousands_of_names)
{
	static char values[5000];
	char name[64];

	for (int i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), i % 2 ? "*.site%d.example" : "site%d.example", i);
		cr_assert_eq(names_add(t, str_of(name), &values[i]), 0);
	}
	for (int i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), i % 2 ? "www.site%d.example" : "site%d.example", i);
		cr_assert_eq(find(name), &values[i]);
		snprintf(name, sizeof(name), i % 2 ? "site%d.example" : "www.site%d.example", i);
		cr_assert_null(find(name));
	}
}

#define LABEL_63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

Test(names, valid_names)
{
	static const char *const good[] = { "*", "a", "localhost", "example.org", "example.org.",
		"*.example.org", "EXAMPLE.org", "xn--mnchen-3ya.de", "1a.example", "3com.com",
		"a-b.example", "127.0.0.1", "::1", "2001:db8::1", LABEL_63 ".org",
		LABEL_63 "." LABEL_63 "." LABEL_63 ".aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };

	for (size_t i = 0; i < COUNT(good); i++)
		cr_expect(names_is_valid(str_of(good[i])), "%s", good[i]);
}

Test(names, invalid_names)
{
	static const char *const bad[] = { "", ".", "..", "a..b", ".example.org", "example.org..",
		"*.", "**", "*a.example.org", "a.*.org", "*.*.org", "*example.org", "a b",
		"a_b.org", "-a.org", "a-.org", "exa\xc3\xa4mple.org", "example.org:443", "[::1]",
		"1.2.3", "1.2.3.256", "1.2.3.4.5", "*.2.3.4", ":::", "https://example.org", "a/b",
		LABEL_63 "a.org",
		LABEL_63 "." LABEL_63 "." LABEL_63 ".aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };

	for (size_t i = 0; i < COUNT(bad); i++)
		cr_expect_not(names_is_valid(str_of(bad[i])), "%s", bad[i]);
	cr_expect_not(names_is_valid((struct str){ "a\0b", 3 }));
	cr_expect_not(names_is_valid((struct str){ "::1\0", 4 }));
	cr_expect_not(names_is_valid((struct str){ NULL, 0 }));
}
