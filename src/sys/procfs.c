/*
 * Reading of /proc/PID. stat gives identity, state and CPU time: its comm field may hold any byte,
 * so fields are counted from the last ')'. status gives memory and identity lines by name: the
 * kernel escapes newlines in its Name line, so a line's beginning cannot be forged.
 */
#include "sys/procfs.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/procio.h"
#include "sys/scan.h"

#define PF_KTHREAD 0x00200000 /* include/linux/sched.h; unchanged since 2.6.27 */

/* Places in /proc/PID/stat, numbered as proc(5) does. */
enum {
	STAT_STATE = 3,
	STAT_FLAGS = 9,
	STAT_UTIME = 14,
	STAT_STIME = 15,
	STAT_THREADS = 20,
	STAT_START = 22
};

/* Fields of a stat line from STAT_STATE + 1 on, into value[number]; false when one is missing. */
static bool scan_stat_fields(const char *at, const char *end, uint64_t value[STAT_START + 1])
{
	for (int i = STAT_STATE + 1; i <= STAT_START; i++) {
		scan_blanks(&at, end);
		scan_char(&at, end, '-'); /* tpgid, priority, nice: not used */
		if (!scan_u64(&at, end, 10, &value[i]))
			return false;
	}
	return true;
}

static int parse_stat(const char *text, size_t len, struct procfs_stat *ret)
{
	const char *end = text + len, *at = text, *open, *close;
	uint64_t value[STAT_START + 1], pid, ticks, per_second = sysconf(_SC_CLK_TCK);
	struct procfs_stat s = {};
	size_t comm_len;

	open = memchr(text, '(', len);
	close = memrchr(text, ')', len);
	if (!open || !close || close < open || end - close < 4)
		return -EBADMSG;
	if (!scan_u64(&at, open, 10, &pid) || pid > UINT32_MAX || close[1] != ' ')
		return -EBADMSG;
	if (!scan_stat_fields(close + 3, end, value) || value[STAT_THREADS] > UINT32_MAX)
		return -EBADMSG;
	if (__builtin_add_overflow(value[STAT_UTIME], value[STAT_STIME], &ticks))
		return -EBADMSG;
	comm_len = close - open - 1;
	if (comm_len > sizeof(s.comm) - 1)
		comm_len = sizeof(s.comm) - 1;
	memcpy(s.comm, open + 1, comm_len);
	s.pid = pid;
	s.state = close[2];
	s.zombie = s.state == 'Z' || s.state == 'X' || s.state == 'x';
	s.kernel_thread = value[STAT_FLAGS] & PF_KTHREAD;
	s.threads = value[STAT_THREADS];
	s.start_ticks = value[STAT_START];
	if (__builtin_mul_overflow(ticks, UINT64_C(1000000000) / per_second, &s.cpu_ns))
		return -EBADMSG;
	*ret = s;
	return 0;
}

int procfs_read_stat(const char *root, uint32_t pid, struct procfs_stat *ret)
{
	char text[2048];
	size_t len;
	int r;

	r = procio_read(root, pid, "stat", text, sizeof(text), &len);
	if (r < 0)
		return r;
	return parse_stat(text, len, ret);
}

static void scan_ns_pids(const char *at, const char *end, struct procfs_status *s)
{
	uint64_t pid;

	for (s->ns_pid_count = 0; s->ns_pid_count < PROCFS_NS_LEVELS; s->ns_pid_count++) {
		scan_blanks(&at, end);
		if (!scan_u64(&at, end, 10, &pid) || pid > UINT32_MAX)
			return;
		s->ns_pid[s->ns_pid_count] = pid;
	}
}

