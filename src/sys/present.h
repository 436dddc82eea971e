/*
 * Which pages of a process are in memory, as sorted runs of addresses: what a reader of its heaps
 * looks at before it reads (touching a page that is not there would make the kernel build page
 * tables in the target), and what resident bytes of any range are summed from.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PRESENT_RUNS_MAX (1u << 20) /* 32 MB */

struct present_run {
	uint64_t start, end;
	uint64_t before; /* bytes of the kind in all runs that lie lower */
};

/* Runs of one kind, in order of address; zeroed: none yet. */
struct present_runs {
	struct present_run *run; /* owned; present_done() */
	size_t count, cap;
	uint64_t bytes; /* of all runs */
	bool refused;	/* out of memory or of PRESENT_RUNS_MAX: what follows is missing */
};

struct present {
	struct present_runs in, swapped;
};

/* Adds a run behind the last one; runs that touch become one. */
void present_add(struct present_runs *r, uint64_t start, uint64_t end);
void present_done(struct present *p);

/* Bytes of [start, end) in the runs. */
uint64_t present_bytes(const struct present_runs *r, uint64_t start, uint64_t end);
bool present_has(const struct present_runs *r, uint64_t address);
/* The first run that ends above address; NULL: none does. Those that follow lie behind it. */
const struct present_run *present_from(const struct present_runs *r, uint64_t address);
