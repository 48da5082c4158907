/* The filter of system calls: what a worker needs goes on, what it must not do kills it, the rest
 * fails. */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "worker/seccomp.h"

enum { KILLED = 1000 + SIGSYS };

/* A call with what it is given; the numbers are those of the kernel, so that no wrapper of the C
 * library stands between. */
struct call {
	const char *name;
	long number, a, b, c;
};

static void *page; /* one of memory, made before the filter */
static int pair[2], inotify, epoll, file;

static void setup(void)
{
	struct epoll_event nothing = { 0 };

	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	inotify = inotify_init1(IN_CLOEXEC);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	file = memfd_create("file", MFD_CLOEXEC);
	cr_assert(page != MAP_FAILED && inotify >= 0 && epoll >= 0 && file >= 0);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	cr_assert_eq(write(pair[0], page, 64), 64);
	cr_assert_eq(epoll_ctl(epoll, EPOLL_CTL_ADD, pair[0], &nothing), 0);
}

TestSuite(seccomp, .init = setup);

static void restrict_or_leave(void)
{
	if (seccomp_restrict(NULL))
		child_leave(CHILD_CANNOT);
}

/* 0: it was done; else errno. */
static void do_call(const void *argument)
{
	const struct call *c = argument;

	restrict_or_leave();
	child_leave(syscall(c->number, c->a, c->b, c->c, 0, 0, 0) < 0 ? errno : 0);
}

static void expect_all(const struct call *calls, size_t n, int end)
{
	for (size_t i = 0; i < n; i++) {
		int got = child_end(do_call, &calls[i]);

		if (got == CHILD_CANNOT)
			cr_skip_test("no seccomp here");
		cr_expect_eq(got, end, "%s: %d", calls[i].name, got);
	}
}

#define EXPECT_ALL(calls, end) expect_all(calls, sizeof(calls) / sizeof((calls)[0]), end)
#define CALL(name, ...)                                                                            \
	{                                                                                          \
#name, SYS_##name, __VA_ARGS__                                                     \
	}

Test(seccomp, what_only_an_intruder_does_kills)
{
	static char *const argv[] = { NULL };
	const struct call calls[] = {
		CALL(socket, AF_INET, SOCK_STREAM, 0),
		CALL(socket, AF_UNIX, SOCK_DGRAM, 0),
		CALL(socketpair, AF_UNIX, SOCK_STREAM, 0),
		CALL(connect, pair[0], (long)page, sizeof(struct sockaddr_in)),
		CALL(bind, pair[0], (long)page, sizeof(struct sockaddr_in)),
		CALL(listen, pair[0], 1, 0),
		CALL(execve, (long)"/bin/true", (long)argv, (long)argv),
		CALL(execveat, AT_FDCWD, (long)"/bin/true", (long)argv),
		CALL(clone, SIGCHLD, 0, 0),
		CALL(clone3, 0, 0, 0),
		CALL(kill, getpid(), 0, 0), /* the child's parent */
		CALL(kill, -1, 0, 0),
		CALL(kill, 0, 0, 0),
		CALL(tkill, getpid(), 0, 0),
		CALL(tgkill, getpid(), getpid(), 0),
		CALL(pidfd_open, getpid(), 0, 0),
		CALL(ptrace, PTRACE_TRACEME, 0, 0),
		CALL(process_vm_readv, getpid(), 0, 0),
		CALL(io_uring_setup, 1, (long)page, 0),
		CALL(bpf, 0, 0, 0),
		CALL(unshare, CLONE_NEWUSER, 0, 0),
		CALL(mprotect, (long)page, 4096, PROT_READ | PROT_EXEC),
		CALL(mmap, 0, 4096, PROT_READ | PROT_EXEC),
		CALL(pkey_mprotect, (long)page, 4096, PROT_READ),
		CALL(open_by_handle_at, AT_FDCWD, (long)page, 0),
		CALL(keyctl, 0, 0, 0),
	};

	EXPECT_ALL(calls, KILLED);
}

Test(seccomp, what_is_not_listed_fails)
{
	const struct call calls[] = {
		CALL(openat, AT_FDCWD, (long)"/etc/passwd", O_RDONLY),
		CALL(openat, AT_FDCWD, (long)"/tmp/made-by-a-worker", O_WRONLY | O_CREAT),
		CALL(openat, pair[0], (long)"made-by-a-worker", O_RDONLY | O_CREAT),
		CALL(openat, pair[0], (long)"made-by-a-worker", O_WRONLY),
		CALL(unlinkat, AT_FDCWD, (long)"/tmp/made-by-a-worker", 0),
		CALL(mkdirat, AT_FDCWD, (long)"/tmp/made-by-a-worker", 0700),
		CALL(renameat2, AT_FDCWD, (long)"/tmp/a", AT_FDCWD),
		CALL(getcwd, (long)page, 4096, 0),
		CALL(epoll_create1, 0, 0, 0),
		CALL(eventfd2, 0, 0, 0),
		CALL(prlimit64, 0, RLIMIT_CORE, 0),
		CALL(prctl, PR_SET_DUMPABLE, 1, 0),
		CALL(prctl, PR_SET_NAME, (long)"innocent", 0),
		CALL(fcntl, pair[0], F_SETOWN, getpid()),
		CALL(fcntl, pair[0], F_SETSIG, SIGKILL),
		CALL(fcntl, pair[0], F_SETFL, 0),
		CALL(ioctl, pair[0], 0x8901 /* FIOSETOWN */, (long)page),
		CALL(seccomp, 0, 0, 0),
		CALL(setpriority, PRIO_PROCESS, 0, 0),
		CALL(sched_setaffinity, 0, 4096, (long)page),
		{ "a number beyond all", 0x3ffffff0, 0, 0, 0 },
	};

	EXPECT_ALL(calls, EPERM);
}

