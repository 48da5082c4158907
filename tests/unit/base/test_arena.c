/* The bump allocator: alignment, the bound, and what a reset keeps. */
#include <criterion/criterion.h>
#include <stdalign.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"

static struct arena a;

static void setup(void)
{
	arena_init(&a, 1 << 20);
}

static void teardown(void)
{
	arena_done(&a);
}

TestSuite(arena, .init = setup, .fini = teardown);

Test(arena, done_takes_null_and_zeroed)
{
	struct arena zeroed = { 0 };

	arena_done(NULL);
	arena_done(&zeroed);
	arena_done(&zeroed);
	arena_reset(&zeroed);
	cr_expect_null(arena_alloc(&zeroed, 1));
}

Test(arena, pieces_are_aligned_and_apart)
{
	unsigned char *piece[200];

	for (size_t i = 0; i < 200; i++) {
		piece[i] = arena_alloc(&a, i + 1);
		cr_assert_not_null(piece[i]);
		cr_expect_eq((uintptr_t)piece[i] % alignof(max_align_t), 0);
		memset(piece[i], (int)i, i + 1);
		arena_strdup(&a, STR("odd")); /* throws the alignment off */
	}
	for (size_t i = 0; i < 200; i++)
		for (size_t k = 0; k <= i; k++)
			cr_assert_eq(piece[i][k], i);
}

Test(arena, the_bound_is_exact)
{
	arena_init(&a, 1000);
	cr_expect_not_null(arena_alloc(&a, 999));
	cr_expect_null(arena_alloc(&a, 2));
	cr_expect_null(arena_strdup(&a, STR("a")));
	cr_expect_not_null(arena_alloc(&a, 1));
	cr_expect_null(arena_alloc(&a, 1));
	cr_expect_eq(a.used, 1000);
	cr_expect_null(arena_alloc(&a, SIZE_MAX));
}

Test(arena, large_pieces_get_their_own_chunk)
{
	char *small = arena_alloc(&a, 10);
	char *large = arena_alloc(&a, 100000);

	cr_assert_not_null(large);
	memset(small, 's', 10);
	memset(large, 'l', 100000);
	cr_expect_eq(small[9], 's');
	cr_expect_eq(large[99999], 'l');
	cr_expect_eq(a.used, 100010);
}

Test(arena, a_reset_keeps_the_first_chunk)
{
	void *first = arena_alloc(&a, 100);

	for (int i = 0; i < 50; i++)
		cr_assert_not_null(arena_alloc(&a, 3000));
	arena_reset(&a);
	cr_expect_eq(a.used, 0);
	cr_expect_eq(arena_alloc(&a, 100), first);
}

Test(arena, a_reset_gives_the_whole_bound_back)
{
	arena_init(&a, 10000);
	for (int i = 0; i < 100; i++) {
		cr_assert_not_null(arena_alloc(&a, 9000));
		cr_assert_null(arena_alloc(&a, 9000));
		arena_reset(&a);
	}
}

Test(arena, copies_are_terminated)
{
	char source[4] = "abcd";
	char *copy = arena_strdup(&a, (struct str){ source, 4 });

	memset(source, 'x', sizeof(source));
	cr_expect_str_eq(copy, "abcd");
	cr_expect_str_eq(arena_strdup(&a, (struct str){ NULL, 0 }), "");
}

Test(arena, nothing_is_something)
{
	cr_expect_not_null(arena_alloc(&a, 0));
}

Test(arena, rewinds_to_a_mark)
{
	struct arena_mark empty, mark;
	char *kept, *after;

	empty = arena_mark(&a);
	kept = arena_strdup(&a, STR("kept"));
	mark = arena_mark(&a);
	after = arena_alloc(&a, 100);
	for (int i = 0; i < 9; i++)
		cr_assert(arena_alloc(&a, 9000));
	arena_rewind(&a, mark);
	cr_expect_eq(a.used, 5);
	cr_expect_eq(arena_alloc(&a, 100), after, "the same place again");
	cr_expect_str_eq(kept, "kept");
	arena_rewind(&a, empty);
	cr_expect_eq(a.used, 0);
	cr_expect(arena_alloc(&a, 1 << 19));
}
