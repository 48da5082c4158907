/* What is different between two configurations, as an operator would say it. */
#ifndef LATCH_CONFIG_CHANGES_H
#define LATCH_CONFIG_CHANGES_H

#include "base/buf.h"
#include "config/config.h"

/* A line a directive, "sites[example.org].routes[/].files.root: "/a" -> "/b"", sorted;
 * listeners and sites are known again by name, routes by path. Then a line a site whose
 * certificate ends at another time. How many lines. Stops silently where `out` is full. */
size_t config_changes(const struct config *before, const struct config *after, struct buf *out);

#endif
