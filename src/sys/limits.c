/*
 * Memory limits of a process. Group names are made by whoever may make groups: a path with a ".."
 * component (the process is outside of our own cgroup namespace) is not followed.
 */
#include "sys/limits.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "decode/fact.h"
#include "sys/procio.h"
#include "sys/scan.h"

#define CONTAINER_DIGITS (LIMITS_CONTAINER_BYTES - 1)

/* Groups of one process as /proc/PID/cgroup has them; "" when there is none of the kind. */
struct groups {
	char v1[LIMITS_CGROUP_BYTES]; /* of the memory controller */
	char v2[LIMITS_CGROUP_BYTES];
};

const char *limits_kind_name(enum limit_kind kind)
{
	switch (kind) {
	case LIMIT_MACHINE: return "machine";
	case LIMIT_CGROUP: return "cgroup";
	case LIMIT_RLIMIT: return "rlimit";
	case LIMIT_NONE: break;
	}
	return "";
}

static void tighten(struct limits *l, uint64_t bytes, enum limit_kind kind)
{
	if (bytes >= l->memory_bytes)
		return;
	l->memory_bytes = bytes;
	l->kind = kind;
}

/* The number behind prefix on the first line that begins with it; -ENODATA when there is none. */
static int read_number_after(int fd, const char *prefix, uint64_t *ret)
{
	struct procio_lines lines;
	const char *line, *end;
	int r;

	procio_lines_init(&lines, fd);
	while ((r = procio_next_line(&lines, &line, &end)) > 0) {
		if (!scan_begins(line, end - line, prefix))
			continue;
		line += strlen(prefix);
		scan_blanks(&line, end);
		return scan_u64(&line, end, 10, ret) ? 0 : -ENODATA; /* "unlimited", "max" */
	}
	return r < 0 ? r : -ENODATA;
}

static int read_machine(const struct limits_cfg *cfg, struct limits *l)
{
	auto_close int fd = -1;
	uint64_t kb, bytes;
	int r;

	r = procio_open_global(cfg->root, "meminfo", &fd);
	if (r == 0)
		r = read_number_after(fd, "MemTotal:", &kb);
	if (r == 0 && !__builtin_mul_overflow(kb, UINT64_C(1024), &bytes))
		tighten(l, bytes, LIMIT_MACHINE);
	return r;
}

static int read_rlimit(const struct limits_cfg *cfg, uint32_t pid, struct limits *l)
{
	auto_close int fd = -1;
	uint64_t bytes;
	int r;

	r = procio_open(cfg->root, pid, "limits", &fd);
	if (r == 0)
		r = read_number_after(fd, "Max address space", &bytes);
	if (r == 0)
		tighten(l, bytes, LIMIT_RLIMIT);
	return r;
}

