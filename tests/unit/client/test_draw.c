/* The report of `latch check` as lines. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "client/dossier.h"
#include "client/draw.h"

static struct probe p;
static struct findings f;

static void setup(void)
{
	p.chain.n = 3;
	snprintf(p.chain.cert[0].subject, PROBE_TEXT_SIZE, "CN=leaf\x1b[31m");
	snprintf(p.chain.cert[1].subject, PROBE_TEXT_SIZE, "CN=inter");
	snprintf(p.chain.cert[2].subject, PROBE_TEXT_SIZE, "CN=root");
	snprintf(p.chain.cert[1].wrong, PROBE_TEXT_SIZE, "bad");
	for (size_t i = 0; i < p.chain.n; i++) {
		snprintf(p.chain.cert[i].key, sizeof(p.chain.cert[i].key), "EC 256");
		p.chain.cert[i].sent = i < 1;
	}
	p.chain.cert[2].anchor = true;
	p.nnames = 2;
	p.name[0] = (struct probe_name){ "DNS", "a.example", true };
	p.name[1] = (struct probe_name){ "IP", "::1", false };
	f.n = 2;
	f.at[0] = (struct finding){ LEVEL_CRITICAL, "chain", "not trusted" };
	f.at[1] = (struct finding){ LEVEL_OK, "identity", "for a.example" };
}

TestSuite(draw, .init = setup);

static const char *drawn(struct draw_style style)
{
	static struct buf out;

	buf_done(&out);
	buf_init(&out, 0);
	cr_assert(draw_report(&p, &f, "https://a.example/", style, &out));
	return buf_cstring(&out);
}

Test(draw, a_tree_with_what_is_wrong_where_it_is)
{
	cr_expect_str_eq(drawn((struct draw_style){ 0 }),
		"https://a.example/: critical\n"
		"  chain       XX not trusted\n"
		"              ok CN=root  (EC 256, until 1970-01-01, trusted here)\n"
		"              `- XX CN=inter  (EC 256, until 1970-01-01, not sent): bad\n"
		"                 `- ok CN=leaf\\x1b[31m  (EC 256, until 1970-01-01)\n"
		"  identity    ok for a.example\n"
		"              ok DNS a.example\n"
		"                 IP ::1\n");
}

Test(draw, colours_and_marks_only_where_they_are_wanted)
{
	const char *text = drawn((struct draw_style){ .colour = true, .utf8 = true });

	cr_expect_not_null(strstr(text, "\x1b[31mnot trusted\x1b[0m"));
	cr_expect_not_null(strstr(text, "\xe2\x94\x94\xe2\x94\x80 "));
	text = drawn((struct draw_style){ .utf8 = true });
	cr_expect_null(strchr(text, '\x1b'));
}

Test(draw, a_dossier_is_one_line)
{
	struct buf out;

	buf_init(&out, 0);
	cr_assert(dossier_write(&p, &f, "u", &out));
	cr_expect_eq(strchr(buf_cstring(&out), '\n'), buf_cstring(&out) + buf_len(&out) - 1);
	cr_expect_not_null(
		strstr(buf_cstring(&out), "{\"event\":\"check\",\"url\":\"u\",\"exit\":2,"
					  "\"level\":\"critical\",\"findings\":["));
	cr_expect_not_null(strstr(buf_cstring(&out), "\"subject\":\"CN=leaf\\u001b[31m\""));
	buf_done(&out);
}
