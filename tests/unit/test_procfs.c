/* sys/procfs: stat, status, identity, command line and namespaces, from fake and real folders. */
#include "fake_proc.h"

#include <errno.h>
#include <sys/wait.h>

#include "sys/procfs.h"

#define STAT_TAIL                                                                 \
	" S 1 7 7 0 -1 4194304 102 0 0 0 250 50 0 0 20 0 3 0 148596 3133440 388 " \
	"18446744073709551615 1 2 3 0 0\n"
#define STATUS                                                                                    \
	"Name:\tx\nTgid:\t7\nPid:\t7\nTracerPid:\t9\nUid:\t1000\t0\t0\t0\nNSpid:\t7\t3\t1\n"      \
	"VmRSS:\t    1676 kB\nRssAnon:\t     116 kB\nRssFile:\t    1560 kB\nRssShmem:\t       0 " \
	"kB\nVmSwap:\t      12 kB\nSeccomp:\t2\n"

static void a_fact_holds_what_stat_and_status_say(void **state)
{
	struct fake_proc *p = *state;
	struct proc_fact f;

	fake_proc_put(p, "7/stat", "7 (x)" STAT_TAIL);
	fake_proc_put(p, "7/status", STATUS);
	assert_int_equal(procfs_read_fact(p->root, 7, &f), 0);
	assert_int_equal(f.pid, 7);
	assert_int_equal(f.start_ticks, 148596);
	assert_int_equal(f.threads, 3);
	assert_int_equal(f.cpu_ns, 300 * (UINT64_C(1000000000) / sysconf(_SC_CLK_TCK)));
	assert_int_equal(f.rss_bytes, 1676 * 1024);
	assert_int_equal(f.rss_anon_bytes, 116 * 1024);
	assert_int_equal(f.rss_file_bytes, 1560 * 1024);
	assert_int_equal(f.rss_shmem_bytes, 0);
	assert_int_equal(f.swap_bytes, 12 * 1024);
	assert_string_equal(f.comm, "x");
}

static void a_missing_line_is_unknown_and_not_zero(void **state)
{
	struct fake_proc *p = *state;
	struct procfs_status s;

	fake_proc_put(p, "7/status", "Name:\tx\nTgid:\t7\nRssAnon:\t\nRssFile:\tmany kB\n");
	assert_int_equal(procfs_read_status(p->root, 7, &s), 0);
	assert_int_equal(s.tgid, 7);
	assert_true(s.rss_bytes == FACT_UNKNOWN && s.rss_anon_bytes == FACT_UNKNOWN);
	assert_true(s.rss_file_bytes == FACT_UNKNOWN && s.rss_shmem_bytes == FACT_UNKNOWN);
	assert_true(s.swap_bytes == FACT_UNKNOWN && s.seccomp_mode == FACT_UNKNOWN);
	assert_true(s.tracer_pid == FACT_UNKNOWN && s.uid == FACT_UNKNOWN);
	assert_int_equal(s.ns_pid_count, 0);
}

static void a_missing_status_leaves_the_memory_unknown(void **state)
{
	struct fake_proc *p = *state;
	struct proc_fact f;

	fake_proc_put(p, "7/stat", "7 (x)" STAT_TAIL);
	assert_int_equal(procfs_read_fact(p->root, 7, &f), 0);
	assert_true(f.rss_bytes == FACT_UNKNOWN && f.swap_bytes == FACT_UNKNOWN);
	assert_int_equal(f.threads, 3);
}

static void a_number_that_overflows_is_unknown(void **state)
{
	struct fake_proc *p = *state;
	struct procfs_status s;

	fake_proc_put(p, "7/status",
		      "VmRSS:\t18446744073709551615 kB\nVmSwap:\t99999999999999999999 kB\n");
	assert_int_equal(procfs_read_status(p->root, 7, &s), 0);
	assert_true(s.rss_bytes == FACT_UNKNOWN);
	assert_true(s.swap_bytes == FACT_UNKNOWN);
}

static void a_line_cut_in_the_middle_is_unknown(void **state)
{
	struct fake_proc *p = *state;
	struct procfs_status s;

	fake_proc_put(p, "7/status", "Tgid:\t7\nVmRSS:\t167");
	assert_int_equal(procfs_read_status(p->root, 7, &s), 0);
	assert_true(s.rss_bytes == FACT_UNKNOWN);
}

static void status_is_read_past_a_groups_line_of_any_length(void **state)
{
	struct fake_proc *p = *state;
	size_t len = 700000;
	char *text = malloc(len + 64);
	struct procfs_status s;

	assert_non_null(text);
	memset(text, '7', len);
	memcpy(text, "Groups:\t", 8);
	strcpy(text + len, "\nVmRSS:\t4 kB\nSeccomp:\t2\n");
	fake_proc_put(p, "7/status", text);
	free(text);
	assert_int_equal(procfs_read_status(p->root, 7, &s), 0);
	assert_int_equal(s.rss_bytes, 4096);
	assert_int_equal(s.seccomp_mode, 2);
}

