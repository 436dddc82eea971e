/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Empty probes where a running memtrace has its own.
 *   floor LIKE-PID PID FILE [--returns]
 * looks at the uprobe_multi links that are attached to LIKE-PID, and puts an empty program at the
 * same offsets of FILE for PID; FILE is a copy of the file that LIKE-PID has mapped. Probes of
 * returns are left out unless asked for. Prints one line of JSON and stays until standard input
 * ends. The kernel lists such links since Linux 6.8.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "floor.skel.h"

#define OFFSETS_MAX 1024
#define LINKS_MAX 256

struct floor {
	struct floor_bpf *skel;
	const char *file;
	int pid, like;
	bool returns;
	unsigned int links, sites, return_sites;
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int attach(struct floor *f, const __u64 *at, const __u64 *refs, __u32 count, bool on_return)
{
	LIBBPF_OPTS(bpf_uprobe_multi_opts, o);
	unsigned long offsets[OFFSETS_MAX], counters[OFFSETS_MAX];
	bool counted = false;

	for (__u32 i = 0; i < count; i++) {
		offsets[i] = at[i];
		counters[i] = refs[i];
		counted = counted || refs[i];
	}
	o.offsets = offsets;
	o.ref_ctr_offsets = counted ? counters : NULL;
	o.cnt = count;
	o.retprobe = on_return;
	if (!bpf_program__attach_uprobe_multi(f->skel->progs.floor_hit, f->pid, f->file, NULL, &o))
		return -errno;
	f->links++;
	*(on_return ? &f->return_sites : &f->sites) += count;
	return 0;
}

/* One link of the system: 0 when it is none of those, or is attached now as well. */
static int follow(struct floor *f, int link)
{
	struct bpf_link_info info = { 0 };
	__u64 offsets[OFFSETS_MAX] = { 0 }, refs[OFFSETS_MAX] = { 0 };
	char path[4096] = "";
	__u32 len = sizeof(info);

	if (bpf_link_get_info_by_fd(link, &info, &len) || info.type != BPF_LINK_TYPE_UPROBE_MULTI ||
	    (int)info.uprobe_multi.pid != f->like || info.uprobe_multi.count > OFFSETS_MAX)
		return 0;
	memset(&info.uprobe_multi, 0, sizeof(info.uprobe_multi));
	info.uprobe_multi.path = (__u64)(unsigned long)path;
	info.uprobe_multi.path_size = sizeof(path);
	info.uprobe_multi.offsets = (__u64)(unsigned long)offsets;
	info.uprobe_multi.ref_ctr_offsets = (__u64)(unsigned long)refs;
	info.uprobe_multi.count = OFFSETS_MAX;
	if (bpf_link_get_info_by_fd(link, &info, &len))
		return -errno;
	if (strcmp(base_name(path), base_name(f->file)) != 0)
		return 0;
	if ((info.uprobe_multi.flags & BPF_F_UPROBE_MULTI_RETURN) && !f->returns)
		return 0;
	return attach(f, offsets, refs, info.uprobe_multi.count,
		      info.uprobe_multi.flags & BPF_F_UPROBE_MULTI_RETURN);
}

static int follow_all(struct floor *f)
{
	__u32 ids[LINKS_MAX];
	size_t n = 0;
	int r = 0;

	for (__u32 id = 0; n < LINKS_MAX && bpf_link_get_next_id(id, &id) == 0;)
		ids[n++] = id;
	for (size_t i = 0; !r && i < n; i++) {
		int link = bpf_link_get_fd_by_id(ids[i]);

		if (link < 0)
			continue;
		r = follow(f, link);
		close(link);
	}
	return r;
}

int main(int argc, char **argv)
{
	struct floor f = { .returns = argc == 5 && strcmp(argv[4], "--returns") == 0 };
	char c;
	int r;

	if (argc < 4 || (argc > 4 && !f.returns)) {
		fprintf(stderr, "floor LIKE-PID PID FILE [--returns]\n");
		return 2;
	}
	f.like = strtol(argv[1], NULL, 10);
	f.pid = strtol(argv[2], NULL, 10);
	f.file = argv[3];
	f.skel = floor_bpf__open_and_load();
	r = f.skel ? follow_all(&f) : -errno;
	if (r || f.links == 0) {
		fprintf(stderr, "floor: %s\n", r ? strerror(-r) : "no such links");
		return 1;
	}
	printf("{\"links\": %u, \"sites\": %u, \"returns\": %u}\n", f.links, f.sites,
	       f.return_sites);
	fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) == 1)
		;
	return 0; /* the kernel takes the links away with the process */
}
