/* Names to ids, by the system's user database. Refuses to guess: a user that is not there is an
 * error when started as root, never a reason to go on as root. */
#include "config/ids.h"

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RECORD_MAX = 64 * 1024 }; /* bytes of one record of the database, its strings in all */

/* 0; 1: no such user; -1: out of memory. */
static int find_user(const char *name, uid_t *ret_uid, gid_t *ret_gid)
{
	struct passwd record, *found = NULL;
	char *space = malloc(RECORD_MAX);

	if (!space)
		return -1;
	getpwnam_r(name, &record, space, RECORD_MAX, &found);
	if (found) {
		*ret_uid = found->pw_uid;
		*ret_gid = found->pw_gid;
	}
	free(space);
	return found ? 0 : 1;
}

static int find_group(const char *name, gid_t *ret_gid)
{
	struct group record, *found = NULL;
	char *space = malloc(RECORD_MAX);

	if (!space)
		return -1;
	getgrnam_r(name, &record, space, RECORD_MAX, &found);
	if (found)
		*ret_gid = found->gr_gid;
	free(space);
	return found ? 0 : 1;
}

static void warn_unused(const struct config *c, const void *target, const char *what,
	const char *name, const char *kind, unsigned id, struct findings *f)
{
	struct config_place p = config_place_of(c, target, NULL);

	if (f)
		findings_warning(f, p.file, p.line,
			"%s \"%.60s\" is not used: not started as root, the workers run as %s %u",
			what, name, kind, id);
}

/* Started without privileges we stay who we are; another name in the file is then an unkept
 * promise. */
static int stay(const struct config *c, unsigned *ret_uid, unsigned *ret_gid, struct findings *f)
{
	uid_t uid = geteuid(), named_uid;
	gid_t gid = getegid(), named_gid;

	*ret_uid = uid;
	*ret_gid = gid;
	if (c->user_is_set && c->user && c->user[0] &&
		(find_user(c->user, &named_uid, &named_gid) || named_uid != uid))
		warn_unused(c, &c->user, "user", c->user, "uid", uid, f);
	if (c->group && c->group[0] && (find_group(c->group, &named_gid) || named_gid != gid))
		warn_unused(c, &c->group, "group", c->group, "gid", gid, f);
	return 0;
}

static int report_unknown(const struct config *c, const void *target, const char *kind,
	const char *name, struct findings *f)
{
	struct config_place p = config_place_of(c, target, NULL);

	if (f)
		findings_error(f, ERR_CONFIG, p.file, p.line,
			"there is no %s \"%.60s\" on this system; create it (%s --system %.60s, "
			"or systemd-sysusers) "
			"or name another %s",
			kind, name, kind[0] == 'u' ? "useradd" : "groupadd", name, kind);
	return -1;
}

int config_ids(const struct config *c, unsigned *ret_uid, unsigned *ret_gid, struct findings *f)
{
	uid_t uid = 0;
	gid_t gid = 0;

	if (geteuid() != 0)
		return stay(c, ret_uid, ret_gid, f);
	if (!c->user || !c->user[0] || find_user(c->user, &uid, &gid))
		return report_unknown(c, &c->user, "user", c->user ? c->user : "", f);
	if (c->group && c->group[0] && find_group(c->group, &gid))
		return report_unknown(c, &c->group, "group", c->group, f);
	*ret_uid = uid;
	*ret_gid = gid;
	return 0;
}
