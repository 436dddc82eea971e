/* One call with its first, second, ... allocation failing, until it needs no more of them. */
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "oom.h"

#define EACH_FDS 256
#define EACH_MAX 20000

static unsigned long each_runs; /* of the program so far, for run.sh */

/* Descriptors that are open, among the low numbers. */
static inline size_t each_count_fds(void)
{
	size_t n = 0;

	for (int fd = 0; fd < EACH_FDS; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/*
 * step makes, uses and releases everything, and returns what failed first. With `on` the calls
 * behind the failing one fail too. A failure has to be told as -ENOMEM and to leave nothing.
 * Returns how many allocations failed, one after the other.
 */
static inline unsigned long each_failure(int (*step)(void *ctx), void *ctx, bool on)
{
	size_t fds = each_count_fds();
	long live = oom_live();

	for (unsigned long n = 1; n < EACH_MAX; n++) {
		int r;

		oom_arm(n, on);
		r = step(ctx);
		if (!oom_disarm()) {
			if (r < 0)
				fail_msg("without a failure: %d", r);
			return n - 1;
		}
		each_runs++;
		if (r != -ENOMEM)
			fail_msg("allocation %lu (%s): result %d", n, oom_where(), r);
		if (oom_live() != live)
			fail_msg("allocation %lu (%s): %ld blocks leak", n, oom_where(),
				 oom_live() - live);
		if (each_count_fds() != fds)
			fail_msg("allocation %lu (%s): descriptors leak", n, oom_where());
	}
	fail_msg("does not end");
	return 0;
}

/* The same twice: one failure at a time, then all from the n-th on. */
static inline void each_way(int (*step)(void *ctx), void *ctx, unsigned long at_least)
{
	unsigned long once = each_failure(step, ctx, false);

	assert_true(once >= at_least);
	each_failure(step, ctx, true);
}

/* The last line of a program: run.sh adds the runs up. Returns the result of the tests. */
static inline int each_report(int result)
{
	printf("%d failed tests, %lu runs, each with a failing allocation\n", result, each_runs);
	return result;
}
