/* sys/limits: the tightest of machine, rlimit and control groups, and container ids. */
#include "fake_proc.h"

#include <errno.h>

#include "decode/fact.h"
#include "sys/limits.h"

#define ID1 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ID2 "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define MB UINT64_C(1048576)

/* A machine of 1000 MB with a process 7 that has no limit of its own. */
static void put_machine(const struct fake_proc *p, const char *groups)
{
	fake_proc_put(p, "meminfo", "MemTotal:        1024000 kB\nMemFree: 1 kB\n");
	fake_proc_put(
		p, "7/limits",
		"Limit                     Soft Limit           Hard Limit           Units\n"
		"Max address space         unlimited            unlimited            bytes\n");
	fake_proc_put(p, "7/cgroup", groups);
}

static struct limits read_limits(const struct fake_proc *p)
{
	char groups[128];
	struct limits_cfg cfg = { p->root, groups };
	struct limits l;

	snprintf(groups, sizeof(groups), "%s/cg", p->root);
	assert_int_equal(limits_read(&cfg, 7, &l), 0);
	return l;
}

static void without_other_limits_the_machine_is_the_limit(void **state)
{
	struct fake_proc *p = *state;
	struct limits l;

	put_machine(p, "0::/\n");
	l = read_limits(p);
	assert_int_equal(l.memory_bytes, 1000 * MB);
	assert_int_equal(l.kind, LIMIT_MACHINE);
	assert_string_equal(l.cgroup, "/");
	assert_string_equal(l.container_id, "");
}

static void the_soft_address_space_limit_counts(void **state)
{
	struct fake_proc *p = *state;
	struct limits l;

	put_machine(p, "0::/\n");
	fake_proc_put(p, "7/limits", "Max address space         104857600     209715200  bytes\n");
	l = read_limits(p);
	assert_int_equal(l.memory_bytes, 100 * MB);
	assert_int_equal(l.kind, LIMIT_RLIMIT);
}

static void version_2_groups_count_up_to_the_root(void **state)
{
	struct fake_proc *p = *state;
	struct limits l;

	put_machine(p, "0::/a/b/c\n");
	fake_proc_put(p, "cg/cgroup.controllers", "memory\n");
	fake_proc_put(p, "cg/a/memory.max", "209715200\n");
	fake_proc_put(p, "cg/a/b/memory.max", "max\n");
	fake_proc_put(p, "cg/a/b/c/memory.max", "314572800\n");
	l = read_limits(p);
	assert_int_equal(l.memory_bytes, 200 * MB);
	assert_int_equal(l.kind, LIMIT_CGROUP);
	assert_string_equal(l.cgroup, "/a/b/c");
}

static int read_used(const struct fake_proc *p, uint64_t *ret)
{
	char groups[128];
	struct limits_cfg cfg = { p->root, groups };
	struct limits l = read_limits(p);

	snprintf(groups, sizeof(groups), "%s/cg", p->root);
	return limits_read_used(&cfg, 7, &l, ret);
}

static void what_is_used_is_that_of_the_group_which_binds(void **state)
{
	struct fake_proc *p = *state;
	uint64_t used = 77;

	put_machine(p, "0::/a/b\n");
	fake_proc_put(p, "cg/cgroup.controllers", "memory\n");
	fake_proc_put(p, "cg/a/memory.max", "104857600\n");
	fake_proc_put(p, "cg/a/b/memory.max", "209715200\n");
	assert_int_equal(read_used(p, &used), -ENOENT);
	assert_int_equal(used, 77);
	fake_proc_put(p, "cg/a/memory.current", "83886080\n");
	fake_proc_put(p, "cg/a/b/memory.current", "1\n");
	assert_int_equal(read_used(p, &used), 0);
	assert_int_equal(used, 80 * MB);
	fake_proc_put(p, "cg/a/memory.stat", "anon 5\ninactive_file 10485760\nslab 3\n");
	assert_int_equal(read_used(p, &used), 0);
	assert_int_equal(used, 70 * MB);
	fake_proc_put(p, "cg/a/memory.stat", "inactive_file 18446744073709551615\n");
	assert_int_equal(read_used(p, &used), 0);
	assert_int_equal(used, 80 * MB);
}

static void what_is_used_of_version_1_the_machine_and_an_rlimit(void **state)
{
	struct fake_proc *p = *state;
	uint64_t used = 0;

	put_machine(p, "4:memory:/a\n");
	assert_int_equal(read_used(p, &used), -ENODATA);
	fake_proc_put(p, "meminfo", "MemTotal: 1024000 kB\nMemAvailable: 409600 kB\n");
	assert_int_equal(read_used(p, &used), 0);
	assert_int_equal(used, 600 * MB);
	fake_proc_put(p, "cg/memory/a/memory.limit_in_bytes", "104857600\n");
	fake_proc_put(p, "cg/memory/a/memory.usage_in_bytes", "52428800\n");
	fake_proc_put(p, "cg/memory/a/memory.stat", "cache 7\ntotal_inactive_file 1048576\n");
	assert_int_equal(read_used(p, &used), 0);
	assert_int_equal(used, 49 * MB);
	fake_proc_put(p, "7/limits", "Max address space         52428800     209715200  bytes\n");
	fake_proc_put(p, "7/status", "Name:\tx\nVmSize:\t   40960 kB\n");
	assert_int_equal(read_used(p, &used), 0);
	assert_int_equal(used, 40 * MB);
}

