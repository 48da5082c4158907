/* Tells the kernel which files this process may open from now on. All rights that the running
 * kernel knows are taken away, whatever the headers of the build knew, and reading is given back
 * beneath the roots. Neighbours: handler/lookup keeps a path beneath its root; this is for the day
 * on which the one who asks is not handler/lookup any more. */
#include "worker/landlock.h"

#include <errno.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What each version of the interface can take away; linux/landlock.h of the build may be older. */
static const struct {
	int version;
	uint64_t files, net, scopes;
} rights[] = {
	{ 1, (1u << 13) - 1, 0, 0 }, /* to execute, write, read, list, remove and make */
	{ 2, 1u << 13, 0, 0 },       /* to link or rename elsewhere */
	{ 3, 1u << 14, 0, 0 },       /* to truncate */
	{ 4, 0, 3, 0 },              /* to bind and connect TCP */
	{ 5, 1u << 15, 0, 0 },       /* ioctl of devices */
	{ 6, 0, 0, 3 },              /* abstract UNIX sockets and signals of others */
};

enum { READ_BENEATH = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR };

/* struct landlock_ruleset_attr of version 6. An older kernel wants it shorter, or the rest zero. */
struct attributes {
	uint64_t files, net, scopes;
};

static struct attributes attributes_of(int version)
{
	struct attributes a = { 0 };

	for (size_t i = 0; i < sizeof(rights) / sizeof(rights[0]); i++) {
		if (rights[i].version > version)
			break;
		a.files |= rights[i].files;
		a.net |= rights[i].net;
		a.scopes |= rights[i].scopes;
	}
	return a;
}

static int allow_reading(int ruleset, int root)
{
	const struct landlock_path_beneath_attr rule = {
		.allowed_access = READ_BENEATH,
		.parent_fd = root,
	};

	return (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

int landlock_restrict(const int *roots, size_t n, struct err *e)
{
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct attributes a;
	int ruleset, result = -1;

	if (version < 1)
		return err_errno(e, ERR_SYSTEM, errno, "no Landlock");
	a = attributes_of((int)version);
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &a, sizeof(a), 0);
	if (ruleset < 0)
		return err_errno(e, ERR_SYSTEM, errno, "no Landlock");
	for (size_t i = 0; i < n; i++) {
		if (allow_reading(ruleset, roots[i])) {
			err_errno(e, ERR_SYSTEM, errno, "no Landlock: a root cannot be named");
			goto out;
		}
	}
	if (syscall(SYS_landlock_restrict_self, ruleset, 0))
		err_errno(e, ERR_SYSTEM, errno, "no Landlock");
	else
		result = 0;
out:
	close(ruleset);
	return result;
}