static void seccomp_tracer_uid_and_namespace_pids_are_read(void **state)
{
	struct fake_proc *p = *state;
	struct procfs_status s;

	fake_proc_put(p, "7/status", STATUS);
	assert_int_equal(procfs_read_status(p->root, 7, &s), 0);
	assert_int_equal(s.seccomp_mode, 2);
	assert_int_equal(s.tracer_pid, 9);
	assert_int_equal(s.uid, 1000);
	assert_int_equal(s.ns_pid_count, 3);
	assert_int_equal(s.ns_pid[2], 1);
}

static void more_namespace_levels_than_there_are_do_not_overflow(void **state)
{
	struct fake_proc *p = *state;
	struct procfs_status s;
	char text[512] = "NSpid:";

	for (int i = 0; i < 100; i++)
		strcat(text, "\t7");
	strcat(text, "\nTgid:\t7\n");
	fake_proc_put(p, "7/status", text);
	assert_int_equal(procfs_read_status(p->root, 7, &s), 0);
	assert_int_equal(s.ns_pid_count, PROCFS_NS_LEVELS);
	assert_int_equal(s.tgid, 7);
}

static void a_name_with_brackets_and_numbers_forges_no_field(void **state)
{
	struct fake_proc *p = *state;
	struct procfs_stat s;

	fake_proc_put(p, "7/stat", "7 (a) R 1 1 (\n\xff b)" STAT_TAIL);
	assert_int_equal(procfs_read_stat(p->root, 7, &s), 0);
	assert_string_equal(s.comm, "a) R 1 1 (\n\xff b");
	assert_int_equal(s.state, 'S');
	assert_int_equal(s.start_ticks, 148596);
}

static void a_name_longer_than_its_field_is_cut(void **state)
{
	struct fake_proc *p = *state;
	struct procfs_stat s;
	char text[512];

	snprintf(text, sizeof(text), "7 (%0200d)" STAT_TAIL, 1);
	fake_proc_put(p, "7/stat", text);
	assert_int_equal(procfs_read_stat(p->root, 7, &s), 0);
	assert_int_equal(strlen(s.comm), sizeof(s.comm) - 1);
}

static void a_malformed_stat_is_refused_and_the_result_untouched(void **state)
{
	static const char *const bad[] = {
		"",
		"7",
		"7 (x",
		"7 x)",
		"7 )x(" STAT_TAIL,
		"7 (x)",
		"7 (x) S",
		"7 (x) S 1",
		"(x)" STAT_TAIL,
		"7 (x) S 1 7 7 0 -1 a b c d e f g h i j k l",
		"7 (x) S 1 7 7 0 -1 4194304 102 0 0 0 18446744073709551615 50 0 0 20 0 3 0 1 1 1\n",
	};
	struct fake_proc *p = *state;
	struct procfs_stat s;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memset(&s, 0x5a, sizeof(s));
		fake_proc_put(p, "7/stat", bad[i]);
		assert_int_equal(procfs_read_stat(p->root, 7, &s), -EBADMSG);
		assert_int_equal(s.pid, 0x5a5a5a5a);
	}
}

static void a_kernel_thread_is_told_by_its_flag(void **state)
{
	struct fake_proc *p = *state;
	struct procfs_stat s;

	fake_proc_put(p, "2/stat",
		      "2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 1 0 0 1\n");
	assert_int_equal(procfs_read_stat(p->root, 2, &s), 0);
	assert_true(s.kernel_thread);
	fake_proc_put(p, "7/stat", "7 (x)" STAT_TAIL);
	assert_int_equal(procfs_read_stat(p->root, 7, &s), 0);
	assert_false(s.kernel_thread);
}

