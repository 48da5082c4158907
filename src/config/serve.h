/* The embedded default: a configuration for `latchd --serve DIR`, made without a file. */
#ifndef LATCH_CONFIG_SERVE_H
#define LATCH_CONFIG_SERVE_H

#include "config/config.h"
#include "config/findings.h"

/* https://localhost:PORT on loopback (both families where there are), a throw-away certificate in
 * memory, its CA's certificate in a file (ret->serve_ca_path) that the caller removes at exit; as
 * root, user and group are those of `dir`. */
struct config *config_serve(const char *dir, unsigned port, struct findings *f);

#endif
