/* What the tests of the configuration share: a folder of their own with a certificate, loading a
 * text, and looking for a finding. */
#ifndef TEST_CONFIG_CONF_H
#define TEST_CONFIG_CONF_H

#include <stdbool.h>

#include "config/config.h"
#include "config/findings.h"

/* A folder for one test, removed again by conf_done() with what is in it. */
struct conf {
	char dir[64];
	struct findings f;
	struct config *c;
};

void conf_init(struct conf *t);
void conf_done(struct conf *t);

/* Writes dir/name. */
void conf_write(const struct conf *t, const char *name, const char *text);
/* a.pem and a.key (for localhost), and b.key, which belongs to another certificate. */
void conf_write_certificates(const struct conf *t);
/* dir/name, in one of a few static buffers. */
const char *conf_path(const struct conf *t, const char *name);

/* Reads `text` as dir/t.conf into t->c, forgetting what was there; config_check() too with `check`.
 */
void conf_load(struct conf *t, const char *text);
void conf_check(struct conf *t, const char *text);
/* load, check and open (test mode). */
void conf_open(struct conf *t, const char *text);

/* Is there an error (warning) at that line of t.conf whose text has all the words, "a|b|c"? */
bool conf_has_error(const struct conf *t, int line, const char *words);
bool conf_has_warning(const struct conf *t, int line, const char *words);
/* All findings, for the message of an assertion. */
const char *conf_findings(const struct conf *t);

/* A listener and a site that are fine, to put behind what is tested; line 1 starts before it. */
#define CONF_PLAIN                                                                                 \
	"listeners = ( { name = \"http\"; address = \"127.0.0.1:8080\"; tls = false; } );\n"       \
	"sites = ( { names = [ \"*\" ]; routes = ( { path = \"/\"; status = {}; } ); } );\n"

#endif
