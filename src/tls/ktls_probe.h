/* Whether the kernel can seal records here (kTLS), found out by doing it. */
#ifndef LATCH_TLS_KTLS_PROBE_H
#define LATCH_TLS_KTLS_PROBE_H

#include <stdbool.h>
#include <stddef.h>

struct ktls_probe {
	bool works;
	char ciphers[80];  /* those that the kernel seals in TLS 1.2 and 1.3, ", " between them */
	char trouble[240]; /* a sentence why not, or which cipher not and why; "": none */
};

/* Connects to itself over the loopback and, for each cipher and version, shakes hands as a worker
 * does, sends text, a file and a close_notify, and compares what arrives. Needs no privileges, but
 * with CAP_NET_ADMIN the kernel loads its module now. Some 20 ms where it works. */
void ktls_probe(struct ktls_probe *ret);
/* As a sentence for people; returns dst. */
const char *ktls_probe_describe(const struct ktls_probe *p, char *dst, size_t size);

#endif
