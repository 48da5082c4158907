/* Pages with the kernel's own promises. It refuses to hand out memory without them. */
#include "tls/vault.h"

#include <errno.h>
#include <sys/mman.h>

#include <openssl/crypto.h>

void *vault_new(size_t n, struct err *e)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		err_errno(e, ERR_SYSTEM, errno, "memory for a secret of the master");
		return NULL;
	}
	if (madvise(p, n, MADV_WIPEONFORK) < 0 || madvise(p, n, MADV_DONTDUMP) < 0) {
		err_errno(e, ERR_SYSTEM, errno,
			"memory for a secret of the master that workers do not inherit");
		munmap(p, n);
		return NULL;
	}
	mlock(p, n);
	return p;
}

void vault_free(void *p, size_t n)
{
	if (!p)
		return;
	OPENSSL_cleanse(p, n);
	munmap(p, n);
}