Test(seccomp, what_a_worker_needs_is_done)
{
	const struct call calls[] = {
		CALL(write, pair[0], (long)page, 16),
		CALL(writev, pair[0], (long)page, 0),
		CALL(sendto, pair[0], (long)page, 16),
		CALL(read, pair[1], (long)page, 16),
		CALL(recvfrom, pair[1], (long)page, 16),
		CALL(sendfile, pair[0], file, 0),
		CALL(shutdown, pair[0], SHUT_WR, 0),
		CALL(fcntl, pair[0], F_GETFL, 0),
		CALL(epoll_ctl, epoll, EPOLL_CTL_DEL, pair[0]),
		CALL(inotify_add_watch, inotify, (long)"/", IN_DELETE_SELF),
		CALL(dup3, pair[0], pair[1], O_CLOEXEC),
		CALL(mprotect, (long)page, 4096, PROT_READ),
		CALL(munmap, (long)page, 4096, 0),
		CALL(memfd_create, (long)"", MFD_ALLOW_SEALING, 0),
		CALL(prctl, PR_GET_NAME, (long)page, 0),
		CALL(getrandom, (long)page, 16, 0),
		CALL(clock_gettime, CLOCK_MONOTONIC, (long)page, 0),
		CALL(getpid, 0, 0, 0),
		CALL(gettid, 0, 0, 0),
		CALL(close, pair[0], 0, 0),
	};

	EXPECT_ALL(calls, 0);
}

/* The kernel's own word, not the filter's. */
Test(seccomp, a_worker_may_ask_the_kernel_for_tls)
{
	const struct call calls[] = { CALL(setsockopt, pair[0], SOL_TCP, TCP_ULP) };

	EXPECT_ALL(calls, EOPNOTSUPP);
}

#ifndef __SANITIZE_ADDRESS__ /* which has much to say before the end */
static void abort_now(const void *argument)
{
	(void)argument;
	restrict_or_leave();
	abort();
}

Test(seccomp, an_assertion_still_says_so)
{
	int end = child_end(abort_now, NULL);

	if (end == CHILD_CANNOT)
		cr_skip_test("no seccomp here");
	cr_expect_eq(end, 1000 + SIGABRT);
}
#endif

static void open_beneath(const void *argument)
{
	struct open_how how = { .flags = O_RDONLY, .resolve = RESOLVE_BENEATH };
	int root = *(const int *)argument;
	struct stat st;
	long fd;
	char *p;

	restrict_or_leave();
	fd = syscall(SYS_openat2, root, ".", &how, sizeof(how));
	if (syscall(SYS_openat, root, ".", O_RDONLY | O_CLOEXEC) < 0)
		child_leave(2);
	/* Memory small and large, and what the C library makes of fstat(). */
	p = malloc(10);
	free(p);
	p = malloc(8 << 20);
	p = p ? realloc(p, 64 << 20) : NULL;
	child_leave(fd >= 0 && fstat((int)fd, &st) == 0 && S_ISDIR(st.st_mode) && p ? 0 : 1);
}

Test(seccomp, files_and_memory)
{
	int root = open("/", O_PATH | O_DIRECTORY), end = child_end(open_beneath, &root);

	if (end == CHILD_CANNOT)
		cr_skip_test("no seccomp here");
	cr_expect_eq(end, 0);
}

#ifdef __x86_64__
/* Other numbers for the same calls are no way around. */
static void call_as_x32(const void *argument)
{
	(void)argument;
	restrict_or_leave();
	child_leave(syscall(0x40000000 | SYS_getpid) > 0 ? 0 : 1);
}

static void call_as_i386(const void *argument)
{
	long result = 20; /* getpid */

	(void)argument;
	restrict_or_leave();
	__asm__ volatile("int $0x80" : "+a"(result) : : "memory");
	child_leave(0);
}

Test(seccomp, the_other_numbers_of_the_processor_kill)
{
	int end = child_end(call_as_x32, NULL);

	if (end == CHILD_CANNOT)
		cr_skip_test("no seccomp here");
	cr_expect_eq(end, KILLED);
	end = child_end(call_as_i386, NULL);
	cr_expect(end == KILLED || end == 1000 + SIGSEGV, "%d", end); /* a kernel without i386 */
}
#endif
