/* ClientHellos: the fingerprint is 36 characters that need no escaping, or there is none; it does
 * not change with the random of the client. */
#include <ctype.h>
#include <string.h>

#include "fuzz.h"
#include "tls/ja4.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[JA4_SIZE], again[JA4_SIZE], *other = malloc(size + 1);

	check(other);
	memcpy(other, data, size);
	if (ja4_write((struct str){ (const char *)data, size }, text)) {
		check(strlen(text) == JA4_SIZE - 1 && text[0] == 't');
		for (size_t i = 0; i < JA4_SIZE - 1; i++)
			check(isalnum((unsigned char)text[i]) || text[i] == '_');
		memset(other + 2, 'x', 32);
		check(ja4_write((struct str){ other, size }, again));
		check(strcmp(text, again) == 0);
	}
	free(other);
	return 0;
}