static void version_1_groups_count_up_to_the_root(void **state)
{
	struct fake_proc *p = *state;
	struct limits l;

	put_machine(p, "5:cpu,cpuacct:/other\n4:hugetlb,memory:/a/b\n0::/\n");
	fake_proc_put(p, "cg/memory/memory.limit_in_bytes", "9223372036854771712\n");
	fake_proc_put(p, "cg/memory/a/memory.limit_in_bytes", "104857600\n");
	fake_proc_put(p, "cg/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
	l = read_limits(p);
	assert_int_equal(l.memory_bytes, 100 * MB);
	assert_int_equal(l.kind, LIMIT_CGROUP);
	assert_string_equal(l.cgroup, "/a/b");
}

static void version_2_beside_version_1_is_one_folder_down(void **state)
{
	struct fake_proc *p = *state;
	struct limits l;

	put_machine(p, "1:name=systemd:/x\n0::/a\n");
	fake_proc_put(p, "cg/unified/a/memory.max", "104857600\n");
	l = read_limits(p);
	assert_int_equal(l.memory_bytes, 100 * MB);
}

static void a_group_wider_than_the_machine_does_not_count(void **state)
{
	struct fake_proc *p = *state;
	struct limits l;

	put_machine(p, "0::/a\n");
	fake_proc_put(p, "cg/cgroup.controllers", "memory\n");
	fake_proc_put(p, "cg/a/memory.max", "104857600000\n");
	l = read_limits(p);
	assert_int_equal(l.kind, LIMIT_MACHINE);
}

static void a_path_outside_of_the_group_tree_is_not_followed(void **state)
{
	struct fake_proc *p = *state;
	struct limits l;

	put_machine(p, "0::/../other\n");
	fake_proc_put(p, "cg/cgroup.controllers", "memory\n");
	fake_proc_put(p, "other/memory.max", "1048576\n");
	l = read_limits(p);
	assert_int_equal(l.kind, LIMIT_MACHINE);
	assert_string_equal(l.cgroup, "/../other");
}

static void malformed_groups_are_left_out(void **state)
{
	char text[LIMITS_CGROUP_BYTES + 64];
	struct fake_proc *p = *state;
	struct limits l;

	put_machine(p, "\n:\n::\n0:\n0::\n0::relative\nmemory\n9:memory\nxx");
	l = read_limits(p);
	assert_string_equal(l.cgroup, "");
	snprintf(text, sizeof(text), "0::/%0*d\n", LIMITS_CGROUP_BYTES, 1);
	put_machine(p, text);
	l = read_limits(p);
	assert_string_equal(l.cgroup, "");
	assert_int_equal(l.kind, LIMIT_MACHINE);
}

static void nothing_readable_is_unknown_and_not_zero(void **state)
{
	struct fake_proc *p = *state;
	struct limits l;

	fake_proc_put(p, "7/other", "");
	fake_proc_put(p, "meminfo", "MemTotal: lots\n");
	l = read_limits(p);
	assert_true(l.memory_bytes == FACT_UNKNOWN);
	assert_int_equal(l.kind, LIMIT_NONE);
	assert_string_equal(limits_kind_name(l.kind), "");
}

static void a_process_that_is_not_there_is_esrch(void **state)
{
	struct fake_proc *p = *state;
	struct limits_cfg cfg = { p->root, p->root };
	struct limits l = { .memory_bytes = 77 };

	assert_int_equal(limits_read(&cfg, 9, &l), -ESRCH);
	assert_int_equal(l.memory_bytes, 77);
}

static void every_container_engines_group_names_its_container(void **state)
{
	static const char *const groups[] = {
		"0::/docker/" ID1 "\n",
		"0::/system.slice/docker-" ID1 ".scope\n",
		"0::/system.slice/docker-" ID1 ".scope/init.scope\n",
		"0::/kubepods.slice/kubepods-pod1234_5678.slice/cri-containerd-" ID1 ".scope\n",
		"0::/kubepods/besteffort/pod1a2b3c4d-0000-1111-2222-333344445555/" ID1 "\n",
		"0::/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:" ID1 "\n",
		"0::/kubepods.slice/crio-" ID1 ".scope\n",
		"0::/machine.slice/libpod-" ID1 ".scope/container\n",
		"0::/user.slice/libpod_parent/libpod-" ID1 "\n",
		"4:memory:/docker/" ID1 "\n0::/\n",
		"0::/docker/" ID2 "/docker/" ID1 "\n",
	};
	struct fake_proc *p = *state;

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		put_machine(p, groups[i]);
		assert_string_equal(read_limits(p).container_id, ID1);
	}
}

static void what_only_looks_like_an_id_is_none(void **state)
{
	static const char *const groups[] = {
		"0::/docker/" ID1 "0\n",
		"0::/docker/x" ID1 "\n",
		"0::/docker/0123\n",
		"0::/docker/" ID1 "x\n",
		"0::/machine.slice/libpod-conmon-" ID1 ".scope\n",
		"0::/crio-conmon-" ID1 ".scope\n",
		"0::/docker/0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF\n",
	};
	struct fake_proc *p = *state;

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		put_machine(p, groups[i]);
		assert_string_equal(read_limits(p).container_id, "");
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fake_proc_setup, fake_proc_teardown)
	const struct CMUnitTest tests[] = {
		T(without_other_limits_the_machine_is_the_limit),
		T(the_soft_address_space_limit_counts),
		T(version_2_groups_count_up_to_the_root),
		T(what_is_used_is_that_of_the_group_which_binds),
		T(what_is_used_of_version_1_the_machine_and_an_rlimit),
		T(version_1_groups_count_up_to_the_root),
		T(version_2_beside_version_1_is_one_folder_down),
		T(a_group_wider_than_the_machine_does_not_count),
		T(a_path_outside_of_the_group_tree_is_not_followed),
		T(malformed_groups_are_left_out),
		T(nothing_readable_is_unknown_and_not_zero),
		T(a_process_that_is_not_there_is_esrch),
		T(every_container_engines_group_names_its_container),
		T(what_only_looks_like_an_id_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