static const struct {
	char name[12];
	unsigned int unit;
	size_t offset; /* of the uint64_t in struct procfs_status */
} status_lines[] = {
	{ "Tgid:", 1, offsetof(struct procfs_status, tgid) },
	{ "TracerPid:", 1, offsetof(struct procfs_status, tracer_pid) },
	{ "Uid:", 1, offsetof(struct procfs_status, uid) },
	{ "Seccomp:", 1, offsetof(struct procfs_status, seccomp_mode) },
	{ "VmRSS:", 1024, offsetof(struct procfs_status, rss_bytes) },
	{ "RssAnon:", 1024, offsetof(struct procfs_status, rss_anon_bytes) },
	{ "RssFile:", 1024, offsetof(struct procfs_status, rss_file_bytes) },
	{ "RssShmem:", 1024, offsetof(struct procfs_status, rss_shmem_bytes) },
	{ "VmSwap:", 1024, offsetof(struct procfs_status, swap_bytes) },
};

/* One "Name:\tvalue [kB]" line. */
static void take_status_line(const char *line, const char *end, struct procfs_status *s)
{
	if (scan_begins(line, end - line, "NSpid:")) {
		scan_ns_pids(line + strlen("NSpid:"), end, s);
		return;
	}
	for (size_t i = 0; i < sizeof(status_lines) / sizeof(status_lines[0]); i++) {
		const char *at;
		uint64_t value;

		if (!scan_begins(line, end - line, status_lines[i].name))
			continue;
		at = line + strlen(status_lines[i].name);
		scan_blanks(&at, end);
		if (scan_u64(&at, end, 10, &value) &&
		    !__builtin_mul_overflow(value, (uint64_t)status_lines[i].unit, &value))
			*(uint64_t *)((char *)s + status_lines[i].offset) = value;
		return;
	}
}

static const struct procfs_status status_unknown = {
	.tgid = FACT_UNKNOWN,
	.tracer_pid = FACT_UNKNOWN,
	.seccomp_mode = FACT_UNKNOWN,
	.uid = FACT_UNKNOWN,
	.rss_bytes = FACT_UNKNOWN,
	.rss_anon_bytes = FACT_UNKNOWN,
	.rss_file_bytes = FACT_UNKNOWN,
	.rss_shmem_bytes = FACT_UNKNOWN,
	.swap_bytes = FACT_UNKNOWN,
};

/* By lines: the Groups line alone can be 700 kB, and the memory lines come after it. */
static int read_status_file(const char *root, uint32_t pid, const char *name,
			    struct procfs_status *ret)
{
	struct procfs_status s = status_unknown;
	struct procio_lines lines;
	const char *line, *end;
	auto_close int fd = -1;
	int r;

	r = procio_open(root, pid, name, &fd);
	if (r < 0)
		return r;
	procio_lines_init(&lines, fd);
	while ((r = procio_next_line(&lines, &line, &end)) > 0)
		take_status_line(line, end, &s);
	if (r < 0)
		return r;
	*ret = s;
	return 0;
}

int procfs_read_status(const char *root, uint32_t pid, struct procfs_status *ret)
{
	return read_status_file(root, pid, "status", ret);
}

int procfs_read_thread_status(const char *root, uint32_t pid, uint32_t tid,
			      struct procfs_status *ret)
{
	char name[64];

	snprintf(name, sizeof(name), "task/%u/status", tid);
	return read_status_file(root, pid, name, ret);
}

int procfs_read_fact(const char *root, uint32_t pid, struct proc_fact *ret)
{
	struct procfs_status status;
	struct procfs_stat stat;
	int r;

	r = procfs_read_stat(root, pid, &stat);
	if (r < 0)
		return r;
	r = procfs_read_status(root, pid, &status);
	if (r == -ESRCH)
		return r;
	if (r < 0)
		status = status_unknown;
	*ret = (struct proc_fact){
		.pid = pid,
		.start_ticks = stat.start_ticks,
		.rss_bytes = status.rss_bytes,
		.swap_bytes = status.swap_bytes,
		.rss_anon_bytes = status.rss_anon_bytes,
		.rss_file_bytes = status.rss_file_bytes,
		.rss_shmem_bytes = status.rss_shmem_bytes,
		.cpu_ns = stat.cpu_ns,
		.threads = stat.threads,
	};
	memcpy(ret->comm, stat.comm, sizeof(ret->comm));
	return 0;
}

