/* Forks a child, lets it do something that may kill it, and says how it ended. */
#ifndef LATCH_TESTS_CHILD_H
#define LATCH_TESTS_CHILD_H

#include <criterion/criterion.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILD_CANNOT = 99 }; /* the kernel lacks what is tested */

/* _exit() without what a sanitizer does first, for which the filter has no call. */
static inline void child_leave(int status)
{
	syscall(SYS_exit_group, status);
}

/* The exit status, or 1000 + the signal. */
static inline int child_end(void (*fn)(const void *), const void *argument)
{
	pid_t pid = fork();
	int status;

	cr_assert_geq(pid, 0);
	if (pid == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0))
			child_leave(98);
		fn(argument);
		child_leave(97); /* it should have said how it went */
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

#endif