/* True when `name` is one of the len bytes' comma-separated words. */
static bool has_word(const char *words, size_t len, const char *name)
{
	const char *end = words + len, *comma;

	for (; words < end; words = comma + 1) {
		comma = memchr(words, ',', end - words);
		if (!comma)
			comma = end;
		if (comma - words == strlen(name) && scan_begins(words, comma - words, name))
			return true;
	}
	return false;
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool is_word(char c)
{
	return is_hex(c) || (c >= 'g' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/*
 * docker, containerd, cri-o and podman all put the id into the group's name as a word of its own:
 * "/docker/ID", "docker-ID.scope", "cri-containerd:ID", "libpod-ID.scope/container". The last one
 * is the innermost container. A group of conmon, podman's monitor, is not inside.
 */
static void find_container(const char *path, const char *end, char id[LIMITS_CONTAINER_BYTES])
{
	for (const char *at = path; at < end;) {
		const char *word = at;

		while (at < end && is_hex(*at))
			at++;
		if (at - word == CONTAINER_DIGITS && (at == end || !is_word(*at)) &&
		    !scan_ends(path, word - path, "conmon-")) {
			memcpy(id, word, CONTAINER_DIGITS);
			id[CONTAINER_DIGITS] = '\0';
		}
		while (at < end && is_word(*at))
			at++;
		while (at < end && !is_word(*at))
			at++;
	}
}

static void keep_path(char to[LIMITS_CGROUP_BYTES], const char *path, const char *end)
{
	if (end - path >= LIMITS_CGROUP_BYTES)
		return; /* cut, it would name another group */
	memcpy(to, path, end - path);
	to[end - path] = '\0';
}

/* One line "NUMBER:CONTROLLERS:PATH"; the path may hold colons. */
static void take_group_line(const char *line, const char *end, struct groups *g, struct limits *l)
{
	const char *controllers = memchr(line, ':', end - line), *path;

	if (!controllers)
		return;
	controllers++;
	path = memchr(controllers, ':', end - controllers);
	if (!path || path + 1 == end || path[1] != '/')
		return;
	path++;
	if (controllers + 1 == path)
		keep_path(g->v2, path, end);
	else if (has_word(controllers, path - 1 - controllers, "memory"))
		keep_path(g->v1, path, end);
	find_container(path, end, l->container_id);
}

static int read_groups(const struct limits_cfg *cfg, uint32_t pid, struct groups *g,
		       struct limits *l)
{
	struct procio_lines lines;
	const char *line, *end;
	auto_close int fd = -1;
	int r;

	r = procio_open(cfg->root, pid, "cgroup", &fd);
	if (r < 0)
		return r;
	procio_lines_init(&lines, fd);
	while ((r = procio_next_line(&lines, &line, &end)) > 0)
		take_group_line(line, end, g, l);
	return r;
}

static bool leaves_root(const char *path)
{
	for (const char *at = path; (at = strstr(at, "/..")); at++) {
		if (at[3] == '/' || at[3] == '\0')
			return true;
	}
	return false;
}

static void keep_bound(struct limits *l, const char *mount, const char *group, bool v1)
{
	int n = snprintf(l->bound, sizeof(l->bound), "%s/%s", mount, group);

	if (n < 0 || n >= (int)sizeof(l->bound))
		l->bound[0] = '\0'; /* cut, it would name another group */
	l->bound_v1 = v1;
}

/* The limit file of the group and of each group above it. */
static void walk_groups(const char *mount, const char *group, bool v1, struct limits *l)
{
	const char *file = v1 ? "memory.limit_in_bytes" : "memory.max";
	char path[LIMITS_CGROUP_BYTES], name[LIMITS_CGROUP_BYTES + 64];
	char *slash;

	if (leaves_root(group))
		return;
	snprintf(path, sizeof(path), "%s", group);
	for (;;) {
		auto_close int fd = -1;
		uint64_t bytes;

		snprintf(name, sizeof(name), "%s/%s", path, file);
		if (procio_open_global(mount, name, &fd) == 0 &&
		    read_number_after(fd, "", &bytes) == 0 && bytes < l->memory_bytes) {
			tighten(l, bytes, LIMIT_CGROUP);
			keep_bound(l, mount, path, v1);
		}
		slash = strrchr(path, '/');
		if (!slash)
			return;
		*slash = '\0';
	}
}

static void read_cgroup_limits(const struct limits_cfg *cfg, const struct groups *g,
			       struct limits *l)
{
	char mount[PATH_MAX];

	if (g->v1[0]) {
		snprintf(mount, sizeof(mount), "%s/memory", cfg->cgroup_root);
		walk_groups(mount, g->v1, true, l);
	}
	if (g->v2[0]) {
		/* Beside version 1, systemd mounts version 2 one folder down. */
		snprintf(mount, sizeof(mount), "%s/cgroup.controllers", cfg->cgroup_root);
		snprintf(mount, sizeof(mount), "%s%s", cfg->cgroup_root,
			 access(mount, F_OK) == 0 ? "" : "/unified");
		walk_groups(mount, g->v2, false, l);
	}
}

int limits_read(const struct limits_cfg *cfg, uint32_t pid, struct limits *ret)
{
	struct limits l = { .memory_bytes = FACT_UNKNOWN, .kind = LIMIT_NONE };
	struct groups g = {};

	read_machine(cfg, &l);
	if (read_rlimit(cfg, pid, &l) == -ESRCH || read_groups(cfg, pid, &g, &l) == -ESRCH)
		return -ESRCH;
	read_cgroup_limits(cfg, &g, &l);
	memcpy(l.cgroup, g.v1[0] ? g.v1 : g.v2, sizeof(l.cgroup));
	*ret = l;
	return 0;
}

static int read_number(const char *folder, const char *file, const char *prefix, uint64_t *ret)
{
	auto_close int fd = -1;
	int r = procio_open_global(folder, file, &fd);

	return r < 0 ? r : read_number_after(fd, prefix, ret);
}

static int read_group_used(const struct limits *l, uint64_t *ret)
{
	uint64_t used, cache;
	int r;

	if (!l->bound[0])
		return -ENODATA;
	r = read_number(l->bound, l->bound_v1 ? "memory.usage_in_bytes" : "memory.current", "",
			&used);
	if (r < 0)
		return r;
	r = read_number(l->bound, "memory.stat",
			l->bound_v1 ? "total_inactive_file " : "inactive_file ", &cache);
	*ret = r == 0 && cache < used ? used - cache : used;
	return 0;
}

static int read_process_used(const struct limits_cfg *cfg, uint32_t pid, uint64_t *ret)
{
	auto_close int fd = -1;
	uint64_t kb;
	int r = procio_open(cfg->root, pid, "status", &fd);

	if (r == 0)
		r = read_number_after(fd, "VmSize:", &kb);
	if (r == 0 && __builtin_mul_overflow(kb, UINT64_C(1024), ret))
		r = -ERANGE;
	return r;
}

static int read_machine_used(const struct limits_cfg *cfg, const struct limits *l, uint64_t *ret)
{
	uint64_t kb, bytes;
	int r = read_number(cfg->root, "meminfo", "MemAvailable:", &kb);

	if (r < 0)
		return r;
	if (__builtin_mul_overflow(kb, UINT64_C(1024), &bytes))
		return -ERANGE;
	*ret = bytes < l->memory_bytes ? l->memory_bytes - bytes : 0;
	return 0;
}

int limits_read_used(const struct limits_cfg *cfg, uint32_t pid, const struct limits *l,
		     uint64_t *ret_bytes)
{
	uint64_t used = 0;
	int r = -ENODATA;

	switch (l->kind) {
	case LIMIT_MACHINE: r = read_machine_used(cfg, l, &used); break;
	case LIMIT_CGROUP: r = read_group_used(l, &used); break;
	case LIMIT_RLIMIT: r = read_process_used(cfg, pid, &used); break;
	case LIMIT_NONE: break;
	}
	if (r == 0)
		*ret_bytes = used;
	return r;
}
