/* libconfig text -> struct config against directives.def. The only file that includes libconfig.
 *
 * The name is config_load() and not config_read(), because libconfig itself exports a function of
 * that name. */
#ifndef LATCH_CONFIG_READ_H
#define LATCH_CONFIG_READ_H

#include "config/config.h"
#include "config/findings.h"
#include "config/open.h"

struct ticket_ring;

/* Reads and types the file. NULL only when nothing can be made of it (unreadable, a syntax error);
 * with other errors in `f` the configuration is there with defaults in the places at fault, so that
 * config_check() and config_open() can find more in the same run. */
struct config *config_load(const char *path, struct findings *f);

/* The same from memory, as if `path` (for messages and relative names) held it. */
struct config *config_load_text(const char *path, const char *text, size_t n, struct findings *f);

/* Load, check and open in one: what -t, a start and a reload all do. NULL when `f` has any error,
 * and then everything is closed and freed again. */
struct config *config_prepare(
	const char *path, enum config_open_mode mode, struct ticket_ring *ring, struct findings *f);
/* The same where `before` (or NULL) is in force: certificates and keys that did not change are
 * taken from it, so that the new one costs what is new in it. */
struct config *config_prepare_after(const struct config *before, const char *path,
	enum config_open_mode mode, struct ticket_ring *ring, struct findings *f);
/* The same with the text that `before` was made of, whatever its files hold by now; what the text
 * names is opened anew. `before` was made by one of these, and is not needed afterwards. */
struct config *config_prepare_again(const struct config *before, enum config_open_mode mode,
	struct ticket_ring *ring, struct findings *f);

#endif
