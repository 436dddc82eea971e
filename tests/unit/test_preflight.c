/* sys/preflight: one rule per test over plain facts, and the gathering of facts. */
#include "fake_proc.h"

#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>

#include "decode/fact.h"
#include "sys/preflight.h"

/* A process that nothing speaks against. */
static struct preflight_facts good(void)
{
	return (struct preflight_facts){
		.asked = 70,
		.exists = true,
		.pid = 70,
		.start_ticks = 5,
		.own_pid = 50,
		.threads = 1,
		.own_user_ns = 4026531837,
		.own_pid_ns = 4026531836,
		.user_ns = 4026531837,
	};
}

static struct preflight judge(struct preflight_facts f)
{
	struct preflight p;

	preflight_judge(&f, &p);
	return p;
}

static void assert_refused(struct preflight_facts f, int error, const char *words)
{
	struct preflight p = judge(f);

	assert_int_equal(p.decision, PREFLIGHT_REFUSE);
	assert_int_equal(p.error, error);
	assert_false(p.return_probes);
	assert_false(p.allocator_probes);
	if (!strstr(p.text, words))
		fail_msg("'%s' does not say '%s'", p.text, words);
}

static void a_plain_process_may_be_traced_in_full(void **state)
{
	struct preflight p = judge(good());

	(void)state;
	assert_int_equal(p.decision, PREFLIGHT_OK);
	assert_int_equal(p.error, 0);
	assert_int_equal(p.pid, 70);
	assert_true(p.return_probes && p.allocator_probes);
	assert_string_equal(p.text, "");
	assert_string_equal(p.note, "");
}

static void a_process_that_does_not_exist_is_refused(void **state)
{
	struct preflight_facts f = good();

	(void)state;
	f.exists = false;
	assert_refused(f, -ESRCH, "no such process");
}

static void memtrace_does_not_trace_itself(void **state)
{
	struct preflight_facts f = good();

	(void)state;
	f.own_pid = f.pid;
	assert_refused(f, -EINVAL, "memtrace itself");
	f.asked = 71; /* a thread of it */
	assert_refused(f, -EINVAL, "memtrace itself");
}

static void a_kernel_thread_is_refused(void **state)
{
	struct preflight_facts f = good();

	(void)state;
	f.kernel_thread = true;
	assert_refused(f, -EINVAL, "kernel thread");
}

static void a_zombie_is_refused_and_told_from_a_lost_main_thread(void **state)
{
	struct preflight_facts f = good();

	(void)state;
	f.zombie = true;
	assert_refused(f, -ESRCH, "zombie");
	f.threads = 3;
	assert_refused(f, -ESRCH, "main thread");
}

static void memtrace_in_another_namespace_is_refused(void **state)
{
	struct preflight_facts f = good();

	(void)state;
	f.own_pid_ns = 4026532000;
	assert_refused(f, -EPERM, "PID namespace");
	f = good();
	f.own_user_ns = f.user_ns = 4026532000;
	assert_refused(f, -EPERM, "user namespace");
	f.force = true;
	assert_refused(f, -EPERM, "user namespace");
}

static void namespaces_that_the_kernel_does_not_show_are_no_obstacle(void **state)
{
	struct preflight_facts f = good();

	(void)state;
	f.own_pid_ns = f.own_user_ns = f.user_ns = FACT_UNKNOWN;
	assert_int_equal(judge(f).decision, PREFLIGHT_OK);
}

static void a_32_bit_process_is_refused(void **state)
{
	struct preflight_facts f = good();

	(void)state;
	f.is_32bit = true;
	assert_refused(f, -EOPNOTSUPP, "32-bit");
	f.force = true;
	assert_refused(f, -EOPNOTSUPP, "32-bit");
}

static void another_user_namespace_is_refused_unless_forced(void **state)
{
	struct preflight_facts f = good();

	(void)state;
	f.user_ns = 4026532000;
	assert_refused(f, -EPERM, "another user namespace");
	f.force = true;
	assert_int_equal(judge(f).decision, PREFLIGHT_OK);
}

static void a_debugged_process_is_refused_unless_forced(void **state)
{
	struct preflight_facts f = good();

	(void)state;
	f.tracer_pid = 99;
	assert_refused(f, -EBUSY, "process 99");
	f.force = true;
	assert_int_equal(judge(f).decision, PREFLIGHT_OK);
}

static void a_seccomp_filter_means_watch_only(void **state)
{
	struct preflight_facts f = good();
	struct preflight p;

	(void)state;
	f.seccomp_mode = 2;
	p = judge(f);
	assert_int_equal(p.decision, PREFLIGHT_LIMITED);
	assert_false(p.return_probes || p.allocator_probes);
	assert_non_null(strstr(p.text, "watch only"));
	f.return_probes_safe_under_seccomp = true;
	assert_int_equal(judge(f).decision, PREFLIGHT_OK);
}

static void a_seccomp_mode_not_known_is_taken_for_a_filter(void **state)
{
	struct preflight_facts f = good();

	(void)state;
	f.seccomp_mode = FACT_UNKNOWN;
	assert_int_equal(judge(f).decision, PREFLIGHT_LIMITED);
	assert_non_null(strstr(judge(f).text, "may be present"));
}

static void a_go_program_gets_no_return_probes(void **state)
{
	struct preflight_facts f = good();
	struct preflight p;

	(void)state;
	f.is_go = true;
	p = judge(f);
	assert_int_equal(p.decision, PREFLIGHT_LIMITED);
	assert_false(p.return_probes);
	assert_true(p.allocator_probes);
	assert_non_null(strstr(p.text, "malloc, calloc and free are seen"));
	f.is_static = true;
	p = judge(f);
	assert_false(p.return_probes || p.allocator_probes);
	assert_non_null(strstr(p.text, "without C"));
}

