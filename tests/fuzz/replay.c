/* Runs the files named in its arguments through a fuzz target, without libFuzzer, so that each
 * compiler can replay a corpus in the ordinary tests. */
#include <string.h>

#include "fuzz.h"

enum { FILE_MAX = 1 << 20 };

static int replay(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = malloc(FILE_MAX);
	uint8_t *exact = NULL;
	int rc = -1;
	size_t n;

	if (!file || !data)
		goto out;
	n = fread(data, 1, FILE_MAX, file);
	if (ferror(file))
		goto out;
	/* Of just its size, so that a sanitizer sees a read behind the end. */
	exact = malloc(n + !n);
	if (!exact)
		goto out;
	memcpy(exact, data, n);
	LLVMFuzzerTestOneInput(exact, n);
	rc = 0;
out:
	if (rc < 0)
		perror(path);
	free(exact);
	free(data);
	if (file)
		fclose(file);
	return rc;
}

int main(int argc, char **argv)
{
	int failed = 0;

	for (int i = 1; i < argc; i++)
		failed |= replay(argv[i]) < 0;
	return failed;
}
