/* libconfig tree -> struct config against directives.def. The only file that includes libconfig. */
#ifndef LATCH_CONFIG_READ_H
#define LATCH_CONFIG_READ_H

#include "config/config.h"
#include "config/findings.h"

/* NULL when there was any error; warnings may be there in both cases. */
struct config *config_read(const char *path, struct findings *f);

#endif