static void force_does_not_lift_limits(void **state)
{
	struct preflight_facts f = good();

	(void)state;
	f.force = true;
	f.seccomp_mode = 2;
	assert_int_equal(judge(f).decision, PREFLIGHT_LIMITED);
}

static void a_thread_is_resolved_and_said_so(void **state)
{
	struct preflight_facts f = good();
	struct preflight p;

	(void)state;
	f.asked = 71;
	p = judge(f);
	assert_int_equal(p.decision, PREFLIGHT_OK);
	assert_int_equal(p.pid, 70);
	assert_string_equal(p.note, "71 is a thread of process 70: tracing process 70");
}

static void put_process(const struct fake_proc *p, const char *second_thread)
{
	fake_proc_link(p, "self", "50");
	fake_proc_link(p, "50/ns/user", "user:[4026531837]");
	fake_proc_link(p, "50/ns/pid", "pid:[4026531836]");
	fake_proc_link(p, "70/ns/user", "user:[4026531837]");
	fake_proc_put(p, "70/stat", "70 (x) S 1 7 7 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 2 0 5 1 1\n");
	fake_proc_put(p, "70/status", "Tgid:\t70\n");
	fake_proc_put(p, "71/status", "Tgid:\t70\n");
	fake_proc_put(p, "70/task/70/status", "Tgid:\t70\nTracerPid:\t0\nSeccomp:\t0\n");
	fake_proc_put(p, "70/task/71/status", second_thread);
}

static void facts_are_gathered_and_the_callers_kept(void **state)
{
	struct fake_proc *p = *state;
	struct preflight_facts f = { .is_go = true, .force = true, .seccomp_mode = 2 };

	put_process(p, "Tgid:\t70\nTracerPid:\t0\nSeccomp:\t0\n");
	assert_int_equal(preflight_gather(p->root, 71, &f), 0);
	assert_true(f.exists && f.is_go && f.force);
	assert_int_equal(f.asked, 71);
	assert_int_equal(f.pid, 70);
	assert_int_equal(f.own_pid, 50);
	assert_int_equal(f.start_ticks, 5);
	assert_int_equal(f.threads, 2);
	assert_int_equal(f.seccomp_mode, 0);
	assert_int_equal(f.tracer_pid, 0);
	f.is_go = false;
	assert_int_equal(judge(f).decision, PREFLIGHT_OK);
}

static void a_filter_or_tracer_of_any_thread_counts(void **state)
{
	static const char *const plain = "Tgid:\t70\nTracerPid:\t0\nSeccomp:\t0\n";
	static const char *const bound = "Tgid:\t70\nTracerPid:\t99\nSeccomp:\t2\n";
	struct fake_proc *p = *state;

	for (int first = 0; first < 2; first++) {
		struct preflight_facts f = {};

		put_process(p, first ? plain : bound);
		fake_proc_put(p, "70/task/70/status", first ? bound : plain);
		assert_int_equal(preflight_gather(p->root, 70, &f), 0);
		assert_int_equal(f.seccomp_mode, 2);
		assert_int_equal(f.tracer_pid, 99);
	}
}

static void a_thread_that_does_not_say_leaves_it_unknown(void **state)
{
	struct fake_proc *p = *state;
	struct preflight_facts f = {};

	put_process(p, "Tgid:\t70\n");
	assert_int_equal(preflight_gather(p->root, 70, &f), 0);
	assert_true(f.seccomp_mode == FACT_UNKNOWN);
	assert_true(f.tracer_pid == FACT_UNKNOWN);
}

static void a_missing_process_is_a_fact_and_not_an_error(void **state)
{
	struct fake_proc *p = *state;
	struct preflight_facts f = { .exists = true };

	put_process(p, "");
	assert_int_equal(preflight_gather(p->root, 90, &f), 0);
	assert_false(f.exists);
	assert_refused(f, -ESRCH, "no such process: 90");
}

static void *tid_of_thread(void *arg)
{
	struct preflight_facts *f = arg;

	assert_int_equal(preflight_gather("/proc", syscall(SYS_gettid), f), 0);
	return NULL;
}

static void own_thread_is_known_as_memtrace_itself(void **state)
{
	struct preflight_facts f = {};
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, tid_of_thread, &f), 0);
	pthread_join(thread, NULL);
	assert_int_equal(f.pid, getpid());
	assert_refused(f, -EINVAL, "memtrace itself");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fake_proc_setup, fake_proc_teardown)
	const struct CMUnitTest tests[] = {
		T(a_plain_process_may_be_traced_in_full),
		T(a_process_that_does_not_exist_is_refused),
		T(memtrace_does_not_trace_itself),
		T(a_kernel_thread_is_refused),
		T(a_zombie_is_refused_and_told_from_a_lost_main_thread),
		T(memtrace_in_another_namespace_is_refused),
		T(namespaces_that_the_kernel_does_not_show_are_no_obstacle),
		T(a_32_bit_process_is_refused),
		T(another_user_namespace_is_refused_unless_forced),
		T(a_debugged_process_is_refused_unless_forced),
		T(a_seccomp_filter_means_watch_only),
		T(a_seccomp_mode_not_known_is_taken_for_a_filter),
		T(a_go_program_gets_no_return_probes),
		T(force_does_not_lift_limits),
		T(a_thread_is_resolved_and_said_so),
		T(facts_are_gathered_and_the_callers_kept),
		T(a_filter_or_tracer_of_any_thread_counts),
		T(a_thread_that_does_not_say_leaves_it_unknown),
		T(a_missing_process_is_a_fact_and_not_an_error),
		T(own_thread_is_known_as_memtrace_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
