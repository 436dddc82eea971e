/* Stacks of threads: which threads they were for, and whether those run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "analyse/attrib.h"
#include "analyse/thread_stack.h"

enum { EXE, LIBC, LD, MODULES };

static const struct snap_module modules[MODULES] = {
	[EXE] = { .name = "server", .main_exe = true },
	[LIBC] = { .name = "libc.so.6", .allocator = true },
	[LD] = { .name = "ld-linux-x86-64.so.2" },
};

#define FRAME(m, s, o)                                                      \
	{                                                                   \
		.module = m, .symbol = s, .offset = o, .kind = FRAME_NATIVE \
	}
#define STACK(frames)                                                    \
	{                                                                \
		frames, sizeof(frames) / sizeof(frames[0]), MT_END_start \
	}

static const struct snap_frame mapped[] = { FRAME(LIBC, "mmap", 1),
					    FRAME(LIBC, "allocate_stack", 2),
					    FRAME(LIBC, "pthread_create@GLIBC_2.34", 3),
					    FRAME(EXE, "start_worker", 4), FRAME(EXE, "main", 5) };
static const struct snap_frame cloned[] = { FRAME(LIBC, "clone3", 11),
					    FRAME(LIBC, "create_thread", 12),
					    FRAME(LIBC, "__pthread_create_2_1", 13),
					    FRAME(EXE, "start_worker", 4), FRAME(EXE, "main", 5) };
static const struct snap_frame elsewhere[] = { FRAME(LIBC, "clone3", 11),
					       FRAME(LIBC, "pthread_create", 13),
					       FRAME(EXE, "start_worker", 6),
					       FRAME(EXE, "main", 5) };
static const struct snap_frame variables[] = {
	FRAME(LIBC, "calloc", 21), FRAME(LD, "allocate_dtv", 22), FRAME(LIBC, "pthread_create", 3),
	FRAME(EXE, "start_worker", 4), FRAME(EXE, "main", 5)
};

static struct snap_site threads(const struct snap_stack stack, uint64_t started, uint64_t running)
{
	return (struct snap_site){ .kind = MT_SITE_THREAD,
				   .stack = stack,
				   .allocated_count = started,
				   .live_count = running };
}

static void threads_belong_to_the_stacks_that_the_same_call_mapped(void **state)
{
	struct snap_site sites[] = {
		{ .kind = MT_SITE_MMAP, .stack = STACK(mapped), .live_count = 30 },
		threads((struct snap_stack)STACK(cloned), 30, 2),
		threads((struct snap_stack)STACK(elsewhere), 500, 500),
	};
	const struct snapshot s = {
		.modules = modules, .module_count = MODULES, .sites = sites, .site_count = 3
	};
	struct thread_stack_use use;

	(void)state;
	assert_true(thread_stack_find_use(&s, &sites[0], &use));
	assert_int_equal(use.started, 30);
	assert_int_equal(use.running, 2);
	sites[1].stack.count--; /* cut: no longer known to be the same */
	assert_false(thread_stack_find_use(&s, &sites[0], &use));
	sites[1].stack.count++;
	sites[1].allocated_count = 0; /* none was seen */
	assert_false(thread_stack_find_use(&s, &sites[0], &use));
	sites[0].stack.count = 2;
	assert_int_equal(thread_stack_create_frame(&sites[0].stack), SIZE_MAX);
	assert_false(thread_stack_find_use(&s, &sites[0], &use));
}

static struct owner owner_of(enum mt_site_kind kind, const struct snap_frame *frames, size_t count)
{
	const struct snapshot s = { .modules = modules, .module_count = MODULES };
	const struct snap_site site = { .kind = kind, .stack = { frames, count, MT_END_start } };

	return attrib_find_owner(&s, &site);
}

static void what_a_thread_is_given_when_it_is_made_is_the_threads(void **state)
{
	static const struct snap_frame inside[] = { FRAME(LIBC, "malloc", 1), FRAME(EXE, "work", 2),
						    FRAME(EXE, "pthread_create_wrapper", 3),
						    FRAME(EXE, "main", 4) };

	(void)state;
	assert_int_equal(owner_of(MT_SITE_MMAP, mapped, 5).class, CLASS_thread_stacks);
	assert_int_equal(owner_of(MT_SITE_HEAP, variables, 5).class, CLASS_thread_stacks);
	assert_int_equal(owner_of(MT_SITE_HEAP, variables, 5).frame, 3);
	assert_int_equal(owner_of(MT_SITE_HEAP, inside, 4).class, CLASS_application);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_belong_to_the_stacks_that_the_same_call_mapped),
		cmocka_unit_test(what_a_thread_is_given_when_it_is_made_is_the_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
