/* Pointer+length slices and the parsing of small things. A slice owns nothing and is not
 * terminated; it lives as long as what it points into. */
#ifndef LATCH_BASE_STR_H
#define LATCH_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *p;
	size_t n;
};

#define STR(literal) ((struct str){ "" literal, sizeof(literal) - 1 })
#define STR_FMT "%.*s"
#define STR_ARG(s) (int)(s).n, (s).p

static inline struct str str_of(const char *cstring)
{
	return (struct str){ cstring, cstring ? strlen(cstring) : 0 };
}

static inline bool str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* ASCII case-blind; the locale is never asked. */
bool str_case_eq(struct str a, struct str b);
bool str_has_prefix(struct str s, struct str prefix);
bool str_has_suffix(struct str s, struct str suffix);
/* Index of the first `c` at or after `from`, or s.n. */
size_t str_find(struct str s, char c, size_t from);
/* Without SP and HTAB (OWS of RFC 9110 section 5.6.3) on both sides. */
struct str str_trim(struct str s);
/* Takes the next element off a comma-separated list (RFC 9110 section 5.6.1), trimmed, empty
 * elements skipped, quoted strings respected. False at the end. */
bool str_next_element(struct str *list, struct str *ret_element);
static inline unsigned char str_lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c | 0x20) : c;
}

/* Length of the well-formed UTF-8 sequence at the start (RFC 3629), 1 to 4; 0: there is none. */
size_t str_utf8_length(struct str s);

/* Decimal digits only, no sign, no blank, the whole slice; false on overflow too. */
bool str_parse_u64(struct str s, uint64_t *ret);
/* "64K" "16M" "5G" "100" (bytes; K, M, G are powers of 1024). False: malformed or > INT64_MAX. */
bool str_parse_size(struct str s, int64_t *ret_bytes);
/* "250ms" "30s" "5m" "12h" "7d". False: malformed, no unit ("0" alone is fine) or > INT64_MAX. */
bool str_parse_duration(struct str s, int64_t *ret_ms);
/* The shortest exact spelling that the two above read back: "16K", "90s". dst >= 24 bytes. */
const char *str_format_size(int64_t bytes, char *dst, size_t size);
const char *str_format_duration(int64_t ms, char *dst, size_t size);
/* Levenshtein distance, case-blind, of at most 63 bytes a side (longer: SIZE_MAX). */
size_t str_distance(struct str a, struct str b);

#endif
