/* SPDX-License-Identifier: GPL-2.0-only */
#include "share.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memtrace.skel.h"

/* The kernel keeps this many characters of a map's name. */
#define KERNEL_NAME 15

/* The id of the map behind a file descriptor of another process, 0 when it is no map. */
static __u32 map_id_of(int pid, const char *fd)
{
	char path[64], line[128];
	unsigned int id = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%.16s", pid, fd);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (!id && fgets(line, sizeof(line), f))
		if (sscanf(line, "map_id: %u", &id) != 1)
			id = 0;
	fclose(f);
	return id;
}

/* A descriptor of the tracer's map for which wanted() is true, or -1. */
static int map_find(int tracer, bool (*wanted)(const struct bpf_map_info *, const char *),
		    const char *name)
{
	char path[64];
	struct dirent *e;
	int found = -1;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo", tracer);
	d = opendir(path);
	while (d && found < 0 && (e = readdir(d))) {
		struct bpf_map_info info = { 0 };
		__u32 len = sizeof(info), id = map_id_of(tracer, e->d_name);
		int fd = id ? bpf_map_get_fd_by_id(id) : -1;

		if (fd < 0)
			continue;
		if (!bpf_map_get_info_by_fd(fd, &info, &len) && wanted(&info, name))
			found = fd;
		else
			close(fd);
	}
	if (d)
		closedir(d);
	return found;
}

static bool is_named(const struct bpf_map_info *info, const char *name)
{
	return strncmp(info->name, name, KERNEL_NAME) == 0;
}

static bool is_rodata(const struct bpf_map_info *info, const char *name)
{
	(void)name;
	return strstr(info->name, ".rodata") &&
	       info->value_size >= sizeof(struct memtrace_bpf__rodata);
}

int share_maps(struct bpf_object *object, int tracer, const char *const *names)
{
	int shared = 0;

	for (; *names; names++) {
		struct bpf_map *m = bpf_object__find_map_by_name(object, *names);
		int fd = m ? map_find(tracer, is_named, *names) : -1;

		if (fd < 0)
			continue;
		if (bpf_map__reuse_fd(m, fd)) {
			fprintf(stderr, "map %s cannot be shared: %s\n", *names, strerror(errno));
			return -1;
		}
		close(fd);
		shared++;
	}
	return shared;
}

int share_config(int tracer, struct mt_config *ret)
{
	int fd = map_find(tracer, is_rodata, NULL), r;
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info), zero = 0;
	char *value;

	if (fd < 0 || bpf_map_get_info_by_fd(fd, &info, &len)) {
		fprintf(stderr, "process %d has no memtrace programs\n", tracer);
		return -1;
	}
	value = calloc(1, info.value_size);
	r = value ? bpf_map_lookup_elem(fd, &zero, value) : -1;
	close(fd);
	if (r)
		fprintf(stderr, "the configuration of %d cannot be read\n", tracer);
	else
		memcpy(ret, value + offsetof(struct memtrace_bpf__rodata, cfg), sizeof(*ret));
	free(value);
	return r ? -1 : 0;
}
