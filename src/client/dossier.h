/* A check as JSON, for programs. */
#ifndef LATCH_CLIENT_DOSSIER_H
#define LATCH_CLIENT_DOSSIER_H

#include "base/buf.h"
#include "client/judge.h"

/* One object on a line. False: out of memory. */
bool dossier_write(
	const struct probe *p, const struct findings *f, const char *url, struct buf *out);

#endif