static void a_child_not_waited_for_is_a_zombie(void **state)
{
	struct procfs_stat s;
	siginfo_t info;
	pid_t child = fork();

	(void)state;
	if (child == 0)
		_exit(0);
	assert_int_equal(waitid(P_PID, child, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(procfs_read_stat("/proc", child, &s), 0);
	waitpid(child, NULL, 0);
	assert_true(s.zombie);
	assert_int_equal(procfs_read_stat("/proc", child, &s), -ESRCH);
}

static void a_process_that_is_not_there_is_esrch_everywhere(void **state)
{
	struct fake_proc *p = *state;
	struct procfs_cmdline cmdline;
	struct procfs_status status;
	struct procfs_ns ns;
	struct proc_fact fact;
	struct proc_id id;
	char path[64];
	bool deleted;
	uint32_t tgid;

	assert_int_equal(procfs_read_fact(p->root, 9, &fact), -ESRCH);
	assert_int_equal(procfs_read_status(p->root, 9, &status), -ESRCH);
	assert_int_equal(procfs_identify(p->root, 9, &id), -ESRCH);
	assert_int_equal(procfs_tgid_of(p->root, 9, &tgid), -ESRCH);
	assert_int_equal(procfs_read_cmdline(p->root, 9, &cmdline), -ESRCH);
	assert_int_equal(procfs_read_exe(p->root, 9, path, sizeof(path), &deleted), -ESRCH);
	assert_int_equal(procfs_read_ns(p->root, 9, &ns), -ESRCH);
}

static void a_file_missing_of_a_living_process_is_enoent(void **state)
{
	struct fake_proc *p = *state;
	struct procfs_cmdline cmdline;

	fake_proc_put(p, "7/stat", "7 (x)" STAT_TAIL);
	assert_int_equal(procfs_read_cmdline(p->root, 7, &cmdline), -ENOENT);
}

static void arguments_stay_apart_and_their_end_is_trimmed(void **state)
{
	struct fake_proc *p = *state;
	struct procfs_cmdline c;

	fake_proc_put_bytes(p, "7/cmdline", "a b\0c\0\0\0", 8);
	assert_int_equal(procfs_read_cmdline(p->root, 7, &c), 0);
	assert_int_equal(c.len, 5);
	assert_memory_equal(c.bytes, "a b\0c\0", 6);
	assert_false(c.cut);
}

static void a_long_command_line_is_cut_and_says_so(void **state)
{
	static char text[PROCFS_CMDLINE_BYTES + 10];
	struct fake_proc *p = *state;
	struct procfs_cmdline c;

	memset(text, 'x', sizeof(text));
	fake_proc_put_bytes(p, "7/cmdline", text, PROCFS_CMDLINE_BYTES);
	assert_int_equal(procfs_read_cmdline(p->root, 7, &c), 0);
	assert_false(c.cut);
	fake_proc_put_bytes(p, "7/cmdline", text, sizeof(text));
	assert_int_equal(procfs_read_cmdline(p->root, 7, &c), 0);
	assert_true(c.cut);
	assert_int_equal(c.len, PROCFS_CMDLINE_BYTES);
	assert_int_equal(c.bytes[c.len], '\0');
}

static void a_deleted_executable_is_told_and_its_path_cleaned(void **state)
{
	struct fake_proc *p = *state;
	char path[64];
	bool deleted;

	fake_proc_link(p, "7/exe", "/bin/x (deleted)");
	assert_int_equal(procfs_read_exe(p->root, 7, path, sizeof(path), &deleted), 0);
	assert_string_equal(path, "/bin/x");
	assert_true(deleted);
	assert_int_equal(procfs_read_exe(p->root, 7, path, 5, &deleted), -ENAMETOOLONG);
}

static void namespaces_are_numbers_or_unknown(void **state)
{
	struct fake_proc *p = *state;
	struct procfs_ns ns;

	fake_proc_link(p, "7/ns/user", "user:[4026531837]");
	fake_proc_link(p, "7/ns/pid", "pid:[x]");
	assert_int_equal(procfs_read_ns(p->root, 7, &ns), 0);
	assert_int_equal(ns.user, 4026531837);
	assert_true(ns.pid == FACT_UNKNOWN);
}

static void this_process_is_read_as_it_is(void **state)
{
	struct procfs_status s;
	struct procfs_self self;
	struct proc_fact f;
	uint32_t pid;

	(void)state;
	assert_int_equal(procfs_own_pid("/proc", &pid), 0);
	assert_int_equal(pid, getpid());
	assert_int_equal(procfs_read_fact("/proc", pid, &f), 0);
	assert_true(f.rss_bytes != FACT_UNKNOWN && f.rss_bytes > 0);
	assert_true(f.swap_bytes != FACT_UNKNOWN);
	assert_int_equal(f.rss_bytes, f.rss_anon_bytes + f.rss_file_bytes + f.rss_shmem_bytes);
	assert_int_equal(procfs_read_status("/proc", pid, &s), 0);
	assert_int_equal(s.uid, getuid());
	assert_int_equal(s.ns_pid[s.ns_pid_count - 1], pid);
	assert_int_equal(procfs_read_self("/proc", &self), 0);
	assert_true(self.cpu_ns > 0 && self.rss_bytes != FACT_UNKNOWN);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fake_proc_setup, fake_proc_teardown)
	const struct CMUnitTest tests[] = {
		T(a_fact_holds_what_stat_and_status_say),
		T(a_missing_line_is_unknown_and_not_zero),
		T(a_missing_status_leaves_the_memory_unknown),
		T(a_number_that_overflows_is_unknown),
		T(a_line_cut_in_the_middle_is_unknown),
		T(status_is_read_past_a_groups_line_of_any_length),
		T(seccomp_tracer_uid_and_namespace_pids_are_read),
		T(more_namespace_levels_than_there_are_do_not_overflow),
		T(a_name_with_brackets_and_numbers_forges_no_field),
		T(a_name_longer_than_its_field_is_cut),
		T(a_malformed_stat_is_refused_and_the_result_untouched),
		T(a_kernel_thread_is_told_by_its_flag),
		T(a_child_not_waited_for_is_a_zombie),
		T(a_process_that_is_not_there_is_esrch_everywhere),
		T(a_file_missing_of_a_living_process_is_enoent),
		T(arguments_stay_apart_and_their_end_is_trimmed),
		T(a_long_command_line_is_cut_and_says_so),
		T(a_deleted_executable_is_told_and_its_path_cleaned),
		T(namespaces_are_numbers_or_unknown),
		T(this_process_is_read_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