int procfs_identify(const char *root, uint32_t pid, struct proc_id *ret)
{
	struct procfs_stat stat;
	int r;

	r = procfs_read_stat(root, pid, &stat);
	if (r < 0)
		return r;
	*ret = (struct proc_id){ .pid = pid, .start_ticks = stat.start_ticks };
	return 0;
}

int procfs_tgid_of(const char *root, uint32_t tid, uint32_t *ret)
{
	struct procfs_status status;
	int r;

	r = procfs_read_status(root, tid, &status);
	if (r < 0)
		return r;
	if (status.tgid > UINT32_MAX)
		return -EBADMSG;
	*ret = status.tgid;
	return 0;
}

int procfs_own_pid(const char *root, uint32_t *ret)
{
	char path[PATH_MAX], text[32];
	const char *at = text;
	uint64_t pid;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/self", root);
	n = readlink(path, text, sizeof(text));
	if (n < 0)
		return -errno;
	if (!scan_u64(&at, text + n, 10, &pid) || at != text + n || pid > UINT32_MAX)
		return -EBADMSG;
	*ret = pid;
	return 0;
}

int procfs_read_exe(const char *root, uint32_t pid, char *buf, size_t size, bool *ret_deleted)
{
	size_t len;
	int r;

	r = procio_read_link(root, pid, "exe", buf, size, &len);
	if (r < 0)
		return r;
	*ret_deleted = scan_ends(buf, len, " (deleted)");
	if (*ret_deleted)
		buf[len - strlen(" (deleted)")] = '\0';
	return 0;
}

int procfs_read_cmdline(const char *root, uint32_t pid, struct procfs_cmdline *ret)
{
	char text[PROCFS_CMDLINE_BYTES + 2]; /* one byte more than kept tells whether it is cut */
	size_t len;
	int r;

	r = procio_read(root, pid, "cmdline", text, sizeof(text), &len);
	if (r < 0)
		return r;
	while (len && text[len - 1] == '\0')
		len--;
	ret->cut = len > PROCFS_CMDLINE_BYTES;
	ret->len = ret->cut ? PROCFS_CMDLINE_BYTES : len;
	memcpy(ret->bytes, text, ret->len);
	ret->bytes[ret->len] = '\0';
	return 0;
}

/* The link reads "user:[4026531837]". */
static int read_ns(const char *root, uint32_t pid, const char *kind, uint64_t *ret)
{
	char name[16], text[64];
	const char *at, *end;
	uint64_t inode;
	size_t len;
	int r;

	snprintf(name, sizeof(name), "ns/%s", kind);
	r = procio_read_link(root, pid, name, text, sizeof(text), &len);
	if (r < 0)
		return r;
	at = text;
	end = text + len;
	if (!scan_begins(at, len, kind))
		return -EBADMSG;
	at += strlen(kind);
	if (!scan_char(&at, end, ':') || !scan_char(&at, end, '[') ||
	    !scan_u64(&at, end, 10, &inode) || !scan_char(&at, end, ']'))
		return -EBADMSG;
	*ret = inode;
	return 0;
}

int procfs_read_ns(const char *root, uint32_t pid, struct procfs_ns *ret)
{
	struct procfs_ns ns = { FACT_UNKNOWN, FACT_UNKNOWN };

	if (read_ns(root, pid, "user", &ns.user) == -ESRCH ||
	    read_ns(root, pid, "pid", &ns.pid) == -ESRCH)
		return -ESRCH;
	*ret = ns;
	return 0;
}

int procfs_read_self(const char *root, struct procfs_self *ret)
{
	struct procfs_status status;
	struct rusage usage;
	uint32_t pid;
	int r;

	if (getrusage(RUSAGE_SELF, &usage) < 0)
		return -errno;
	r = procfs_own_pid(root, &pid);
	if (r == 0)
		r = procfs_read_status(root, pid, &status);
	ret->cpu_ns = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * UINT64_C(1000000000) +
		      (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * UINT64_C(1000);
	ret->rss_bytes = r == 0 ? status.rss_bytes : FACT_UNKNOWN;
	return 0;
}
