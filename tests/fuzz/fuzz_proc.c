/*
 * The text files of /proc: the input's first byte says which file the rest is. Names and command
 * lines in them are the traced process's to choose.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "sys/fdtable.h"
#include "sys/limits.h"
#include "sys/maps.h"
#include "sys/procfs.h"
#include "sys/threads.h"

#define PID 1
#define PATH_BYTES 128

static char root[64];

static const char *const names[] = { "1/stat",	 "1/status", "1/maps",	"1/cmdline",
				     "1/limits", "1/cgroup", "meminfo", "1/task/1/syscall" };
#define NAMES (sizeof(names) / sizeof(names[0]))

static void write_file(size_t which, const uint8_t *data, size_t size)
{
	char path[PATH_BYTES];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", root, names[which]);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CLAIM(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	close(fd);
}

static void make_folder(const char *name)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	CLAIM(mkdir(path, 0700) == 0);
}

static void set_up(void)
{
	const char *tmp = getenv("TMPDIR"); /* of run.sh, which removes it */

	snprintf(root, sizeof(root), "%s/proc-XXXXXX", tmp ? tmp : "/tmp");
	CLAIM(mkdtemp(root));
	make_folder("1");
	make_folder("1/task");
	make_folder("1/task/1");
	for (size_t i = 0; i < NAMES; i++)
		write_file(i, (const uint8_t *)"", 0);
}

static void read_maps(void)
{
	struct vma_table table = {};

	if (maps_read(root, PID, &table) < 0)
		return;
	for (size_t i = 0; i < table.count; i++) {
		CLAIM(table.vma[i].start < table.vma[i].end);
		CLAIM(i == 0 || table.vma[i - 1].end <= table.vma[i].start);
		CLAIM(maps_find(&table, table.vma[i].start) == &table.vma[i]);
	}
	maps_done(&table);
}

static void read_limits(void)
{
	struct limits_cfg cfg = { .root = root, .cgroup_root = root };
	struct limits limits = {};

	if (limits_read(&cfg, PID, &limits) < 0)
		return;
	CLAIM(strnlen(limits.cgroup, LIMITS_CGROUP_BYTES) < LIMITS_CGROUP_BYTES);
	CLAIM(strnlen(limits.container_id, LIMITS_CONTAINER_BYTES) < LIMITS_CONTAINER_BYTES);
	CLAIM(strlen(limits_kind_name(limits.kind)) < 16);
}

static void read_stacks(void)
{
	struct thread thread = { .tid = 1 };
	struct thread_list list = { .thread = &thread, .count = 1 };

	threads_fill_stack_pointers(root, PID, &list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct procfs_cmdline cmdline;
	static struct procfs_status status;
	struct procfs_stat stat;
	struct proc_fact fact;
	uint64_t inode;
	size_t which = fuzz_take(&data, &size, 1) % (NAMES + 1);

	if (!root[0])
		set_up();
	if (which == NAMES) {
		fdtable_kind((const char *)data, size, &inode);
		return 0;
	}
	write_file(which, data, size);
	procfs_read_stat(root, PID, &stat);
	if (procfs_read_status(root, PID, &status) == 0)
		CLAIM(status.ns_pid_count <= PROCFS_NS_LEVELS);
	procfs_read_fact(root, PID, &fact);
	if (procfs_read_cmdline(root, PID, &cmdline) == 0)
		CLAIM(cmdline.len <= PROCFS_CMDLINE_BYTES && !cmdline.bytes[cmdline.len]);
	read_maps();
	read_limits();
	read_stacks();
	write_file(which, data, 0);
	return 0;
}
