/* What the verified certificate of a client says, as text: for logs, handlers, and the rules of
 * routes.
 *
 * A name is one of its subject alternative names: DNS, e-mail, URI or IP address; the common name
 * is none. A rule is such a name, with its kind in front ("DNS:", "email:", "URI:", "IP:") or told
 * from its form. DNS names are compared case-blind, and "*.example.org" stands for one label more;
 * URIs and the local part of e-mail addresses are compared as they are. */
#ifndef LATCH_TLS_PEER_H
#define LATCH_TLS_PEER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct tls_peer; /* heap */
struct x509_st;

enum { TLS_FINGERPRINT_SIZE = 65 };

/* NULL: out of memory. */
struct tls_peer *tls_peer_new(const struct x509_st *cert);
void tls_peer_free(struct tls_peer *p); /* NULL is fine */

/* Printable ASCII, the rest escaped; they live as long as `p`. */
struct str tls_peer_subject(const struct tls_peer *p);     /* RFC 4514 */
struct str tls_peer_fingerprint(const struct tls_peer *p); /* SHA-256, lower-case hex */
struct str tls_peer_names(const struct tls_peer *p);       /* "DNS:a.example, URI:b:c" */

bool tls_peer_has_name(const struct tls_peer *p, struct str rule);
bool tls_peer_is_rule(struct str rule);
/* 64 hex digits, with or without colons, into the form of tls_peer_fingerprint(). */
bool tls_peer_parse_fingerprint(struct str text, char ret[TLS_FINGERPRINT_SIZE]);

#endif
