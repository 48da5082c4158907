/* Counts of connections by address. It knows nothing of limits: who may connect is the business of
 * protocol/admit. A hostile worker can write nonsense into any row, which costs or gives clients
 * connections, and nothing else. */
#include "ipc/tally.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "ipc/board.h"

enum { HASHES = 2, WIDTH = 1 << 15 };

struct tally {
	uint64_t key[2];
	uint16_t cell[BOARD_SLOTS][HASHES][WIDTH];
};

struct tally *tally_new(struct err *e)
{
	struct tally *t = mmap(NULL, sizeof *t, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (t == MAP_FAILED) {
		err_errno(e, ERR_SYSTEM, errno, "cannot map the counts by address");
		return NULL;
	}
	if (getrandom(t->key, sizeof t->key, 0) == (ssize_t)sizeof t->key)
		return t;
	err_errno(e, ERR_SYSTEM, errno, "cannot get random bytes");
	tally_free(t);
	return NULL;
}

void tally_free(struct tally *t)
{
	if (t)
		munmap(t, sizeof *t);
}

void tally_clear(struct tally *t, unsigned row)
{
	assert(row < BOARD_SLOTS);
	memset(t->cell[row], 0, sizeof t->cell[row]);
}

/* The two halves of what counts of an address; IPv4 as mapped. */
static bool address_key(const struct sockaddr_storage *a, uint64_t ret[2])
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	const void *p = a;
	unsigned char bytes[16] = { 0 };

	if (a->ss_family == AF_INET) {
		memcpy(bytes, mapped, 12);
		memcpy(bytes + 12, &((const struct sockaddr_in *)p)->sin_addr, 4);
	} else if (a->ss_family == AF_INET6) {
		const struct in6_addr *in6 = &((const struct sockaddr_in6 *)p)->sin6_addr;

		memcpy(bytes, in6, IN6_IS_ADDR_V4MAPPED(in6) ? 16 : 8);
	} else {
		return false;
	}
	memcpy(ret, bytes, sizeof bytes);
	return true;
}

static uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The cells of an address in every row. */
static bool cells_of(const struct tally *t, const struct sockaddr_storage *a, unsigned ret[HASHES])
{
	uint64_t half[2], h;

	if (!address_key(a, half))
		return false;
	h = fold(half[0] ^ t->key[0], half[1] ^ t->key[1]);
	h = fold(h ^ t->key[1], t->key[0] | 1);
	ret[0] = (unsigned)(h % WIDTH);
	ret[1] = (unsigned)((h >> 32) % WIDTH);
	return true;
}

void tally_add(struct tally *t, unsigned row, const struct sockaddr_storage *a)
{
	unsigned at[HASHES];

	assert(row < BOARD_SLOTS);
	if (!cells_of(t, a, at))
		return;
	for (unsigned i = 0; i < HASHES; i++)
		if (board_get(t->cell[row][i][at[i]]) < UINT16_MAX)
			board_add(t->cell[row][i][at[i]], 1);
}

void tally_remove(struct tally *t, unsigned row, const struct sockaddr_storage *a)
{
	unsigned at[HASHES];

	assert(row < BOARD_SLOTS);
	if (!cells_of(t, a, at))
		return;
	for (unsigned i = 0; i < HASHES; i++)
		if (board_get(t->cell[row][i][at[i]]) > 0)
			board_add(t->cell[row][i][at[i]], -1);
}

unsigned tally_count(const struct tally *t, unsigned nrows, const struct sockaddr_storage *a)
{
	unsigned at[HASHES], least = UINT32_MAX;

	if (!cells_of(t, a, at))
		return 0;
	for (unsigned i = 0; i < HASHES; i++) {
		unsigned sum = 0;

		for (unsigned row = 0; row < nrows && row < BOARD_SLOTS; row++)
			sum += board_get(t->cell[row][i][at[i]]);
		if (sum < least)
			least = sum;
	}
	return least;
}
