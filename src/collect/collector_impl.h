/* What the files of the collector share; nobody else includes it. */
#pragma once
#include <bpf/libbpf.h>
#include <sys/types.h>

#include "collect/collector.h"
#include "memtrace.skel.h"

/* Probes that the keeper holds. */
struct probe_link {
	uint32_t id;
	uint32_t tgid;
	dev_t dev; /* of the file it is in */
	ino_t inode;
	struct probe_link *next;
};

struct collector {
	struct memtrace_bpf *skel;	 /* owned */
	struct keeper *keeper;		 /* borrowed */
	struct ring_buffer *ring;	 /* owned */
	struct bpf_link *tracepoints[5]; /* owned */
	struct probe_link *links;	 /* owned, newest first */
	struct unwind *unwind;		 /* owned */
	const struct mt_site *sites;	 /* mapped */
	size_t sites_bytes, sites_max;
	bool multi;
	bool has_fd_iter;
	int cpus;
};

/* Takes the probes of a process out, or all there are; returns before that is done. */
void collector_links_clear(struct collector *c, uint32_t tgid, bool all);
