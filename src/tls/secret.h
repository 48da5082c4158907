/* A secret that machines share, and the ticket keys that follow from it: each machine that has it
 * makes the same key for the same slice of time (HKDF with SHA-256, RFC 5869), and a session that
 * one gave out is resumed by all. Kept in memory that a fork does not inherit: a worker has the
 * keys of now, but cannot make those of yesterday. */
#ifndef LATCH_TLS_SECRET_H
#define LATCH_TLS_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct digest_list;
struct tls_secret; /* heap */

enum { TLS_SECRET_MIN = 32 };

/* The content of the file, line ends behind it taken away. NULL: `e` at the file: it cannot be
 * read, or is too short or too regular to be a secret. */
struct tls_secret *tls_secret_load(const char *path, struct digest_list *digests, struct err *e);
/* The same of bytes. */
struct tls_secret *tls_secret_new(const void *bytes, size_t n, struct err *e);
bool tls_secret_is_same(const struct tls_secret *a, const struct tls_secret *b);
void tls_secret_free(struct tls_secret *s); /* NULL is fine */
/* Key material of the slice, n bytes, for slices of `rotate_ms`: other lengths have other keys. -1:
 * OpenSSL failed, or the process was forked from the one that loaded it. */
int tls_secret_derive(
	const struct tls_secret *s, int64_t rotate_ms, int64_t slice, void *ret, size_t n);

#endif
