/* The log files of a configuration: each path opened once, whoever names it. */
#ifndef LATCH_CONFIG_LOGS_H
#define LATCH_CONFIG_LOGS_H

#include "config/config.h"
#include "config/findings.h"

/* Makes the list of distinct paths (the error log first where that is a file), with the places
 * where they were named, and points the access logs into it; opens nothing. */
void logs_collect(struct config *c, struct findings *f);
/* Opens them for appending; what has to be made is 0640 and, made by root, belongs to the ids. */
void logs_open(struct config *c, unsigned uid, unsigned gid, struct findings *f);

#endif
