/* Names of credentials -> paths. Which directives may name one, directives.def says (SECRET). Reads
 * no secret, and refuses names that would lead out of the directory of credentials. */
#include "config/credential.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "config/table.h"

enum { NAME_MAX_LENGTH = 255 };

static const char prefix[] = "credential:";

bool credential_is(const char *text)
{
	return text && str_has_prefix(str_of(text), str_of(prefix));
}

/* As for systemd: a file name of printable ASCII. */
static bool is_valid(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < n; i++)
		if (name[i] <= ' ' || name[i] >= 0x7f || name[i] == '/' || name[i] == ':')
			return false;
	return n > 0 && n <= NAME_MAX_LENGTH && strcmp(name, ".") && strcmp(name, "..");
}

/* The path; NULL: an error in `f`. */
static char *resolve(const char *name, struct config_place p, struct findings *f)
{
	const char *directory = getenv("CREDENTIALS_DIRECTORY");
	char *path = NULL;

	if (!is_valid(name))
		findings_error(f, ERR_CONFIG, p.file, p.line,
			"\"credential:%.60s\" is no credential; expected a name of letters, digits "
			"and - . _ behind the colon",
			name);
	else if (!directory || directory[0] != '/')
		findings_error(f, ERR_CONFIG, p.file, p.line,
			"there are no credentials: $CREDENTIALS_DIRECTORY is not set; the service "
			"manager sets it, where the unit has LoadCredential=%.60s:/PATH",
			name);
	else if (asprintf(&path, "%s/%s", directory, name) < 0)
		findings_error(f, ERR_SYSTEM, NULL, 0, "out of memory");
	else if (access(path, F_OK) == 0)
		return path;
	else
		findings_error(f, ERR_CONFIG, p.file, p.line,
			"there is no credential \"%.60s\" in %.100s; expected "
			"LoadCredential=%.60s:/PATH in the unit, and a restart since",
			name, directory, name);
	free(path);
	return NULL;
}

char *credential_path(const char *text, struct config_place p, struct findings *f)
{
	return resolve(text + sizeof(prefix) - 1, p, f);
}

/* The directives of one struct. `otherwise`: where it stands; `moved` (or NULL): a struct of the
 * same kind in which they may be marked. */
static void resolve_in(struct config *c, enum table_owner owner, void *base, const void *moved,
	const struct config_place *otherwise, struct findings *f)
{
	for (size_t i = 0; i < table_count; i++) {
		const struct directive *d = &table_rows[i];
		char **field = (void *)((char *)base + d->offset), *path;
		struct config_place p;

		if (d->type != DIRECTIVE_SECRET || d->owner != owner || !credential_is(*field))
			continue;
		if (moved)
			p = config_place_of(c, (const char *)moved + d->offset, otherwise);
		p = config_place_of(c, field, moved ? &p : otherwise);
		path = resolve(*field + sizeof(prefix) - 1, p, f);
		if (!path)
			continue;
		free(*field);
		*field = path;
	}
}

void credential_resolve_all(struct config *c, struct findings *f)
{
	const struct config_place top = { c->path, 0 };

	resolve_in(c, OWNER_config, c, NULL, &top, f);
	for (size_t i = 0; i < c->nsites; i++) {
		struct config_site *site = &c->sites[i];

		resolve_in(c, OWNER_config_site, site, NULL, &site->place, f);
		/* `certificate` and `private_key` of a site became a pair of it. */
		for (size_t k = 0; k < site->npairs; k++)
			resolve_in(c, OWNER_config_pair, &site->pairs[k],
				site->npairs == 1 ? &site->single : NULL, &site->pairs[k].place, f);
	}
}
