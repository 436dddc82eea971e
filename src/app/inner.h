/*
 * The readers of what is inside a process (runtime/runtime.h) over its life: each is opened when
 * its files are there, asked again while it has not set itself up, and dropped when another program
 * is executed. The runtime's heap is read each time, the allocator walked through when enough time
 * went by or its memory changed.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/runtime.h"

struct inner; /* opaque */

struct inner_cfg {
	const struct runtime_ops *const *runtimes; /* borrowed; end with a NULL */
	const struct walk_ops *const *walks;
	uint64_t walk_ns;    /* a walk reads every header: not more often than this, unless ... */
	double walk_change;  /* ... memory outside of the runtime's heap changed by this share */
	uint32_t walk_share; /* a walk may take 1/this of a CPU, whatever changed */
	uint64_t walk_bytes; /* ... and by this much: what a small process gains soon is no news */
	uint32_t keep;	     /* readings that may fail until what was found before is given up */
	/* Who has not set itself up is asked at each reading so often; then after retry_ns, which
	 * is doubled so often: looking for it can cost 20 ms, and it may never come. */
	uint32_t eager;
	uint64_t retry_ns;
	uint32_t retry_log2;
};

struct inner_cfg inner_defaults(void);

/* What is known now; owned by the reader, valid until the next call. */
struct inner_found {
	const struct inner_range *range; /* sorted, not overlapping */
	size_t count;
	const struct inner_runtime *runtime;	 /* NULL: none, or it could not be read */
	const struct inner_allocator *allocator; /* the same */
	uint64_t walked_ns;
	uint64_t walk_cpu_ns; /* of the walk that was part of the last reading, 0: there was none */
	/* Static; NULL: there is none that is known, or nothing to say. */
	const char *runtime_name, *runtime_why, *allocator_name, *allocator_why;
};

int inner_new(const struct inner_cfg *cfg, struct inner **ret);
void inner_free(struct inner *in);

/* Another program: nothing of what was found is true any more. */
void inner_drop(struct inner *in);

/*
 * Reads. code: changes whenever what is mapped as code does; readers that did not open are asked
 * again then. held_bytes: resident anonymous memory. walk: whatever it costs. -ENOMEM, -ESRCH: what
 * was found before stands.
 */
int inner_read(struct inner *in, const struct process_view *view, uint64_t code,
	       uint64_t held_bytes, bool walk, uint64_t now_ns);
void inner_tell(const struct inner *in, struct inner_found *ret);
