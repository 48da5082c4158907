/* vault: what is in it stays with its process. */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tls/vault.h"

Test(vault, a_fork_finds_it_empty)
{
	char *p = vault_new(100, NULL);
	int status = -1;

	cr_assert_not_null(p);
	for (size_t i = 0; i < 100; i++)
		cr_assert_eq(p[i], 0);
	memcpy(p, "secret", 7);
	pid_t pid = fork();
	if (pid == 0)
		_exit(p[0] == 0 && memcmp(p, p + 50, 50) == 0 ? 0 : 1);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(status, 0);
	cr_expect_str_eq(p, "secret");
	vault_free(p, 100);
	vault_free(NULL, 100);
}
