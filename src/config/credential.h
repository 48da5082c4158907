/* Secrets that the service manager hands over (LoadCredential=, SetCredentialEncrypted=, see
 * systemd.exec(5)): "credential:NAME" instead of a path. */
#ifndef LATCH_CONFIG_CREDENTIAL_H
#define LATCH_CONFIG_CREDENTIAL_H

#include <stdbool.h>

#include "config/config.h"
#include "config/findings.h"

/* Is that not a path, but the name of a credential? */
bool credential_is(const char *text);
/* Where the credential that `text` names is, on the heap. NULL: an error in `f` at `p`. */
char *credential_path(const char *text, struct config_place p, struct findings *f);
/* The path of each credential that `c` names instead of its name. One that is not there is an error
 * in `f`, and keeps its name. */
void credential_resolve_all(struct config *c, struct findings *f);

#endif
