/* Configurations: whatever the text, reading and checking it neither crashes nor leaks; what is
 * accepted is printed as text that is accepted and printed the same. No file but the input is read.
 */
#include <stdlib.h>
#include <string.h>

#include "config/check.h"
#include "config/print.h"
#include "config/read.h"
#include "fuzz.h"

static char *print(const struct config *c, size_t *ret_n)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, ret_n);

	check(out);
	config_print(c, out);
	check(fclose(out) == 0);
	return text;
}

/* Every error has a sentence on one line; those about the file have a line of it. */
static void check_findings(const struct findings *f)
{
	for (size_t i = 0; i < f->n; i++) {
		check(f->v[i].err.text[0] && !strchr(f->v[i].err.text, '\n'));
		check(!f->v[i].is_error || f->v[i].err.code == ERR_CONFIG);
		check(f->v[i].err.line >= 0);
	}
}

static void run_accepted(const struct config *c)
{
	struct findings f = { 0 };
	size_t first_n = 0, second_n = 0;
	char *first = print(c, &first_n), *second;
	struct config *again = config_load_text("fuzz.conf", first, first_n, &f);

	check(again && f.errors == 0);
	second = print(again, &second_n);
	check(first_n == second_n && !memcmp(first, second, first_n));
	config_free(again);
	findings_done(&f);
	free(first);
	free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct findings f = { 0 };
	struct config *c;

	if (size > 65536 || memmem(data, size, "@include", 8))
		return 0;
	c = config_load_text("fuzz.conf", (const char *)data, size, &f);
	check(c || f.errors > 0);
	check_findings(&f);
	if (c)
		config_check(c, &f);
	check_findings(&f);
	if (c && f.errors == 0)
		run_accepted(c);
	config_free(c);
	findings_sort(&f);
	findings_done(&f);
	return 0;
}
