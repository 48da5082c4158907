/* Where a Redis or Valkey store is, as its address says:
 *
 *   redis://[[USER]:PASSWORD@]HOST[:PORT][/DB]   in the clear
 *   rediss://...                                 the same in TLS
 *   unix:/PATH
 *
 * User and password are percent-coded (RFC 3986 section 2.1), HOST is a name, an IPv4 address or an
 * IPv6 address in brackets. Fixed size and no pointers: it may lie in memory of its own. */
#ifndef LATCH_NET_STORE_URL_H
#define LATCH_NET_STORE_URL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

enum { STORE_URL_PORT = 6379, STORE_URL_DB_MAX = 65535, STORE_URL_TEXT_SIZE = 300 };

enum store_url_way { STORE_URL_PLAIN, STORE_URL_TLS, STORE_URL_UNIX };

struct store_url {
	enum store_url_way way;
	unsigned port, db;
	char host[256];                /* without brackets; a path with STORE_URL_UNIX */
	char user[128], password[512]; /* "": none */
};

/* -1: `e`, a sentence that quotes nothing: a password may be anywhere in it. */
int store_url_parse(struct str text, struct store_url *ret, struct err *e);
/* Without user and password, for logs. Returns dst. */
const char *store_url_format(const struct store_url *u, char dst[STORE_URL_TEXT_SIZE]);
/* Does what is said there travel over a network in the clear? */
bool store_url_is_exposed(const struct store_url *u);

#endif
