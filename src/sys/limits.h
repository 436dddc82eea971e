/*
 * The tightest bound on a process's memory, and the control group and container it is in.
 * Control groups of both versions, also side by side; every group up to the root counts.
 */
#pragma once
#include <stdint.h>

#define LIMITS_CGROUP_BYTES 1024
#define LIMITS_CONTAINER_BYTES 65

enum limit_kind {
	LIMIT_NONE,    /* nothing could be read: memory_bytes is FACT_UNKNOWN */
	LIMIT_MACHINE, /* the machine's memory */
	LIMIT_CGROUP,
	LIMIT_RLIMIT, /* RLIMIT_AS, which bounds virtual memory */
};

struct limits_cfg {
	const char *root;	 /* where proc is mounted: "/proc" */
	const char *cgroup_root; /* where control groups are mounted: "/sys/fs/cgroup" */
};

struct limits {
	uint64_t memory_bytes;
	enum limit_kind kind;
	char cgroup[LIMITS_CGROUP_BYTES]; /* path of the memory controller's group; "" not known */
	char container_id[LIMITS_CONTAINER_BYTES]; /* 64 hex digits; "" when in no container */
};

/* "cgroup", "rlimit", "machine", or "" for LIMIT_NONE. */
const char *limits_kind_name(enum limit_kind kind);

/* What cannot be read is left out. -ESRCH when there is no such process. */
int limits_read(const struct limits_cfg *cfg, uint32_t pid, struct limits *ret);
