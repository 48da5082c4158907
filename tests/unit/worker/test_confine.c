/* The last step of a worker's confinement, with a configuration of one root. */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "config/config.h"
#include "ipc/board.h"
#include "worker/confine.h"

#if defined(__SANITIZE_ADDRESS__) || defined(LATCH_UNCONFINED) || defined(LATCH_KEYLOG)
enum { CONFINED = 0 };
#else
enum { CONFINED = BOARD_CONFINED_FILES | BOARD_CONFINED_CALLS };
#endif

static struct config_route route = { .handler = CONFIG_HANDLER_FILES };
static struct config_site site = { .routes = &route, .nroutes = 1 };
static struct config config = { .sites = &site, .nsites = 1 };
static struct inherit in = { .config = &config, .board_fd = -1 };

static void setup(void)
{
	struct err e;

	in.board = board_new(&e);
	cr_assert_not_null(in.board);
	route.files.root_fd = open("/usr", O_PATH | O_DIRECTORY);
	cr_assert_geq(route.files.root_fd, 0);
}

TestSuite(confine, .init = setup);

static int open_for_reading(int at, const char *path)
{
	struct open_how how = { .flags = O_RDONLY };

	return (int)syscall(SYS_openat2, at, path, &how, sizeof(how));
}

static void seal_and_open(const void *argument)
{
	(void)argument;
	if (confine_seal(&in) != CONFINED)
		child_leave(CHILD_CANNOT);
	if (!CONFINED)
		child_leave(0);
	if (open_for_reading(route.files.root_fd, "bin") < 0)
		child_leave(1);
	if (open_for_reading(AT_FDCWD, "/etc/passwd") >= 0 || errno != EACCES)
		child_leave(2);
	child_leave(0);
}

static void seal_and_connect(const void *argument)
{
	(void)argument;
	if (confine_seal(&in) != CONFINED)
		child_leave(CHILD_CANNOT);
	socket(AF_INET, SOCK_STREAM, 0);
	child_leave(0);
}

Test(confine, a_sealed_worker_opens_what_is_beneath_its_roots_alone)
{
	int end = child_end(seal_and_open, NULL);

	if (end == CHILD_CANNOT)
		cr_skip_test("the kernel lacks Landlock or seccomp");
	cr_expect_eq(end, 0);
}

Test(confine, a_sealed_worker_that_asks_for_a_socket_is_killed)
{
	int end = child_end(seal_and_connect, NULL);

	if (end == CHILD_CANNOT)
		cr_skip_test("the kernel lacks Landlock or seccomp");
	cr_expect_eq(end, CONFINED ? 1000 + SIGSYS : 0);
}
