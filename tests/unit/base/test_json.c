/* The JSON writer: commas, escapes, numbers, and failing as a whole. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "base/json.h"

static struct buf out;
static struct json j;

static void setup(void)
{
	buf_init(&out, 0);
	json_init(&j, &out);
}

static void teardown(void)
{
	buf_done(&out);
}

TestSuite(json, .init = setup, .fini = teardown);

static void expect(const char *text)
{
	cr_expect(json_ok(&j));
	cr_expect_str_eq(buf_cstring(&out), text);
}

Test(json, empty_containers)
{
	json_object_open(&j, NULL);
	json_array_open(&j, "a");
	json_array_close(&j);
	json_object_open(&j, "o");
	json_object_close(&j);
	json_object_close(&j);
	expect("{\"a\":[],\"o\":{}}");
}

Test(json, commas_and_nesting)
{
	json_object_open(&j, NULL);
	json_str(&j, "event", STR("close"));
	json_uint(&j, "bytes", 5);
	json_array_open(&j, "list");
	json_int(&j, NULL, 1);
	json_int(&j, NULL, 2);
	json_object_open(&j, NULL);
	json_bool(&j, "t", true);
	json_bool(&j, "f", false);
	json_object_close(&j);
	json_array_open(&j, NULL);
	json_array_close(&j);
	json_array_close(&j);
	json_str(&j, "none", (struct str){ NULL, 0 });
	json_object_close(&j);
	expect("{\"event\":\"close\",\"bytes\":5,\"list\":[1,2,{\"t\":true,\"f\":false},[]],"
	       "\"none\":null}");
}

Test(json, numbers)
{
	json_array_open(&j, NULL);
	json_int(&j, NULL, INT64_MIN);
	json_int(&j, NULL, INT64_MAX);
	json_int(&j, NULL, -1);
	json_uint(&j, NULL, UINT64_MAX);
	json_double(&j, NULL, 1.01);
	json_double(&j, NULL, 0.1 + 0.2);
	json_double(&j, NULL, -2);
	json_double(&j, NULL, 1e300);
	json_array_close(&j);
	expect("[-9223372036854775808,9223372036854775807,-1,18446744073709551615,1.01,"
	       "0.30000000000000004,-2,1e+300]");
}

Test(json, what_is_no_number_is_null)
{
	json_array_open(&j, NULL);
	json_double(&j, NULL, NAN);
	json_double(&j, NULL, INFINITY);
	json_double(&j, NULL, -INFINITY);
	json_array_close(&j);
	expect("[null,null,null]");
}

Test(json, escapes)
{
	json_str(&j, NULL, (struct str){ "\"\\/\b\f\n\r\t\0\x1f\x7f", 11 });
	expect("\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\\u007f\"");
}

Test(json, keys_are_escaped_too)
{
	json_object_open(&j, NULL);
	json_int(&j, "a\"b", 1);
	json_object_close(&j);
	expect("{\"a\\\"b\":1}");
}

Test(json, utf8_passes)
{
	json_str(&j, NULL, STR("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x94\x91z"));
	expect("\"a\xc3\xa4\xe2\x82\xac\xf0\x9f\x94\x91z\"");
}

Test(json, c1_controls_are_escaped)
{
	json_str(&j, NULL, STR("\xc2\x80\xc2\x9b\xc2\xa0"));
	expect("\"\\u0080\\u009b\xc2\xa0\"");
}

Test(json, what_is_not_utf8_becomes_the_replacement)
{
	json_str(&j, NULL,
		STR("a\xff"
		    "b\xc3"));
	json_str(&j, NULL, STR("\xed\xa0\x80"));
	expect("\"a\xef\xbf\xbd"
	       "b\xef\xbf\xbd\","
	       "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

Test(json, an_empty_string_is_not_null)
{
	json_str(&j, NULL, STR(""));
	expect("\"\"");
}

Test(json, over_the_bound_fails_for_good)
{
	buf_init(&out, 20);
	json_init(&j, &out);
	json_object_open(&j, NULL);
	json_str(&j, "key", STR("0123456789"));
	cr_expect(json_ok(&j));
	json_str(&j, "k", STR("v"));
	cr_expect_not(json_ok(&j));
	json_object_close(&j);
	cr_expect_not(json_ok(&j), "even where the rest would fit");
	cr_expect_leq(buf_len(&out), 20);
}

Test(json, numbers_fail_at_the_bound_too)
{
	buf_init(&out, 3);
	json_init(&j, &out);
	json_uint(&j, NULL, 1234);
	cr_expect_not(json_ok(&j));
}
