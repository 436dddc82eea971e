/* sys/threads: the list of threads and where their stacks are. */
#include "fake_proc.h"

#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>

#include "decode/fact.h"
#include "sys/threads.h"

static uint64_t sp_of(const struct thread_list *list, uint32_t tid)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list->thread[i].tid == tid)
			return list->thread[i].sp;
	}
	fail_msg("thread %u is not listed", tid);
	return 0;
}

static void stack_pointers_are_known_of_sleeping_threads_only(void **state)
{
	struct fake_proc *p = *state;
	struct thread_list list;

	fake_proc_put(p, "7/task/7/syscall", "running\n");
	fake_proc_put(p, "7/task/8/syscall", "0 0x1 0x2 0x3 0x4 0x5 0x6 0x7ffd10 0x4010\n");
	fake_proc_put(p, "7/task/9/syscall", "-1 0x7ffd20 0x4010\n");
	assert_int_equal(threads_list(p->root, 7, THREADS_MAX, &list), 0);
	assert_int_equal(list.count, 3);
	assert_int_equal(threads_fill_stack_pointers(p->root, 7, &list), 2);
	assert_true(sp_of(&list, 7) == FACT_UNKNOWN);
	assert_int_equal(sp_of(&list, 8), 0x7ffd10);
	assert_int_equal(sp_of(&list, 9), 0x7ffd20);
	threads_done(&list);
}

static void a_malformed_line_gives_no_stack_pointer(void **state)
{
	static const char *const bad[] = { "",	   "\n",	  "0x1",	  "-1 x 0x1\n",
					   "    ", "0 0x0 0x0\n", "1 0xzz 0x1\n", "1 12 0x1\n" };
	struct fake_proc *p = *state;
	struct thread_list list;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		fake_proc_put(p, "7/task/7/syscall", bad[i]);
		assert_int_equal(threads_list(p->root, 7, THREADS_MAX, &list), 0);
		assert_int_equal(threads_fill_stack_pointers(p->root, 7, &list), 0);
		assert_true(list.thread[0].sp == FACT_UNKNOWN);
		threads_done(&list);
	}
}

static void threads_beyond_the_limit_are_counted(void **state)
{
	struct fake_proc *p = *state;
	struct thread_list list;
	char name[64];

	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "7/task/%d/syscall", 100 + i);
		fake_proc_put(p, name, "running\n");
	}
	fake_proc_put(p, "7/task/junk/syscall", "running\n");
	assert_int_equal(threads_list(p->root, 7, 70, &list), 0);
	assert_int_equal(list.count, 70);
	assert_int_equal(list.refused, 30);
	threads_done(&list);
}

static void a_process_that_has_gone_is_esrch(void **state)
{
	struct fake_proc *p = *state;
	struct thread_list list = {};

	assert_int_equal(threads_list(p->root, 9, THREADS_MAX, &list), -ESRCH);
	assert_null(list.thread);
}

struct sleeper {
	int in[2], out[2];
	uint32_t tid;
	uintptr_t near;
};

static void *sleep_in_read(void *arg)
{
	struct sleeper *s = arg;
	char c;

	s->tid = syscall(SYS_gettid);
	s->near = (uintptr_t)__builtin_frame_address(0);
	assert_int_equal(write(s->out[1], "x", 1), 1);
	assert_int_equal(read(s->in[0], &c, 1), 1);
	return NULL;
}

/* The thread may not have reached its read() yet; once it has, its stack is known. */
static void a_thread_asleep_shows_its_own_stack(void **state)
{
	uint64_t sp = FACT_UNKNOWN;
	struct sleeper s;
	pthread_t thread;
	char c;

	(void)state;
	assert_int_equal(pipe(s.in), 0);
	assert_int_equal(pipe(s.out), 0);
	assert_int_equal(pthread_create(&thread, NULL, sleep_in_read, &s), 0);
	assert_int_equal(read(s.out[0], &c, 1), 1);
	for (int i = 0; i < 100000 && sp == FACT_UNKNOWN; i++) {
		struct thread_list list;

		assert_int_equal(threads_list("/proc", getpid(), THREADS_MAX, &list), 0);
		assert_true(threads_fill_stack_pointers("/proc", getpid(), &list) >= 0);
		sp = sp_of(&list, s.tid);
		threads_done(&list);
	}
	assert_int_equal(write(s.in[1], "x", 1), 1);
	pthread_join(thread, NULL);
	assert_true(sp > s.near - (1 << 20) && sp < s.near + (1 << 20));
	for (int i = 0; i < 2; i++) {
		close(s.in[i]);
		close(s.out[i]);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fake_proc_setup, fake_proc_teardown)
	const struct CMUnitTest tests[] = {
		T(stack_pointers_are_known_of_sleeping_threads_only),
		T(a_malformed_line_gives_no_stack_pointer),
		T(threads_beyond_the_limit_are_counted),
		T(a_process_that_has_gone_is_esrch),
		T(a_thread_asleep_shows_its_own_stack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
