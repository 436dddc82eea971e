/*
 * The tightest bound on a process's memory, and the control group and container it is in.
 * Control groups of both versions, also side by side; every group up to the root counts.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define LIMITS_CGROUP_BYTES 1024
#define LIMITS_CONTAINER_BYTES 65
#define LIMITS_BOUND_BYTES (LIMITS_CGROUP_BYTES + 256)

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
	char bound[LIMITS_BOUND_BYTES]; /* folder of the group that binds; "" when none does */
	bool bound_v1;
};

/* "cgroup", "rlimit", "machine", or "" for LIMIT_NONE. */
const char *limits_kind_name(enum limit_kind kind);

/* What cannot be read is left out. -ESRCH when there is no such process. */
int limits_read(const struct limits_cfg *cfg, uint32_t pid, struct limits *ret);

/*
 * How much of l->memory_bytes is used now, by all that it binds: of a control group without the
 * file pages that the kernel gives up first, of the machine what is not available, of an rlimit
 * the virtual size. -ENODATA when nothing binds, or what reading says.
 */
int limits_read_used(const struct limits_cfg *cfg, uint32_t pid, const struct limits *l,
		     uint64_t *ret_bytes);
