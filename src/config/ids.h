/* Who the workers are. */
#ifndef LATCH_CONFIG_IDS_H
#define LATCH_CONFIG_IDS_H

#include "config/config.h"
#include "config/findings.h"

/* The ids that `user` and `group` mean; not started as root: our own, with a warning if another
 * name was given. -1: there is no such user or group (an error in `f`). `f` NULL: nothing is
 * reported. */
int config_ids(const struct config *c, unsigned *ret_uid, unsigned *ret_gid, struct findings *f);

#endif
