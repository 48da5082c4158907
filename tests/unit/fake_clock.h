/* Time that a test sets by hand. Takes the place of the C library's clock_gettime() in the test and
 * in liblatch.a; as long as fake_clock_us is 0 it tells the real time. Both clocks show the same.
 * Hidden, so that the test framework keeps the real one: it would wait for a time that never
 * comes. */
#ifndef LATCH_TESTS_FAKE_CLOCK_H
#define LATCH_TESTS_FAKE_CLOCK_H

#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

__attribute__((weak)) int64_t fake_clock_us;

__attribute__((weak, visibility("hidden"))) int clock_gettime(clockid_t id, struct timespec *ret)
{
	if (!fake_clock_us)
		return (int)syscall(SYS_clock_gettime, id, ret);
	ret->tv_sec = fake_clock_us / 1000000;
	ret->tv_nsec = fake_clock_us % 1000000 * 1000;
	return 0;
}

#endif
