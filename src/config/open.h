/* Opens what workers need before privileges go: document roots, logs, certificates and keys into
 * contexts, site tables. `latchd -t` runs it too: it binds nothing and creates nothing. */
#ifndef LATCH_CONFIG_OPEN_H
#define LATCH_CONFIG_OPEN_H

#include "config/config.h"
#include "config/findings.h"
#include "config/ids.h"

struct ticket_ring;

enum config_open_mode {
	CONFIG_OPEN_SERVE, /* logs are created and opened for appending */
	CONFIG_OPEN_TEST, /* nothing is created; as root, files are judged with the ids of `user` */
};

/* Every problem is a finding. With errors, config_free() gives back what was opened. `ring` NULL:
 * no tickets. Where `f` has errors already, nothing is created either: what can be judged is. */
void config_open(
	struct config *c, enum config_open_mode mode, struct ticket_ring *ring, struct findings *f);

/* Opens the log files anew (SIGUSR1): a descriptor each in ret_fds[c->nlog_files], -1 where it
 * failed (reported in f as a warning; the old one stays). */
void config_reopen_logs(const struct config *c, int *ret_fds, struct findings *f);

#endif
